"""Full-text search over prompts, on SQLite and PostgreSQL.

Words match by prefix; case and diacritics are ignored. In scripts without spaces, such as Chinese,
Japanese and Thai, any part of a text matches. Words joined without a space, `black-and-white`, must
be next to each other. SQLite has an FTS5 table with triggers, PostgreSQL an expression index.
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
_POSTGRESQL_INDEX = """CREATE INDEX IF NOT EXISTS generations_search ON generations_generation
    USING gin (to_tsvector('simple', search_text))"""


def search(rows: GenerationQuerySet, text: str) -> GenerationQuerySet:
    """Filter to rows whose prompt has every word of the text; all rows if the text is empty.

    Rare words are looked up in the index; for common words, reading in date order is faster.
    """
    if not text.strip():
        return rows
    phrases = [words for chunk in text[:MAX_SEARCH_LENGTH].split() if (words := normalize(chunk))]
    if not phrases:
        return rows.none()
    keys = _matching_keys(phrases, rows.db)
    if len(keys) <= MAX_SORTED_ROWS:
        return rows.filter(pk__in=keys)
    for phrase in phrases:
        rows = rows.filter(_contains(phrase))
    return rows


def prepare(*, using: str, **_signal: Any) -> None:
    """Create the index if it is missing.

    Runs after every migration: when SQLite rebuilds a table, its triggers are lost.
    """
    connection = connections[using]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRESQL_INDEX)
            return
        cursor.execute("SELECT count(*) FROM sqlite_master WHERE name = 'generations_search'")
        is_new = not cursor.fetchone()[0]
        for statement in _SQLITE_INDEX:
            cursor.execute(statement)
        if is_new:
            cursor.execute("INSERT INTO generations_search (generations_search) VALUES ('rebuild')")


def _matching_keys(phrases: Sequence[Sequence[str]], using: str) -> list[int]:
    """Return the keys of rows with all phrases, at most `MAX_SORTED_ROWS` + 1 of them."""
    if connections[using].vendor == "postgresql":
        query = " & ".join(f"({' <-> '.join(phrase)}:*)" for phrase in phrases)
        sql = """SELECT id FROM generations_generation
            WHERE to_tsvector('simple', search_text) @@ to_tsquery('simple', %s) LIMIT %s"""
    else:
        query = " ".join(f'"{" ".join(phrase)}" *' for phrase in phrases)
        sql = """SELECT rowid FROM generations_search
            WHERE generations_search MATCH %s LIMIT %s"""
    with connections[using].cursor() as cursor:
        cursor.execute(sql, [query, MAX_SORTED_ROWS + 1])
        return [pk for (pk,) in cursor.fetchall()]


def _contains(phrase: Sequence[str]) -> RawSQL:
    """Match like the index: these words next to each other, the last one as a prefix."""
    return RawSQL(
        "(' ' || generations_generation.search_text) LIKE %s",
        [f"% {' '.join(phrase)}%"],
        output_field=BooleanField(),
    )
