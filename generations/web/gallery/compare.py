"""Compare two to four images side by side."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from generations.models import Generation, Picture
from generations.web.cards.facts import Fact, facts
from generations.web.middleware.access import MemberRequest
from generations.web.origin import PARAMETER, Origin, origin_of
from generations.web.picture_views import file_urls
from generations.web.tiles import Tile

from .bulk import BulkError, selected_pictures

MIN_COMPARED, MAX_COMPARED = 2, 4


@dataclass(frozen=True)
class Side:
    """One image of the comparison."""

    tile: Tile
    original: str  # URL of the file
    row: Generation
    facts: list[Fact]


@require_http_methods(["GET", "HEAD", "POST"])
def compare(request: MemberRequest) -> HttpResponse:
    """Show the images. The form of a selection is led to their address, without its token."""
    if request.method == "POST":
        query = QueryDict(mutable=True)
        for name in ("picture", "select_all"):
            if values := request.POST.getlist(name):
                query.setlist(name, values)
        return HttpResponseRedirect(f"{request.path}?{query.urlencode()}", status=303)
    try:
        selected = selected_pictures(request.GET, request.user)
    except BulkError:
        selected = []
    sides = _sides(request, selected[: MAX_COMPARED + 1])
    back = origin_of(request, Origin(reverse("gallery"), _("Gallery")))
    query = request.GET.copy()
    query[PARAMETER] = back.url
    context: dict[str, Any] = {
        "sides": sides,
        "back": back,
        "next_url": f"{request.path}?{query.urlencode()}",
    }
    if MIN_COMPARED <= len(sides) <= MAX_COMPARED:
        return render(request, "compare/compare.html", context)
    error = _("Select two to four images to compare.")
    return render(request, "compare/compare.html", context | {"error": error}, status=422)


def _sides(request: MemberRequest, selected: list[int]) -> list[Side]:
    visible = Picture.objects.visible_to(request.user).with_favourites_of(request.user)
    found = visible.select_related("generation__owner", "generation__reference").in_bulk(selected)
    return [_side(request, found[pk]) for pk in selected if pk in found]


def _side(request: MemberRequest, picture: Picture) -> Side:
    row = picture.generation
    original, *_others = file_urls(picture.pk)
    return Side(Tile.of(picture, row, request.user), original, row, facts(row, picture))
