"""Database triggers that refuse to change or delete rows of a table, on both databases.

SQLite rebuilds a table that a migration alters, and drops its triggers: such a migration of one of
`TABLES` must call `protect` afterwards.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """`is_same` is true for a stored row that a NEW one with the same unique values replaces."""

    name: str
    rows: str  # in the message of the database
    is_same: str

    @property
    def trigger(self) -> str:
        return f"{self.name}_append_only"

    @property
    def message(self) -> str:
        return f"{self.rows} are never changed or deleted"


LEDGER = Table(
    "generations_ledgerentry",
    "ledger entries",
    "id = NEW.id OR (key = NEW.key AND period_id = NEW.period_id)",
)
AUDIT_LOG = Table("generations_auditentry", "audit entries", "id = NEW.id")
TABLES = (LEDGER, AUDIT_LOG)

_EXISTS = {
    "sqlite": "SELECT count(*) = 3 FROM sqlite_master WHERE type = 'trigger' AND name LIKE %s",
    "postgresql": "SELECT count(*) > 0 FROM pg_trigger WHERE tgname LIKE %s",
}


def protect(connection: Any, tables: Iterable[Table] = TABLES) -> None:
    create = {"sqlite": _create_sqlite, "postgresql": _create_postgresql}[connection.vendor]
    for table in tables:
        _execute(connection, create(table))


def unprotect(connection: Any, tables: Iterable[Table] = TABLES) -> None:
    remove = {"sqlite": _remove_sqlite, "postgresql": _remove_postgresql}[connection.vendor]
    for table in tables:
        _execute(connection, remove(table))


def is_protected(connection: Any) -> bool:
    """Whether all tables have their triggers."""
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(_EXISTS[connection.vendor], [f"{table.trigger}%"])
            if not cursor.fetchone()[0]:
                return False
    return True


def _create_sqlite(table: Table) -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table.message}'); END"
    changes = [
        f"""CREATE TRIGGER IF NOT EXISTS {table.trigger}_{action.lower()}
            BEFORE {action} ON {table.name} {refuse}"""
        for action in ("UPDATE", "DELETE")
    ]
    # INSERT OR REPLACE deletes the old row without calling the trigger for DELETE.
    replacement = f"""CREATE TRIGGER IF NOT EXISTS {table.trigger}_insert
        BEFORE INSERT ON {table.name}
        WHEN EXISTS (SELECT 1 FROM {table.name} WHERE {table.is_same}) {refuse}"""  # noqa: S608
    return [*changes, replacement]


def _remove_sqlite(table: Table) -> list[str]:
    actions = ("update", "delete", "insert")
    return [f"DROP TRIGGER IF EXISTS {table.trigger}_{action}" for action in actions]


def _create_postgresql(table: Table) -> list[str]:
    return [
        f"""CREATE OR REPLACE FUNCTION {table.trigger}() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION '{table.message}'; END $$""",
        f"""CREATE OR REPLACE TRIGGER {table.trigger}
            BEFORE UPDATE OR DELETE OR TRUNCATE ON {table.name}
            FOR EACH STATEMENT EXECUTE FUNCTION {table.trigger}()""",
    ]


def _remove_postgresql(table: Table) -> list[str]:
    return [
        f"DROP TRIGGER IF EXISTS {table.trigger} ON {table.name}",
        f"DROP FUNCTION IF EXISTS {table.trigger}()",
    ]


def _execute(connection: Any, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
