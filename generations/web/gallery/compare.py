"""Two to four pictures side by side, with what sets them apart."""

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from generations.models import Generation, Picture
from generations.web.middleware.access import MemberRequest
from generations.web.tiles import Tile

from .bulk import BulkError, selected_pictures

MIN_COMPARED, MAX_COMPARED = 2, 4


@dataclass(frozen=True)
class Side:
    tile: Tile
    row: Generation
    picture: Picture


@require_safe
def compare(request: MemberRequest) -> HttpResponse:
    try:
        selected = selected_pictures(request.GET, request.user)
    except BulkError:
        selected = []
    sides = _sides(request, selected[: MAX_COMPARED + 1])
    context = {"sides": sides}
    if MIN_COMPARED <= len(sides) <= MAX_COMPARED:
        return render(request, "compare/compare.html", context)
    refusal = _("Choose two to four pictures to compare.")
    return render(request, "compare/compare.html", context | {"refusal": refusal}, status=422)


def _sides(request: MemberRequest, selected: list[int]) -> list[Side]:
    seen = Picture.objects.visible_to(request.user).with_favourites_of(request.user)
    found = seen.select_related("generation__owner").in_bulk(selected)
    pictures = [found[pk] for pk in selected if pk in found]
    return [
        Side(Tile.of(each, each.generation, request.user), each.generation, each)
        for each in pictures
    ]
