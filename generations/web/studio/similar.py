"""Images that already exist for nearly the same request, shown before it is paid for again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from generations.engines.registry import offer_for
from generations.models import Generation, Member, Picture
from generations.models.generation import GenerationQuerySet
from generations.models.money import ReusedImage
from generations.models.search_text import normalize
from generations.permissions import Action
from generations.requests import Unpriced, offered_fields, quote_for, with_defaults
from generations.search import search
from generations.web.ids import parse_id
from generations.web.middleware.access import MemberRequest, requires
from generations.web.picture_views import picture_url
from generations.web.tiles import TILE_COLUMNS, Tile, tiles_of

MIN_WORDS = 3
RARE_WORDS = 4  # the longest words of a prompt are usually the rarest
MAX_CANDIDATES = 50
MIN_SIMILARITY = 0.8  # share of the words of both prompts that are in both
MAX_SHOWN = 3
COLUMNS = ("prompt", "search_text", "n", "owner", "is_private", "params")


@dataclass(frozen=True)
class SimilarPictures:
    tiles: list[Tile]
    count: int


def compared_fields() -> list[str]:
    """The fields of the form that `similar` reads."""
    common = ["prompt", "aspect_ratio", "reference", "image_url"]
    return common + [field.name for field in offered_fields()]


@require_safe
def similar(request: MemberRequest) -> HttpResponse:
    query = {name: request.GET.get(name, "") for name in compared_fields()}
    found = find(request.user, query) if offer_for().aspect_ratio(query["aspect_ratio"]) else None
    return render(request, "studio/_similar.html", {"similar": found})


@require_POST
@requires(Action.GENERATE)
def use(request: MemberRequest) -> HttpResponse:
    """Open a similar image instead of generating it, and record what one such image costs."""
    pictures = Picture.objects.visible_to(request.user).select_related("generation")
    picture = get_object_or_404(pictures, pk=parse_id(request.POST.get("picture", "")))
    row = picture.generation
    try:
        quote = quote_for(1, row.params, has_reference=row.has_reference, engine=row.engine)
        ReusedImage.objects.record(request.user, picture.pk, quote.total_e4)
    except Unpriced:
        pass  # it could not have been generated, so nothing was saved
    return redirect(picture_url(picture.pk))


def find(member: Member, query: Mapping[str, str]) -> SimilarPictures | None:
    """The newest images with nearly this prompt and the same settings and reference image."""
    words = normalize(query["prompt"])
    if len(words) < MIN_WORDS:
        return None
    rows = Generation.objects.visible_to(member).having_pictures()
    rows = rows.filter(aspect_ratio=query["aspect_ratio"])
    rows = rows.filter(_same_reference(query["reference"], query["image_url"]))
    rows = rows.order_by("-created_at", "-pk")
    params = with_defaults({name: value for name, value in query.items() if value})
    matches = [
        row
        for row in _candidates(rows, words)
        if _similarity(row, words) >= MIN_SIMILARITY and with_defaults(row.params) == params
    ]
    tiles = tiles_of(matches, member)
    return SimilarPictures(tiles[:MAX_SHOWN], len(tiles)) if tiles else None


def _same_reference(reference: str, url: str) -> Q:
    if reference.isdecimal():
        return Q(reference=reference)
    return Q(reference=None, reference_url=url.strip())


def _candidates(rows: GenerationQuerySet, words: Sequence[str]) -> Iterator[Generation]:
    """Rows that have the longest words of the prompt; if there are none, the next longest.

    The second try finds a prompt in which one of the longest words was replaced.
    """
    longest = sorted(dict.fromkeys(words), key=len, reverse=True)
    pictures = Picture.objects.available().only(*TILE_COLUMNS).order_by("index")
    for first in (0, RARE_WORDS):
        some = longest[first : first + RARE_WORDS]
        if not some:
            return
        found = list(
            search(rows, " ".join(some)).only(*COLUMNS).with_pictures_of(pictures)[:MAX_CANDIDATES]
        )
        yield from found
        if found:
            return


def _similarity(row: Generation, words: Sequence[str]) -> float:
    """The share of the words of both prompts that are in both, from 0 to 1."""
    stored, given = set(row.search_text.split()), set(words)
    return len(stored & given) / len(stored | given)
