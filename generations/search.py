"""Finding generations by words of their prompts: one function in front of two databases.

Words are found by their beginnings, without case and marks; in Chinese, Japanese and Thai any part
of a text is found. What stands together without a blank must be found together: `black-and-white`.
SQLite keeps an FTS5 index beside the table, PostgreSQL an index over an expression.
"""

from collections.abc import Sequence
from typing import Any

from django.db import connections
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from generations.models.generation import GenerationQuerySet
from generations.models.generation_queryset import MAX_SORTED_ROWS
from generations.models.search_text import normalize

MAX_SEARCH_LENGTH = 200  # characters

_SQLITE = (
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
_POSTGRESQL = """CREATE INDEX IF NOT EXISTS generations_search ON generations_generation
    USING gin (to_tsvector('simple', search_text))"""


def search(rows: GenerationQuerySet, text: str) -> GenerationQuerySet:
    """Those rows whose prompt has every word of the text; all of them for an empty text.

    A rare word is looked up in the index; a common one is met soon enough by going back in time.
    """
    if not text.strip():
        return rows
    phrases = [words for chunk in text[:MAX_SEARCH_LENGTH].split() if (words := normalize(chunk))]
    if not phrases:
        return rows.none()
    few = _few_with(phrases, rows.db)
    if len(few) <= MAX_SORTED_ROWS:
        return rows.filter(pk__in=few)
    for words in phrases:
        rows = rows.filter(_has(words))
    return rows


def prepare(*, using: str, **_signal: Any) -> None:
    """Make the index where it is missing. After every migration: a table that SQLite rebuilt has
    lost its triggers."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRESQL)
            return
        cursor.execute("SELECT count(*) FROM sqlite_master WHERE name = 'generations_search'")
        is_new = not cursor.fetchone()[0]
        for statement in _SQLITE:
            cursor.execute(statement)
        if is_new:
            cursor.execute("INSERT INTO generations_search (generations_search) VALUES ('rebuild')")


def _few_with(phrases: Sequence[Sequence[str]], using: str) -> list[int]:
    """The keys of those that have them all; of more than are sorted, any one more."""
    if connections[using].vendor == "postgresql":
        query = " & ".join(f"({' <-> '.join(words)}:*)" for words in phrases)
        sql = """SELECT id FROM generations_generation
            WHERE to_tsvector('simple', search_text) @@ to_tsquery('simple', %s) LIMIT %s"""
    else:
        query = " ".join(f'"{" ".join(words)}" *' for words in phrases)
        sql = """SELECT rowid FROM generations_search
            WHERE generations_search MATCH %s LIMIT %s"""
    with connections[using].cursor() as cursor:
        cursor.execute(sql, [query, MAX_SORTED_ROWS + 1])
        return [pk for (pk,) in cursor.fetchall()]


def _has(words: Sequence[str]) -> RawSQL:
    """Says the same of a row as the index does: these words in a row, the last by its beginning."""
    return RawSQL(
        "(' ' || generations_generation.search_text) LIKE %s",
        [f"% {' '.join(words)}%"],
        output_field=BooleanField(),
    )
