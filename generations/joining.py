"""Joins of translated texts, with the separators of the reader's language."""

from collections.abc import Iterable
from functools import reduce

from django.utils.translation import pgettext


def comma() -> str:
    return pgettext("between facts", ", ")


def colon() -> str:
    return pgettext("before a text", ": ")


def full_stop() -> str:
    """Return the end of a sentence before the next one."""
    return pgettext("between sentences", ". ")


def join_facts(parts: Iterable[object]) -> str:
    """Join what is listed in one line, such as "2 prompts, 6 images", but empty parts."""
    return comma().join(str(part) for part in parts if part)


def join_sentences(parts: Iterable[object]) -> str:
    """Join whole sentences; Chinese has no space between them. Empty parts are left out."""
    pair = _pair()
    texts = [str(part) for part in parts if part]
    return reduce(lambda first, second: pair % {"first": first, "second": second}, texts or [""])


def has_space_between_sentences() -> bool:
    return " " in _pair()


def _pair() -> str:
    return pgettext("two sentences", "%(first)s %(second)s")
