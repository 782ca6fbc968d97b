"""Images that already exist for nearly the same request, shown before it is paid for again."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from generations.engines.offer import Offer
from generations.engines.registry import offer_for
from generations.models import Generation, Member, Picture
from generations.models.generation import GenerationQuerySet
from generations.models.money import ReusedImage
from generations.models.picture import PictureQuerySet
from generations.models.search_text import normalize
from generations.offered_models import find_offered, offered_models
from generations.permissions import Action
from generations.requests import (
    GenerationRequest,
    Unpriced,
    offered_fields,
    quote_for,
    with_defaults,
)
from generations.search import Phrase, newest_keys_of, search
from generations.web.ids import parse_id
from generations.web.middleware.access import MemberRequest, requires
from generations.web.picture_views import picture_url
from generations.web.tiles import TILE_COLUMNS, Tile, tiles_of

MIN_WORDS = 3
RARE_WORDS = 4  # the longest words of a prompt are usually the rarest
MAX_CANDIDATES = 50
MIN_SIMILARITY = 0.8  # share of the words of both prompts that are in both
MAX_SHOWN = 3
MAX_SAME_WORDS = 12  # of a prompt, looked up to find another with all its words
COLUMNS = ("prompt", "search_text", "n", "owner", "is_private", "params")
COMPARED_COLUMNS = (
    "search_text",
    "engine",
    "model",
    "aspect_ratio",
    "reference",
    "reference_url",
    "params",
)


@dataclass(frozen=True)
class SimilarPictures:
    tiles: list[Tile]
    count: int


def compared_fields() -> list[str]:
    """The fields of the form that `similar` reads."""
    common = ["model", "prompt", "aspect_ratio", "reference", "image_url"]
    own = (field.name for offer in offered_models() for field in offered_fields(offer))
    return list(dict.fromkeys([*common, *own]))


@require_safe
def similar(request: MemberRequest) -> HttpResponse:
    query = {name: request.GET.get(name, "") for name in compared_fields()}
    offer = find_offered(query["model"]) if query["model"] else offer_for()
    is_offered = offer is not None and offer.aspect_ratio(query["aspect_ratio"])
    found = find(request.user, offer, query) if offer and is_offered else None
    return render(request, "studio/_similar.html", {"similar": found})


@require_POST
@requires(Action.GENERATE)
def use(request: MemberRequest) -> HttpResponse:
    """Open a similar image instead of generating it, and record what one such image costs."""
    pictures = Picture.objects.visible_to(request.user).select_related("generation")
    picture = get_object_or_404(pictures, pk=parse_id(request.POST.get("picture", "")))
    row = picture.generation
    try:
        quote = quote_for(
            1, row.params, has_reference=row.has_reference, offer=offer_for(row.engine, row.model)
        )
        ReusedImage.objects.record(request.user, picture.pk, quote.total_e4)
    except Unpriced:
        pass  # it could not have been generated, so nothing was saved
    return redirect(picture_url(picture.pk))


def find(member: Member, offer: Offer, query: Mapping[str, str]) -> SimilarPictures | None:
    """The newest images of a model with nearly this prompt, the same settings and reference."""
    words = normalize(query["prompt"])
    if len(words) < MIN_WORDS:
        return None
    rows = Generation.objects.visible_to(member).having_pictures()
    rows = rows.filter(engine=offer.engine, model=offer.model, aspect_ratio=query["aspect_ratio"])
    rows = rows.filter(_same_reference(query["reference"], query["image_url"]))
    rows = rows.order_by("-created_at", "-pk")
    params = with_defaults({name: value for name, value in query.items() if value}, offer)
    matches = [
        row
        for row in _candidates(rows, words)
        if _similarity(row, words) >= MIN_SIMILARITY and with_defaults(row.params, offer) == params
    ]
    tiles = tiles_of(matches, member)
    return SimilarPictures(tiles[:MAX_SHOWN], len(tiles)) if tiles else None


def find_same(member: Member, requests: Sequence[GenerationRequest]) -> dict[int, Tile]:
    """An image with the same words, settings and reference image for each of these requests.

    By the index of the request; without those that have none. However many requests there are, it
    takes three statements.
    """
    word_sets = [frozenset(normalize(request.prompt)) for request in requests]
    places = [i for i, words in enumerate(word_sets) if len(words) >= MIN_WORDS]
    longest = [sorted(word_sets[i], key=len, reverse=True)[:MAX_SAME_WORDS] for i in places]
    texts = [[Phrase((word,), is_whole=True) for word in words] for words in longest]
    found = newest_keys_of(texts, MAX_CANDIDATES)
    keys = {pk for each in found.values() for pk in each}
    rows = Generation.objects.visible_to(member).having_pictures().with_keys(keys)
    newest: dict[tuple[object, ...], int] = {}
    for row in rows.only(*COMPARED_COLUMNS).order_by("created_at", "pk"):
        newest[_kind(row.search_text.split(), row)] = row.pk
    matches = {
        i: pk for i in places if (pk := newest.get(_kind(word_sets[i], requests[i]))) is not None
    }
    shown = Generation.objects.only(*COLUMNS).with_pictures_of(_pictures())
    tiles = {
        row.pk: tiles[0]
        for row in shown.filter(pk__in=set(matches.values()))
        if (tiles := tiles_of([row], member))
    }
    return {i: tiles[pk] for i, pk in matches.items() if pk in tiles}


def _kind(words: Iterable[str], request: Generation | GenerationRequest) -> tuple[object, ...]:
    """What two requests have in common if the images of one serve the other."""
    offer = offer_for(request.engine, request.model)
    params = json.dumps(with_defaults(request.params, offer), sort_keys=True)
    reference = (
        request.reference_id
        if isinstance(request, Generation)
        else getattr(request.reference, "pk", None)
    )
    address = "" if reference else request.reference_url.strip()
    model = (request.engine, request.model)
    return frozenset(words), model, request.aspect_ratio, reference, address, params


def _pictures() -> PictureQuerySet:
    return Picture.objects.available().only(*TILE_COLUMNS).order_by("index")


def _same_reference(reference: str, url: str) -> Q:
    if reference.isdecimal():
        return Q(reference=reference)
    return Q(reference=None, reference_url=url.strip())


def _candidates(rows: GenerationQuerySet, words: Sequence[str]) -> Iterator[Generation]:
    """Rows that have the longest words of the prompt; if there are none, the next longest.

    The second try finds a prompt in which one of the longest words was replaced.
    """
    longest = sorted(dict.fromkeys(words), key=len, reverse=True)
    for first in (0, RARE_WORDS):
        some = longest[first : first + RARE_WORDS]
        if not some:
            return
        found = list(
            search(rows, " ".join(some))
            .only(*COLUMNS)
            .with_pictures_of(_pictures())[:MAX_CANDIDATES]
        )
        yield from found
        if found:
            return


def _similarity(row: Generation, words: Sequence[str]) -> float:
    """The share of the words of both prompts that are in both, from 0 to 1."""
    stored, given = set(row.search_text.split()), set(words)
    return len(stored & given) / len(stored | given)
