"""Reads a search text: phrases, text in quotes, aspect ratios and what is ignored."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_SEARCH_CHARACTERS = 200
MAX_PHRASES = 20  # each is looked up in the index
MIN_PART_LETTERS = 3  # a shorter one is found at the beginning of words only
_QUOTED = re.compile('["“”„«»]([^"“”„«»]*)["“”„«»]')


@dataclass(frozen=True)
class Phrase:
    """Words next to each other. The last one is the beginning of a word, unless `is_whole`.

    A row matches as well by one of the `similar` words, whole; if `is_part` by any word with the
    text in it; by its owner, one of `people`; or by a tag of a picture, one of `tags` (keys).
    """

    words: tuple[str, ...]
    is_whole: bool
    is_part: bool = False
    similar: tuple[str, ...] = ()
    people: tuple[int, ...] = ()
    tags: tuple[int, ...] = ()

    def __str__(self) -> str:
        return " ".join(self.words)

    @property
    def is_single_word(self) -> bool:
        """Whether it may be a part of a word, or mistyped."""
        return not self.is_whole and len(self.words) == 1 and self.words[0].isalpha()


def split_at_limit(text: str) -> tuple[str, str]:
    """Split after the last whole word within `MAX_SEARCH_CHARACTERS`."""
    if len(text) <= MAX_SEARCH_CHARACTERS:
        return text, ""
    whole_words = text[: MAX_SEARCH_CHARACTERS + 1].rsplit(None, 1)
    searched = whole_words[0] if len(whole_words) > 1 else text[:MAX_SEARCH_CHARACTERS]
    return searched, text[len(searched) :].strip()


def chunks(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of the text in order, and whether each is in quotes.

    A quote that is never closed is punctuation.
    """
    end = 0
    for quoted in _QUOTED.finditer(text):
        yield from ((chunk, False) for chunk in text[end : quoted.start()].split())
        yield quoted[1].strip() or quoted[0], True
        end = quoted.end()
    yield from ((chunk, False) for chunk in text[end:].split())
