"""Full-text search over prompts, on SQLite and PostgreSQL.

Words match by prefix; case and diacritics are ignored. In scripts without spaces, such as Chinese,
Japanese and Thai, any part of a text matches. Words joined without a space, `black-and-white`, or
in quotes must be next to each other; those in quotes match whole. SQLite has an FTS5 table with
triggers, PostgreSQL an expression index.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from django.db import connections
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from generations.models.generation import GenerationQuerySet
from generations.models.generation_queryset import MAX_SORTED_ROWS
from generations.models.search_text import normalize

MAX_SEARCH_CHARACTERS = 200
MAX_PHRASES = 20  # each is looked up in the index
_QUOTED = re.compile('["“”„«»]([^"“”„«»]*)["“”„«»]')

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


@dataclass(frozen=True)
class Phrase:
    """Words next to each other. The last one is the beginning of a word, unless `is_whole`."""

    words: tuple[str, ...]
    is_whole: bool

    def __str__(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True)
class SearchQuery:
    """What is looked for (every phrase) and the parts of the text that are not."""

    phrases: tuple[Phrase, ...]
    ignored: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a text as it was typed. Text in quotes is one phrase of whole words.

        Ignored are punctuation on its own and all that exceeds the limits.
        """
        searched, rest = _split_at_limit(text.strip())
        phrases: list[Phrase] = []
        ignored: list[str] = []
        for chunk, is_quoted in _chunks(searched):
            words = tuple(normalize(chunk))
            if words and len(phrases) < MAX_PHRASES:
                phrases.append(Phrase(words, is_quoted))
            else:
                ignored.append(chunk)
        return cls(tuple(phrases), " ".join([*ignored, rest]).strip())


def search(rows: GenerationQuerySet, text: str) -> GenerationQuerySet:
    """Filter to rows whose prompt has every phrase of the text; all rows if the text is empty.

    Rare words are looked up in the index; for common words, reading in date order is faster.
    """
    if not text.strip():
        return rows
    phrases = SearchQuery.parse(text).phrases
    if not phrases:
        return rows.none()
    keys = _matching_keys(phrases, rows.db)
    if len(keys) <= MAX_SORTED_ROWS:
        return rows.filter(pk__in=keys)
    for phrase in phrases:
        rows = rows.filter(_contains(phrase))
    return rows


def prepare(*, using: str, **_signal: Any) -> None:
    """Create what is missing of the index.

    Runs after every migration: when SQLite rebuilds a table, its triggers are lost. The index is
    then read anew, since a later migration may have changed texts without them; the triggers would
    damage an index that differs from the table.
    """
    connection = connections[using]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRESQL_INDEX)
            return
        cursor.execute(
            """SELECT count(*) FROM sqlite_master WHERE name = 'generations_search'
                OR (type = 'trigger' AND name LIKE 'generations_search_%%')""",
            [],
        )
        is_complete = cursor.fetchone()[0] == len(_SQLITE_INDEX)
        for statement in _SQLITE_INDEX:
            cursor.execute(statement)
        if not is_complete:
            cursor.execute("INSERT INTO generations_search (generations_search) VALUES ('rebuild')")


def _matching_keys(phrases: Sequence[Phrase], using: str) -> list[int]:
    """Return the keys of rows with all phrases, at most `MAX_SORTED_ROWS` + 1 of them."""
    if connections[using].vendor == "postgresql":
        query = " & ".join(
            f"({' <-> '.join(phrase.words)}{'' if phrase.is_whole else ':*'})" for phrase in phrases
        )
        sql = """SELECT id FROM generations_generation
            WHERE to_tsvector('simple', search_text) @@ to_tsquery('simple', %s) LIMIT %s"""
    else:
        query = " ".join(f'"{phrase}"{"" if phrase.is_whole else " *"}' for phrase in phrases)
        sql = """SELECT rowid FROM generations_search
            WHERE generations_search MATCH %s LIMIT %s"""
    with connections[using].cursor() as cursor:
        cursor.execute(sql, [query, MAX_SORTED_ROWS + 1])
        return [pk for (pk,) in cursor.fetchall()]


def _contains(phrase: Phrase) -> RawSQL:
    """Match like the index."""
    return RawSQL(
        "(' ' || generations_generation.search_text || ' ') LIKE %s",
        [f"% {phrase}{' ' if phrase.is_whole else ''}%"],
        output_field=BooleanField(),
    )


# --- parsing -------------------------------------------------------------------------------------


def _split_at_limit(text: str) -> tuple[str, str]:
    """Split after the last whole word within `MAX_SEARCH_CHARACTERS`."""
    if len(text) <= MAX_SEARCH_CHARACTERS:
        return text, ""
    whole_words = text[: MAX_SEARCH_CHARACTERS + 1].rsplit(None, 1)
    searched = whole_words[0] if len(whole_words) > 1 else text[:MAX_SEARCH_CHARACTERS]
    return searched, text[len(searched) :].strip()


def _chunks(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of the text in order, and whether each is in quotes.

    A quote that is never closed is punctuation.
    """
    end = 0
    for quoted in _QUOTED.finditer(text):
        yield from ((chunk, False) for chunk in text[end : quoted.start()].split())
        yield quoted[1].strip() or quoted[0], True
        end = quoted.end()
    yield from ((chunk, False) for chunk in text[end:].split())
