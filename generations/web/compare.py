"""Two to four pictures side by side, with what sets them apart."""

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from generations.models import Generation, Picture

from .access import MemberRequest
from .changes import count_open
from .choose import Refused, chosen_in
from .tiles import Tile

FEWEST, MOST = 2, 4


@dataclass(frozen=True)
class Side:
    tile: Tile
    row: Generation
    picture: Picture


@require_safe
def compare(request: MemberRequest) -> HttpResponse:
    try:
        chosen = chosen_in(request.GET, request.user)
    except Refused:
        chosen = []
    sides = _sides(request, chosen[: MOST + 1])
    context = {"sides": sides, "open_count": count_open(request.user)}
    if FEWEST <= len(sides) <= MOST:
        return render(request, "compare/compare.html", context)
    refusal = _("Choose two to four pictures to compare.")
    return render(request, "compare/compare.html", context | {"refusal": refusal}, status=422)


def _sides(request: MemberRequest, chosen: list[int]) -> list[Side]:
    seen = Picture.objects.visible_to(request.user).with_favourites_of(request.user)
    found = seen.select_related("generation__owner").in_bulk(chosen)
    pictures = [found[pk] for pk in chosen if pk in found]
    return [
        Side(Tile.of(each, each.generation, request.user), each.generation, each)
        for each in pictures
    ]
