"""Checks of what the install holds: database, keys, ledger and backups."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from generations.models import ApiKey, AuditAction, AuditEntry, append_only
from generations.operations import ledger_check

from . import encryption_keys
from .backup import LABEL
from .finding import Finding, Level, ok, problem, warning

BACKUP_AGE = timedelta(days=7)


def is_usable(of_database: list[Finding]) -> bool:
    """Whether the other checks can read the tables, by what `database_findings` has yielded."""
    return any(each.level is Level.OK for each in of_database)


def database_findings() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        yield problem(
            "database",
            "The tables are not those of this version.",
            "Start klingweb once (make run), or run manage.py migrate.",
        )
        return
    if not append_only.is_protected(connection):
        yield problem(
            "database",
            "The triggers that protect ledger and audit log are missing.",
            "Start klingweb once (make run): it creates them.",
        )
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA quick_check(1)")
            found = cursor.fetchone()[0]
        if found != "ok":
            yield problem("database", f"SQLite says: {found}.", "Restore it from a backup.")
            return
    yield ok("database", f"{connection.display_name} is prepared, and can be read.")


def key_findings() -> Iterator[Finding]:
    if lost := encryption_keys.unreadable():
        yield problem(
            "key",
            f"{encryption_keys.place()} does not fit {lost} stored secrets.",
            "Put back the right key; or enter the API keys again on the page Engines and keys, "
            "and let people set up their second factor again.",
        )
        return
    if not settings.DEMO and not settings.UPSTREAM_KEY and not ApiKey.objects.active().exists():
        yield problem(
            "key", "There is no API key.", "Enter one on the page Engines and keys (/admin/keys/)."
        )
        return
    yield ok("key", "Every stored secret can be read.")


def ledger_findings() -> Iterator[Finding]:
    if found := ledger_check.differences():
        yield problem(
            "ledger",
            f"It does not explain {len(found)} figures, first: {found[0]}.",
            "See manage.py ledger check, then manage.py ledger rebuild.",
        )
    else:
        yield ok("ledger", "It explains every figure.")


def backup_findings() -> Iterator[Finding]:
    if settings.DEMO:
        return
    backups = AuditEntry.objects.filter(action=AuditAction.EXPORTED, target_label=LABEL)
    last_at = backups.order_by("-pk").values_list("at", flat=True).first()
    advice = "Run manage.py backup daily, and keep the archives on another machine."
    if last_at is None:
        yield warning("backup", "There was no backup yet.", advice)
    elif timezone.now() - last_at > BACKUP_AGE:
        yield warning("backup", f"The last backup was on {last_at:%Y-%m-%d}.", advice)
    else:
        yield ok("backup", f"The last one was on {last_at:%Y-%m-%d %H:%M} UTC.")
