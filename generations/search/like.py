"""Generations like another one: with the same reference image, or the same words."""

from generations.models import Generation, Member
from generations.models.generation_base import HAS_REFERENCE

from .phrases import Phrase
from .query import SearchQuery

MAX_LIKE = 500  # newest ones, by each of the two
MAX_COMPARED = 5000  # newest requests with a reference image
# The longest words of a prompt are usually the rarest. With fewer of them, more is found.
NUMBERS_OF_WORDS = (4, 3, 2)
MIN_LETTERS = 3


def keys_like(row: Generation, member: Member) -> list[int]:
    """The keys of the generations like this one, itself included.

    Of the words, as many as other prompts that the member may see have, up to four, at least two.
    """
    keys = {row.pk, *_with_same_reference(row)}
    words = {word for word in row.search_text.split() if len(word) >= MIN_LETTERS}
    longest = sorted(words, key=lambda word: (-len(word), word))
    for number in NUMBERS_OF_WORDS:
        if len(longest) < number:
            continue
        phrases = tuple(Phrase((word,), is_whole=True) for word in longest[:number])
        found = SearchQuery(phrases, "").newest_keys(MAX_LIKE)
        others = Generation.objects.visible_to(member).exclude(pk=row.pk)
        if others.with_keys(found).exists():
            keys |= set(found)
            break
    return list(keys)


def _with_same_reference(row: Generation) -> list[int]:
    if not row.has_reference:
        return []
    newest = Generation.objects.order_by("-pk")
    if row.reference_id:
        same = newest.filter(reference=row.reference_id)
        return list(same.values_list("pk", flat=True)[:MAX_LIKE])
    # Addresses have no index of their own.
    recent = newest.filter(HAS_REFERENCE).values_list("pk", "reference_url")[:MAX_COMPARED]
    return [pk for pk, url in recent if url == row.reference_url][:MAX_LIKE]
