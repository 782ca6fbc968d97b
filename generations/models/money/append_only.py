"""Database triggers that refuse to change or delete ledger entries, on both databases.

SQLite rebuilds a table that a migration alters, and drops its triggers: such a migration of ledger
entries must call `protect` afterwards.
"""

from typing import Any

TABLE = "generations_ledgerentry"
_NAME = f"{TABLE}_append_only"
_MESSAGE = "ledger entries are never changed or deleted"

_CREATE = {
    "sqlite": [
        f"""CREATE TRIGGER IF NOT EXISTS {_NAME}_{action.lower()} BEFORE {action} ON {TABLE}
            BEGIN SELECT RAISE(ABORT, '{_MESSAGE}'); END"""
        for action in ("UPDATE", "DELETE")
    ]
    # INSERT OR REPLACE deletes the old row without calling the trigger for DELETE.
    + [
        f"""CREATE TRIGGER IF NOT EXISTS {_NAME}_insert BEFORE INSERT ON {TABLE}
            WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id
                         OR (key = NEW.key AND period_id = NEW.period_id))
            BEGIN SELECT RAISE(ABORT, '{_MESSAGE}'); END"""  # noqa: S608
    ],
    "postgresql": [
        f"""CREATE OR REPLACE FUNCTION {_NAME}() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION '{_MESSAGE}'; END $$""",
        f"""CREATE OR REPLACE TRIGGER {_NAME} BEFORE UPDATE OR DELETE OR TRUNCATE ON {TABLE}
            FOR EACH STATEMENT EXECUTE FUNCTION {_NAME}()""",
    ],
}
_REMOVE = {
    "sqlite": [
        f"DROP TRIGGER IF EXISTS {_NAME}_{action}" for action in ("update", "delete", "insert")
    ],
    "postgresql": [
        f"DROP TRIGGER IF EXISTS {_NAME} ON {TABLE}",
        f"DROP FUNCTION IF EXISTS {_NAME}()",
    ],
}
_EXISTS = {
    "sqlite": "SELECT count(*) = 3 FROM sqlite_master WHERE type = 'trigger' AND name LIKE %s",
    "postgresql": "SELECT count(*) > 0 FROM pg_trigger WHERE tgname LIKE %s",
}


def protect(connection: Any) -> None:
    _execute(connection, _CREATE[connection.vendor])


def unprotect(connection: Any) -> None:
    _execute(connection, _REMOVE[connection.vendor])


def is_protected(connection: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_EXISTS[connection.vendor], [f"{_NAME}%"])
        [found] = cursor.fetchone()
    return bool(found)


def _execute(connection: Any, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
