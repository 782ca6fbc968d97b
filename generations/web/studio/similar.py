"""What a colleague already made: the same wish, or nearly, shown before it is paid for again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from generations import catalog
from generations.models import Generation, Member, Picture
from generations.models.generation import GenerationQuerySet
from generations.models.search_text import normalize
from generations.search import search
from generations.web.middleware.access import MemberRequest
from generations.web.tiles import TILE_COLUMNS, Tile, tiles_of

MIN_WORDS = 3
RARE_WORDS = 4  # the longest words of a prompt are the rarest, as a rule
MAX_CANDIDATES = 50
MIN_SIMILARITY = 0.8  # of all words of both, so many are in both
MAX_SHOWN = 3


@dataclass(frozen=True)
class SimilarPictures:
    tiles: list[Tile]
    count: int


@require_safe
def similar(request: MemberRequest) -> HttpResponse:
    asked = request.GET
    shape, prompt = asked.get("aspect_ratio", ""), asked.get("prompt", "")
    reference = asked.get("reference", ""), asked.get("image_url", "")
    found = (
        find(request.user, prompt, shape, *reference)
        if shape in catalog.ASPECT_RATIO_BY_NAME
        else None
    )
    return render(request, "studio/_similar.html", {"similar": found})


def find(
    member: Member, prompt: str, shape: str, reference: str, url: str
) -> SimilarPictures | None:
    """The newest with nearly these words, this shape and this reference; None without any."""
    words = normalize(prompt)
    if len(words) < MIN_WORDS:
        return None
    rows = Generation.objects.visible_to(member).having_pictures().filter(aspect_ratio=shape)
    rows = rows.filter(_same_reference(reference, url)).order_by("-created_at", "-pk")
    near = [row for row in _candidates(rows, words) if _similarity(row, words) >= MIN_SIMILARITY]
    tiles = tiles_of(near, member)
    return SimilarPictures(tiles[:MAX_SHOWN], len(tiles)) if tiles else None


def _same_reference(reference: str, url: str) -> Q:
    if reference.isdecimal():
        return Q(reference=reference)
    return Q(reference=None, reference_url=url.strip())


def _candidates(rows: GenerationQuerySet, words: Sequence[str]) -> Iterator[Generation]:
    """Those with the most telling words of the prompt, then those with the next: one word may be
    another."""
    telling = sorted(dict.fromkeys(words), key=len, reverse=True)
    pictures = Picture.objects.available().only(*TILE_COLUMNS).order_by("index")
    columns = ("prompt", "search_text", "n", "owner", "is_private")
    for first in (0, RARE_WORDS):
        some = telling[first : first + RARE_WORDS]
        if not some:
            return
        found = list(
            search(rows, " ".join(some)).only(*columns).with_pictures_of(pictures)[:MAX_CANDIDATES]
        )
        yield from found
        if found:
            return


def _similarity(row: Generation, words: Sequence[str]) -> float:
    """How many of the words of both are in both, from 0 to 1."""
    theirs, ours = set(row.search_text.split()), set(words)
    return len(theirs & ours) / len(theirs | ours)
