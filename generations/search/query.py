"""A parsed search, the keys of the rows that it finds, and how it is widened for a member."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, Self

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Exists, OuterRef, Q, TextField, Value
from django.db.models.functions import Concat
from django.db.models.lookups import Contains

from generations.models import Generation, Member, Picture, counting
from generations.models.generation import GenerationQuerySet
from generations.models.search_text import normalize

from .names import names_among
from .phrases import MAX_PHRASES, MIN_PART_LETTERS, Phrase, chunks, split_at_limit
from .vocabulary import corrections, words_containing

MAX_WIDENED = 5  # words of which parts, people and tags are looked up
MAX_NAMED = 2  # words that may be a person or a tag: each doubles the look-ups
MIN_TYPO_LETTERS = 4
MAX_UNITED = 200  # look-ups in one statement: SQLite unites 500 at most


@dataclass(frozen=True)
class SearchQuery:
    """What is looked for (every phrase and one of the ratios) and the text that is not."""

    phrases: tuple[Phrase, ...]
    ignored: str
    ratios: tuple[str, ...] = ()
    is_corrected: bool = False

    @classmethod
    def parse(cls, text: str, ratios: Collection[str] = ()) -> Self:
        """Read a text as it was typed. Text in quotes is one phrase of whole words.

        `ratios`: texts that are an aspect ratio, not words. Ignored are punctuation on its own and
        all that exceeds the limits.
        """
        searched, rest = split_at_limit(text.strip())
        phrases: list[Phrase] = []
        ignored: list[str] = []
        found: list[str] = []
        for chunk, is_quoted in chunks(searched):
            words = tuple(normalize(chunk))
            if not is_quoted and chunk in ratios:
                found.append(chunk)
            elif words and len(phrases) < MAX_PHRASES:
                phrases.append(Phrase(words, is_quoted))
            else:
                ignored.append(chunk)
        return cls(tuple(phrases), " ".join([*ignored, rest]).strip(), tuple(found))

    # --- widening --------------------------------------------------------------------------------

    def with_parts(self) -> "SearchQuery":
        """Match parts of words, too."""
        parts = [
            str(phrase)
            for phrase in self.phrases
            if phrase.is_single_word and len(str(phrase)) >= MIN_PART_LETTERS
        ]
        found = words_containing(list(dict.fromkeys(parts))[:MAX_WIDENED])
        return self._with(
            {
                index: {"is_part": True, "similar": found[str(phrase)]}
                for index, phrase in enumerate(self.phrases)
                if phrase.is_single_word and str(phrase) in found
            }
        )

    def with_names(self) -> "SearchQuery":
        """Match owners by a word of their name and pictures by their tags, too."""
        people, tags = names_among({str(phrase) for phrase in self.phrases[:MAX_WIDENED]})
        changes: dict[int, dict[str, Any]] = {}
        for index, phrase in enumerate(self.phrases[:MAX_WIDENED]):
            text = str(phrase)
            if (text in people or text in tags) and len(changes) < MAX_NAMED:
                changes[index] = {"people": people.get(text, ()), "tags": tags.get(text, ())}
        return self._with(changes)

    def with_corrections(self, member: Member) -> "SearchQuery":
        """Match words that were mistyped, too: those that alone find nothing, or else any.

        The same query if there are none.
        """
        long = {
            index: phrase
            for index, phrase in enumerate(self.phrases[:MAX_WIDENED])
            if phrase.is_single_word and len(str(phrase)) >= MIN_TYPO_LETTERS
        }
        unknown = {
            index: phrase
            for index, phrase in long.items()
            if len(self.phrases) > 1 and not SearchQuery((phrase,), "").finds_any(member)
        }
        changes: dict[int, dict[str, Any]] = {}
        for index, phrase in (unknown or long).items():
            if words := corrections(str(phrase)):
                changes[index] = {"similar": tuple(dict.fromkeys([*words, *phrase.similar]))}
        return replace(self._with(changes), is_corrected=True) if changes else self

    def _with(self, changes: Mapping[int, Mapping[str, Any]]) -> "SearchQuery":
        phrases = [
            replace(phrase, **changes.get(index, {})) for index, phrase in enumerate(self.phrases)
        ]
        return replace(self, phrases=tuple(phrases))

    # --- finding ---------------------------------------------------------------------------------

    def few_keys(self, using: str = DEFAULT_DB_ALIAS) -> list[int] | None:
        """Look up the keys of the matching rows; None if there are more than `MAX_SORTED_ROWS`.

        The aspect ratios are left to the caller, who has an index of them.
        """
        if using == DEFAULT_DB_ALIAS:
            return self._few_keys
        return self._look_up(using, counting.MAX_SORTED_ROWS)

    def keys_up_to(self, limit: int) -> list[int] | None:
        """Like `few_keys`, with another limit."""
        return self._look_up(DEFAULT_DB_ALIAS, limit)

    @cached_property
    def _few_keys(self) -> list[int] | None:
        return self._look_up(DEFAULT_DB_ALIAS, counting.MAX_SORTED_ROWS)

    def _look_up(self, using: str, limit: int) -> list[int] | None:
        if not self.phrases:
            return []
        keys: dict[int, None] = {}
        for branch in product(*map(_readings, self.phrases)):
            found = _keys_of(branch, using, limit)
            if found is None:
                return None
            keys |= dict.fromkeys(found)
        return list(keys)

    def newest_keys(self, limit: int) -> list[int]:
        """The highest keys of the rows that have the text of every phrase."""
        return _text_keys(self.phrases, DEFAULT_DB_ALIAS, limit, newest=True)

    def filter(self, rows: GenerationQuerySet) -> GenerationQuerySet:
        """Read the text of each row, for words that are too common for `few_keys`."""
        return rows.filter(*map(_matches, self.phrases))

    def of_picture(self, picture: str, generation: str) -> list[Q]:
        """The conditions for one picture of a row that is found, at these paths.

        A tag belongs to one picture, all else to its whole generation.
        """
        conditions = []
        for phrase in self.phrases:
            if phrase.tags:
                marks = Picture.tags.through.objects.filter(tag__in=phrase.tags)
                row = Generation.objects.filter(_matches(replace(phrase, tags=())))
                conditions.append(
                    Q(Exists(marks.filter(picture=OuterRef(picture))))
                    | Q(Exists(row.filter(pk=OuterRef(generation))))
                )
        return conditions

    def finds_any(self, member: Member) -> bool:
        """Whether the member may see one of the rows. Common words are taken for found."""
        keys = self.few_keys()
        if not keys:
            return keys is None
        return Generation.objects.visible_to(member).with_keys(keys).exists()


def for_member(text: str, member: Member, ratios: Collection[str] = ()) -> SearchQuery:
    """Parse a text for the pages of a member: with parts of words, names and tags.

    Words that find nothing this member may see are looked for with a typo. What others keep private
    decides nothing, so it cannot be guessed from what is found.
    """
    query = SearchQuery.parse(text, ratios)
    if not query.phrases:
        return query
    query = query.with_parts().with_names()
    if query.finds_any(member):
        return query
    corrected = query.with_corrections(member)
    return corrected if corrected is query or corrected.finds_any(member) else query


def search(rows: GenerationQuerySet, text: str) -> GenerationQuerySet:
    """Filter to rows whose prompt has every phrase of the text; all rows if the text is empty.

    Rare words are looked up in the index; for common words, reading in date order is faster. Call
    it after other filters.
    """
    return narrow(rows, SearchQuery.parse(text)) if text.strip() else rows


def narrow(rows: GenerationQuerySet, query: SearchQuery) -> GenerationQuerySet:
    """Filter to rows that the query finds. Call it after other filters."""
    keys = query.few_keys(rows.db)
    return query.filter(rows) if keys is None else rows.with_keys(keys)


# --- text, owner or tag --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reading:
    """One way to understand a phrase: exactly one of these is set."""

    text: Phrase | None = None
    people: tuple[int, ...] = ()
    tags: tuple[int, ...] = ()


def _readings(phrase: Phrase) -> list[_Reading]:
    readings = [_Reading(text=phrase)]
    if phrase.people:
        readings.append(_Reading(people=phrase.people))
    if phrase.tags:
        readings.append(_Reading(tags=phrase.tags))
    return readings


def _keys_of(branch: tuple[_Reading, ...], using: str, limit: int) -> list[int] | None:
    """The keys of the rows that match every reading; None if each of them matches many."""
    texts = [reading.text for reading in branch if reading.text]
    rows = Generation.objects.using(using)
    for reading in branch:
        if reading.people:
            rows = rows.filter(owner__in=reading.people)
        if reading.tags:
            rows = rows.filter(_has_tag(reading.tags))
    if texts:
        keys = _text_keys(texts, using, limit + 1)
        if len(keys) <= limit:
            is_text_only = len(texts) == len(branch)
            return keys if is_text_only else _among(rows, keys)
    named = [_keys_named(reading) for reading in branch if not reading.text]
    fewest = counting.fewest_keys(named, limit) if named else None
    if fewest is None:
        return None
    for text in texts:
        rows = rows.filter(_contains(text))
    return _among(rows, fewest[1])


def _among(rows: GenerationQuerySet, keys: list[int]) -> list[int]:
    return list(rows.with_keys(keys).order_by().values_list("pk", flat=True))


def _keys_named(reading: _Reading) -> Any:
    if reading.people:
        return Generation.objects.filter(owner__in=reading.people).values_list("pk", flat=True)
    marks = Picture.tags.through.objects.filter(tag__in=reading.tags)
    return marks.values_list("picture__generation", flat=True)


def _has_tag(tags: tuple[int, ...]) -> Exists:
    """Whether a picture of the generation has one of the tags.

    Without a join, in which SQLite might begin at the tag.
    """
    marks = Picture.tags.through.objects.filter(tag__in=tags, picture=OuterRef("pk"))
    return Exists(Picture.objects.filter(Exists(marks), generation=OuterRef("pk")))


# --- the index of prompts ------------------------------------------------------------------------


def _text_keys(
    phrases: Collection[Phrase], using: str, limit: int, *, newest: bool = False
) -> list[int]:
    order = "DESC" if newest else "ASC"
    sql, column = _text_sql(using)
    if newest:
        sql += f" ORDER BY {column} {order}"
    with connections[using].cursor() as cursor:
        cursor.execute(f"{sql} LIMIT %s", [_text_of(phrases, using), limit])
        return [pk for (pk,) in cursor.fetchall()]


def newest_keys_of(texts: Sequence[Collection[Phrase]], limit: int) -> dict[int, list[int]]:
    """For each of these collections of phrases, by its index: the highest keys of its rows.

    In one statement. Of a hundred look-ups most of the time would else go into making statements.
    """
    using = DEFAULT_DB_ALIAS
    sql, column = _text_sql(using)
    newest = f"{sql} ORDER BY {column} DESC LIMIT %s"
    each = f"SELECT CAST(%s AS INTEGER), {column} FROM ({newest}) AS found"  # noqa: S608
    found: dict[int, list[int]] = {}
    with connections[using].cursor() as cursor:
        for first in range(0, len(texts), MAX_UNITED):
            some = texts[first : first + MAX_UNITED]
            parameters = [
                value
                for index, phrases in enumerate(some, start=first)
                for value in (index, _text_of(phrases, using), limit)
            ]
            cursor.execute(" UNION ALL ".join([each] * len(some)), parameters)
            for index, pk in cursor.fetchall():
                found.setdefault(index, []).append(pk)
    return found


def _text_sql(using: str) -> tuple[str, str]:
    """The statement that finds keys by a text in the language of the index, and their column."""
    if connections[using].vendor == "postgresql":
        sql = """SELECT id FROM generations_generation
            WHERE to_tsvector('simple', search_text) @@ to_tsquery('simple', %s)"""
        return sql, "id"
    return "SELECT rowid FROM generations_search WHERE generations_search MATCH %s", "rowid"


def _text_of(phrases: Collection[Phrase], using: str) -> str:
    if connections[using].vendor == "postgresql":
        return " & ".join(map(_tsquery, phrases))
    return " AND ".join(map(_fts5, phrases))


def _tsquery(phrase: Phrase) -> str:
    own = f"{' <-> '.join(phrase.words)}{'' if phrase.is_whole else ':*'}"
    return f"({' | '.join([own, *phrase.similar])})"


def _fts5(phrase: Phrase) -> str:
    own = f'"{phrase}"{"" if phrase.is_whole else " *"}'
    similar = [f'"{word}"' for word in phrase.similar]
    return f"({' OR '.join([own, *similar])})"


def _contains(phrase: Phrase) -> Q:
    """Match like the index."""
    own = str(phrase)
    texts = [own if phrase.is_part else f" {own}{' ' if phrase.is_whole else ''}"]
    texts += [f" {word} " for word in phrase.similar if not (phrase.is_part and own in word)]
    padded = Concat(Value(" "), "search_text", Value(" "), output_field=TextField())
    return Q(*(Contains(padded, text) for text in texts), _connector=Q.OR)


def _matches(phrase: Phrase) -> Q:
    """Match in every reading."""
    condition = _contains(phrase)
    if phrase.people:
        condition |= Q(owner__in=phrase.people)
    if phrase.tags:
        condition |= Q(_has_tag(phrase.tags))
    return condition
