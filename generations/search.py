"""Full-text search over prompts, on SQLite and PostgreSQL.

Words match by prefix; case and diacritics are ignored. In scripts without spaces, such as Chinese,
Japanese and Thai, any part of a text matches. Words joined without a space, `black-and-white`, or
in quotes must be next to each other; those in quotes match whole. SQLite has an FTS5 table with
triggers, PostgreSQL an expression index.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from generations.models import counting
from generations.models.generation import GenerationQuerySet
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

    def few_keys(self, using: str = DEFAULT_DB_ALIAS) -> list[int] | None:
        """Look up the keys of the matching rows; None if there are more than `MAX_SORTED_ROWS`."""
        if not self.phrases:
            return []
        if connections[using].vendor == "postgresql":
            text = " & ".join(
                f"({' <-> '.join(phrase.words)}{'' if phrase.is_whole else ':*'})"
                for phrase in self.phrases
            )
            sql = """SELECT id FROM generations_generation
                WHERE to_tsvector('simple', search_text) @@ to_tsquery('simple', %s) LIMIT %s"""
        else:
            text = " ".join(
                f'"{phrase}"{"" if phrase.is_whole else " *"}' for phrase in self.phrases
            )
            sql = """SELECT rowid FROM generations_search
                WHERE generations_search MATCH %s LIMIT %s"""
        with connections[using].cursor() as cursor:
            cursor.execute(sql, [text, counting.MAX_SORTED_ROWS + 1])
            keys = [pk for (pk,) in cursor.fetchall()]
        return keys if len(keys) <= counting.MAX_SORTED_ROWS else None

    def filter(self, rows: GenerationQuerySet) -> GenerationQuerySet:
        """Read the text of each row, for words that are too common for `few_keys`."""
        for phrase in self.phrases:
            rows = rows.filter(_contains(phrase))
        return rows


def search(rows: GenerationQuerySet, text: str) -> GenerationQuerySet:
    """Filter to rows whose prompt has every phrase of the text; all rows if the text is empty.

    Rare words are looked up in the index; for common words, reading in date order is faster. Call
    it after other filters.
    """
    if not text.strip():
        return rows
    query = SearchQuery.parse(text)
    keys = query.few_keys(rows.db)
    return query.filter(rows) if keys is None else rows.with_keys(keys)


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
