"""All checks of `manage.py doctor`, each by itself: one that fails does not stop the others."""

from collections.abc import Callable, Iterator

from django.db import Error as DatabaseError
from django.db import connection

from generations.database_errors import explain, is_unavailable
from klingweb.environment import SettingError

from . import contents, growth, machine, orphans
from .finding import Finding, problem

Check = Callable[[], Iterator[Finding]]
# Of the machine: they need no tables.
OF_MACHINE: dict[str, Check] = {
    "settings": machine.settings_findings,
    "restore": machine.restore_findings,
    "permissions": machine.permission_findings,
    "storage": machine.storage_findings,
    "disk": machine.disk_findings,
}
OF_CONTENTS: dict[str, Check] = {
    "key": contents.key_findings,
    "clock": machine.clock_findings,
    "worker": machine.worker_findings,
    "ledger": contents.ledger_findings,
    "files": orphans.file_findings,
    "growth": growth.growth_findings,
    "backup": contents.backup_findings,
}


def examine() -> Iterator[Finding]:
    """Yield what each check has found, as soon as it is known."""
    for subject, check in OF_MACHINE.items():
        yield from _run(subject, check)
    of_database = list(_run("database", contents.database_findings))
    yield from of_database
    if contents.is_usable(of_database):
        for subject, check in OF_CONTENTS.items():
            yield from _run(subject, check)


def _run(subject: str, check: Check) -> Iterator[Finding]:
    try:
        yield from check()
    except DatabaseError as error:
        connection.close()
        sentence = explain(error) if is_unavailable(error) else f"A query failed: {error}."
        yield problem(subject, sentence, "See the log of the database.")
    except SettingError as error:
        yield problem(subject, str(error), "Until then stored API keys cannot be read.")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        yield problem(subject, f"{where}{error.strerror or error}.", "Check its permissions.")
