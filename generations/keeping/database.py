"""The database behind one set of functions: snapshot, dump, load, counts, what it has."""

from collections.abc import Iterable
from types import ModuleType

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from . import postgresql, sqlite

_MODULES: dict[str, ModuleType] = {"sqlite": sqlite, "postgresql": postgresql}
# Rows of these say that somebody has begun to use the install.
USED_TABLES = {"generations_member": "people", "generations_generation": "generations"}


def vendor() -> str:
    """ "sqlite" or "postgresql"."""
    return connection.vendor


def tools() -> ModuleType:
    """Return the module with `snapshot`, `dump` and `load` of this database."""
    return _MODULES[connection.vendor]


def counts(tables: Iterable[str] | None = None) -> dict[str, int]:
    """The number of rows of each of these tables that exists; by default of all of ours."""
    quote = connection.ops.quote_name
    existing = _our_tables() if tables is None else {*tables} & _existing_tables()
    with connection.cursor() as cursor:
        found = {}
        for table in sorted(existing):
            cursor.execute(f"SELECT count(*) FROM {quote(table)}")  # noqa: S608
            found[table] = int(cursor.fetchone()[0])
    return found


def uses() -> dict[str, int]:
    """What is in use, by its name for people; empty if the install is empty."""
    return {USED_TABLES[table]: rows for table, rows in counts(USED_TABLES).items() if rows}


def applied_migrations() -> list[str]:
    return sorted(
        f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()
    )


def unknown_migrations(applied: list[str]) -> list[str]:
    """Those that this version of klingweb does not have."""
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    return [name for name in applied if name not in known]


def _existing_tables() -> set[str]:
    return set(connection.introspection.table_names())


def _our_tables() -> set[str]:
    """The tables of all models that exist, and that of the migrations."""
    ours = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return {*ours, "django_migrations"} & _existing_tables()
