"""Stacks: the images of one generation as one tile of the gallery, which opens to a row."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from generations.models import Generation, Member, Picture
from generations.web.middleware.access import MemberRequest
from generations.web.return_url import return_url
from generations.web.tiles import Tile, tiles_of

from .compare import MAX_COMPARED, MIN_COMPARED
from .filters import Filter


@dataclass(frozen=True)
class OpenStack:
    """The row that a stack opens to. `compare_url` is empty if it has one image."""

    row: Generation
    author: str
    tiles: list[Tile]
    close_url: str

    @classmethod
    def of(cls, row: Generation, filter: Filter, author: str, page_query: str) -> "OpenStack":
        tiles = tiles_of([row], filter.member, filter.query_string, {row.owner_id: author})
        return cls(row, author, tiles, f"?{page_query}")

    @property
    def compare_label(self) -> str:
        if len(self.tiles) <= MAX_COMPARED:
            return _("Compare")
        return _("Compare the first %(n)d") % {"n": MAX_COMPARED}

    @property
    def compare_url(self) -> str:
        if len(self.tiles) < MIN_COMPARED:
            return ""
        pictures = [tile.pk for tile in self.tiles[:MAX_COMPARED]]
        return f"{reverse('compare')}?{urlencode({'picture': pictures}, doseq=True)}"


@require_safe
def stack(request: MemberRequest, pk: int) -> HttpResponse:
    """Return the open row of a stack: the images of a generation that pass the filter.

    404 if there are none left.
    """
    filter = Filter(request.GET, request.user)
    pictures = filter.filter_pictures(Picture.objects.available())
    rows = Generation.objects.visible_to(request.user).select_related("owner")
    row = get_object_or_404(
        rows.with_pictures_of(pictures.with_favourites_of(request.user).order_by("index")), pk=pk
    )
    if not row.shown_pictures:
        raise Http404
    context = {"stack": OpenStack.of(row, filter, row.owner.name, filter.query_string)}
    return render(request, "gallery/_stack.html", context)


@require_POST
def show_stacks(request: MemberRequest) -> HttpResponse:
    """Remember whether the gallery shows stacks (`show=1`) or every image."""
    is_on = request.POST.get("show") == "1"
    Member.objects.filter(pk=request.user.pk).update(shows_stacks=is_on)
    return redirect(return_url(request, reverse("gallery")))


def author_names(rows: Iterable[Generation], known: Iterable[tuple[int, str]]) -> dict[int, str]:
    """Return the names of the owners by id. Reads only those that are not among the `known`."""
    names = dict(known)
    if missing := {row.owner_id for row in rows} - names.keys():
        names |= {member.pk: member.name for member in Member.objects.filter(pk__in=missing)}
    return names
