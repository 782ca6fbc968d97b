"""The vocabulary of search: the distinct words of prompts.

Parts of words and mistyped words are looked up here, and the words found then in the index of
prompts. That costs a fortieth of an index of the parts of all prompts (docs/bench.md). The words of
private prompts are here too, so no page shows a word of this table: it shows rows that the member
may see.
"""

from collections.abc import Iterable
from datetime import timedelta
from itertools import islice, takewhile
from typing import Any

from django.db import models
from django.utils import timezone

from .generation import Generation

MIN_LENGTH, MAX_LENGTH = 3, 40  # letters
MAX_WORDS = 100_000  # further ones are found by their beginning, as without a vocabulary
ROWS_AT_ONCE = 5000
WORDS_AT_ONCE = 500
# A row is read again until it is so old: on PostgreSQL one with a lower key may still appear.
SETTLED = timedelta(minutes=1)


class WordQuerySet(models.QuerySet["Word"]):
    def learn(self, settled: timedelta = SETTLED) -> int:
        """Add the words of up to `ROWS_AT_ONCE` new generations. Return the number of rows read.

        The worker calls it with each heartbeat, so that a press of Generate does not pay for it.
        Rows that are younger than `settled` are read again.
        """
        progress, _is_new = LearnedWords.objects.get_or_create(pk=1)
        rows = list(
            Generation.objects.filter(pk__gt=progress.generation)
            .order_by("pk")
            .values_list("pk", "created_at", "search_text")[:ROWS_AT_ONCE]
        )
        self._add({word for _pk, _at, text in rows for word in text.split() if _is_learned(word)})
        limit = timezone.now() - settled
        done = [pk for pk, _at, _text in takewhile(lambda row: row[1] <= limit, rows)]
        if done:
            LearnedWords.objects.filter(pk=1).update(generation=done[-1])
        return len(rows)

    def learn_all(self) -> None:
        """Add the words of all generations, such as those of sample data."""
        while self.learn(timedelta()) == ROWS_AT_ONCE:
            pass

    def _add(self, words: set[str]) -> None:
        new = list[str]()
        for some in _batches(sorted(words)):
            known = set(self.filter(word__in=some).values_list("word", flat=True))
            new += [word for word in some if word not in known]
        if new:
            room = max(MAX_WORDS - self.count(), 0)
            self.bulk_create((Word(word=word) for word in new[:room]), ignore_conflicts=True)


class Word(models.Model):
    """A word as in `Generation.search_text`: lower case, without diacritics."""

    word = models.CharField(max_length=MAX_LENGTH, unique=True)

    objects = WordQuerySet.as_manager()

    def __str__(self) -> str:
        return self.word


class LearnedWords(models.Model):
    """One row: the words of generations up to this key are in the vocabulary."""

    generation = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"up to {self.generation}"


def _is_learned(word: str) -> bool:
    return MIN_LENGTH <= len(word) <= MAX_LENGTH and word.isalpha()


def _batches(words: Iterable[str]) -> Iterable[list[str]]:
    iterator = iter(words)
    return iter(lambda: list(islice(iterator, WORDS_AT_ONCE)), list[Any]())
