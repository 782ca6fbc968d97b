"""Errors of a database that cannot be used: away, locked, full, damaged or not permitted."""

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError
from django.utils.translation import gettext as _

SQLITE_ADVICE = {
    "not a database": "is damaged: restore it from a backup, or move it away to start anew",
    "malformed": "is damaged: restore it from a backup, or move it away to start anew",
    "readonly": "cannot be written: check the permissions of the file and its folder",
    "unable to open": "cannot be opened: check the permissions of the file and its folder",
    "full": "cannot grow: free some space on its disk",
    "locked": "is locked: stop the other program that uses it",
}


def is_unavailable(error: BaseException | None) -> bool:
    """Whether the database is at fault. Errors in queries have other subclasses."""
    # SQLite reports a damaged file as a plain DatabaseError.
    return isinstance(error, OperationalError | InterfaceError) or type(error) is DatabaseError


def reason_after(done: int, error: DatabaseError) -> str:
    """Say why the rest was left, after so many of several changes were saved one by one.

    Raises the error if nothing was saved: its page says that nothing was changed or charged.
    """
    if not done or not is_unavailable(error):
        raise error
    return _("Could not save.")


def explain(error: BaseException) -> str:
    """Return one sentence for the admin: what is wrong, and what to do."""
    database = settings.DATABASES["default"]
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if "sqlite3" not in database["ENGINE"]:
        where = f"{database['HOST'] or 'this machine'}, database {database['NAME']}"
        return f"PostgreSQL on {where} cannot be used (KLINGWEB_DATABASE_URL): {lines[0]}"
    for text, advice in SQLITE_ADVICE.items():
        if text in lines[0]:
            return f"The database {database['NAME']} {advice}."
    return f"The database {database['NAME']} cannot be used: {lines[0]}."
