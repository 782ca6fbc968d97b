"""The indexes of search: an FTS5 table with triggers on SQLite, expression indexes on PostgreSQL.

Words are looked up in an index of prompts, parts of words in an index of the vocabulary (`Word`) by
trigrams. A database without trigrams reads the vocabulary instead, which has a maximum size.
"""

from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction

_SQLITE_INDEX = (
    """CREATE VIRTUAL TABLE IF NOT EXISTS generations_search USING fts5(
        search_text, content='generations_generation', content_rowid='id', tokenize='unicode61')""",
    """CREATE TRIGGER IF NOT EXISTS generations_search_insert
        AFTER INSERT ON generations_generation BEGIN
        INSERT INTO generations_search (rowid, search_text)
        VALUES (new.id, new.search_text); END""",
    """CREATE TRIGGER IF NOT EXISTS generations_search_delete
        AFTER DELETE ON generations_generation BEGIN
        INSERT INTO generations_search (generations_search, rowid, search_text)
        VALUES ('delete', old.id, old.search_text); END""",
    """CREATE TRIGGER IF NOT EXISTS generations_search_update
        AFTER UPDATE OF search_text ON generations_generation
        WHEN old.search_text <> new.search_text BEGIN
        INSERT INTO generations_search (generations_search, rowid, search_text)
        VALUES ('delete', old.id, old.search_text);
        INSERT INTO generations_search (rowid, search_text)
        VALUES (new.id, new.search_text); END""",
)
# Since SQLite 3.34. Words are never changed.
_SQLITE_WORD_INDEX = (
    """CREATE VIRTUAL TABLE IF NOT EXISTS generations_word_parts USING fts5(
        word, content='generations_word', content_rowid='id', tokenize='trigram')""",
    """CREATE TRIGGER IF NOT EXISTS generations_word_insert
        AFTER INSERT ON generations_word BEGIN
        INSERT INTO generations_word_parts (rowid, word) VALUES (new.id, new.word); END""",
    """CREATE TRIGGER IF NOT EXISTS generations_word_delete
        AFTER DELETE ON generations_word BEGIN
        INSERT INTO generations_word_parts (generations_word_parts, rowid, word)
        VALUES ('delete', old.id, old.word); END""",
)
_POSTGRESQL_INDEX = """CREATE INDEX IF NOT EXISTS generations_search ON generations_generation
    USING gin (to_tsvector('simple', search_text))"""
_POSTGRESQL_WORD_INDEX = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    """CREATE INDEX IF NOT EXISTS generations_word_parts ON generations_word
        USING gin (word gin_trgm_ops)""",
)


def prepare(*, using: str, **_signal: Any) -> None:
    """Create what is missing of the indexes.

    Runs after every migration: when SQLite rebuilds a table, its triggers are lost. The index is
    then read anew, since a later migration may have changed texts without them; the triggers would
    damage an index that differs from the table.
    """
    connection = connections[using]
    has_words = "generations_word" in connection.introspection.table_names()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRESQL_INDEX)
        else:
            _prepare_sqlite(cursor, "generations_search", _SQLITE_INDEX)
    if not has_words:  # migrated back to before the vocabulary
        return
    try:
        with transaction.atomic(using=using), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                for statement in _POSTGRESQL_WORD_INDEX:
                    cursor.execute(statement)
            else:
                _prepare_sqlite(cursor, "generations_word_parts", _SQLITE_WORD_INDEX)
    except DatabaseError:
        pass  # without trigrams, or without the right to create the extension


def _prepare_sqlite(cursor: Any, table: str, statements: tuple[str, ...]) -> None:
    names = {statement.split("IF NOT EXISTS ")[1].split()[0] for statement in statements}
    cursor.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'trigger')")
    is_complete = names <= {name for (name,) in cursor.fetchall()}
    for statement in statements:
        cursor.execute(statement)
    if not is_complete:
        cursor.execute(f"INSERT INTO {table} ({table}) VALUES ('rebuild')")  # noqa: S608


@cache
def table_of_words(using: str = DEFAULT_DB_ALIAS) -> str:
    """The table whose column `word` finds parts of words the fastest."""
    connection = connections[using]
    if connection.vendor == "postgresql":  # its index belongs to the table itself
        return "generations_word"
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'generations_word_parts'")
        return "generations_word_parts" if cursor.fetchone() else "generations_word"
