"""Marks in a text what a search has found in it."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from generations.models.search_text import UNSPACED, normalize
from generations.search import Phrase

MAX_LENGTH = 110  # characters that are shown of a text
BEFORE = 30  # of these, characters before the first match
_TOKEN = re.compile(rf"{UNSPACED}|[^\W_]+|\W|_")


def highlight(text: str, phrases: Sequence[Phrase]) -> SafeString:
    """Return the text as HTML, shortened around the first match, with `<mark>` on each match."""
    pieces = list(_pieces(text, phrases))
    first = next((start for start, _end, is_match in pieces if is_match), 0)
    shown_from = max(first - BEFORE, 0) if len(text) > MAX_LENGTH else 0
    if shown_from:
        shown_from = text.rfind(" ", 0, shown_from) + 1
    shown_to = shown_from + MAX_LENGTH
    parts = (
        format_html(
            "<mark>{}</mark>" if is_match else "{}",
            text[max(start, shown_from) : min(end, shown_to)],
        )
        for start, end, is_match in pieces
        if end > shown_from and start < shown_to
    )
    return format_html(
        "{}{}{}",
        "… " if shown_from else "",
        format_html_join("", "{}", ((part,) for part in parts)),
        "…" if shown_to < len(text) else "",
    )


def _pieces(text: str, phrases: Sequence[Phrase]) -> Iterator[tuple[int, int, bool]]:
    """Yield start and end of each piece, and whether it matches."""
    for token in _TOKEN.finditer(text):
        start, end = token.span()
        found = _found_in(token[0], phrases) if token[0].strip() else None
        if found is None:
            yield start, end, False
            continue
        first, last = found
        if first:
            yield start, start + first, False
        yield start + first, start + last, True
        if start + last < end:
            yield start + last, end, False


def _found_in(token: str, phrases: Sequence[Phrase]) -> tuple[int, int] | None:
    """The part of a word that matches, as indexes; the whole word if its letters were changed."""
    word = normal_form(token)
    if not word:
        return None
    for phrase in phrases:
        for own in phrase.words:
            at = word.find(own) if phrase.is_part else 0 if word.startswith(own) else -1
            if phrase.is_whole and word != own:
                at = -1
            if at >= 0:
                is_simple = len(word) == len(token)
                return (at, at + len(own)) if is_simple else (0, len(token))
        if word in phrase.similar:
            return 0, len(token)
    return None


@lru_cache(maxsize=8192)
def normal_form(text: str) -> str:
    """The words of a text as they are compared. Cached: names are compared with each key press."""
    return " ".join(normalize(text))
