"""The trash: what may still be taken back, and for admins the end of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST, require_safe

from generations.models import Member, Picture
from generations.models.picture import TRASH_DAYS, PictureQuerySet
from generations.web.keyset import before, key_of
from generations.web.middleware.access import MemberRequest
from generations.web.tiles import Tile

from .bulk import BulkError, selected_pictures

PICTURES_A_PAGE = 48
MAX_SHOWN = 12  # of those that are about to be deleted


@dataclass(frozen=True)
class TrashedPicture:
    """A picture in the trash, as the page shows it."""

    tile: Tile
    picture: Picture

    @property
    def until(self) -> datetime:
        """So long its maker may take it back; an admin also after that."""
        assert self.picture.trashed_at
        return self.picture.trashed_at + timedelta(days=TRASH_DAYS)

    @property
    def is_over(self) -> bool:
        return self.until <= timezone.now()


@require_safe
def trash(request: MemberRequest) -> HttpResponse:
    pictures = Picture.objects.in_trash(request.user)
    if "before" in request.GET:
        pictures = pictures.filter(before(request.GET["before"], "trashed_at"))
    found = _newest(pictures, PICTURES_A_PAGE + 1)
    page = found[:PICTURES_A_PAGE]
    context = {
        "trashed": _thrown(page, request.user),
        "older": key_of(page[-1], "trashed_at") if len(found) > PICTURES_A_PAGE else "",
        "is_first": "before" not in request.GET,
        "days": TRASH_DAYS,
    }
    return render(request, "trash/trash.html", context)


def _newest(pictures: PictureQuerySet, most: int) -> list[Picture]:
    rows = pictures.select_related("generation__owner", "trashed_by")
    few = rows.defer("generation__last_response", "generation__search_text")
    return list(few.order_by("-trashed_at", "-pk")[:most])


def _thrown(pictures: list[Picture], member: Member) -> list[TrashedPicture]:
    return [TrashedPicture(Tile.of(each, each.generation, member), each) for each in pictures]


@require_POST
def delete_permanently(request: MemberRequest) -> HttpResponse:
    """An admin's act, in two steps: the first press shows what would go, the second does it."""
    if not request.user.is_admin:
        raise PermissionDenied
    try:
        selected = selected_pictures(request.POST, request.user)
    except BulkError as refusal:
        messages.error(request, str(refusal))
        return redirect("trash")
    going = Picture.objects.in_trash(request.user).filter(pk__in=selected)
    if "sure" not in request.POST:
        return _ask(request, going)
    gone = going.delete_permanently()
    said = ngettext("%d picture is deleted for ever.", "%d pictures are deleted for ever.", gone)
    messages.success(request, said % gone)
    return redirect("trash")


def _ask(request: MemberRequest, going: PictureQuerySet) -> HttpResponse:
    keys = list(going.values_list("pk", flat=True))
    if not keys:
        messages.info(request, gettext("None of these is in the trash any more."))
        return redirect("trash")
    context = {
        "keys": keys,
        "trashed": _thrown(_newest(going, MAX_SHOWN), request.user),
        "more": max(len(keys) - MAX_SHOWN, 0),
    }
    return render(request, "trash/delete.html", context)
