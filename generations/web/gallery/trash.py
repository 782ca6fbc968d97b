"""The trash: restore images, and delete them permanently (admins)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST, require_safe

from generations.models import Member, Picture, team_settings
from generations.models.picture import PictureQuerySet
from generations.permissions import Action
from generations.web.keyset import before, key_of, keyset_page
from generations.web.middleware.access import MemberRequest, requires
from generations.web.tiles import Tile

from .bulk import BulkError, selected_pictures

PICTURES_A_PAGE = 48
MAX_PREVIEWS = 12  # on the page that asks for confirmation


@dataclass(frozen=True)
class TrashedPicture:
    tile: Tile
    picture: Picture

    @property
    def restorable_until(self) -> datetime:
        """The end of the owner's time. Admins can restore a picture at any time."""
        assert self.picture.trashed_at
        return self.picture.trashed_at + timedelta(days=team_settings.current().trash_days)

    @property
    def is_expired(self) -> bool:
        return self.restorable_until <= timezone.now()


@require_safe
def trash(request: MemberRequest) -> HttpResponse:
    pictures = Picture.objects.in_trash(request.user)
    if "before" in request.GET:
        pictures = pictures.filter(before(request.GET["before"], "trashed_at"))
    page, older = keyset_page(_newest_first(pictures), _trashed_key, PICTURES_A_PAGE)
    context = {
        "trashed": _trashed_pictures(page, request.user),
        "older": older,
        "is_first": "before" not in request.GET,
        "days": team_settings.current().trash_days,
    }
    return render(request, "trash/trash.html", context)


def _newest_first(pictures: PictureQuerySet) -> PictureQuerySet:
    rows = pictures.select_related("generation__owner", "trashed_by")
    light = rows.defer("generation__last_response", "generation__search_text")
    return light.order_by("-trashed_at", "-pk")


def _trashed_key(picture: Picture) -> str:
    return key_of(picture, "trashed_at")


def _trashed_pictures(pictures: list[Picture], member: Member) -> list[TrashedPicture]:
    return [TrashedPicture(Tile.of(each, each.generation, member), each) for each in pictures]


@require_POST
@requires(Action.DELETE_PERMANENTLY)
def delete_permanently(request: MemberRequest) -> HttpResponse:
    """Ask for confirmation, then delete the files of the selected pictures. Admins only."""
    try:
        selected = selected_pictures(request.POST, request.user)
    except BulkError as error:
        messages.error(request, str(error))
        return redirect("trash")
    trashed = Picture.objects.in_trash(request.user).filter(pk__in=selected)
    if "confirmed" not in request.POST:
        return _confirm(request, trashed)
    count = trashed.delete_permanently(request.user)
    message = ngettext("%d image deleted permanently.", "%d images deleted permanently.", count)
    messages.success(request, message % count)
    return redirect("trash")


def _confirm(request: MemberRequest, trashed: PictureQuerySet) -> HttpResponse:
    ids = list(trashed.values_list("pk", flat=True))
    if not ids:
        messages.info(request, gettext("These images are no longer in the trash."))
        return redirect("trash")
    context = {
        "ids": ids,
        "trashed": _trashed_pictures(list(_newest_first(trashed)[:MAX_PREVIEWS]), request.user),
        "more": max(len(ids) - MAX_PREVIEWS, 0),
    }
    return render(request, "trash/delete.html", context)
