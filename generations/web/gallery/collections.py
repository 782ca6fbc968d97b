"""Collections: the list of them, and the pages of one, in the order that people gave it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from generations.models import Collection, CollectionItem, Member, Picture
from generations.models.counting import count_up_to
from generations.web.keyset import before, key_of
from generations.web.middleware.access import MemberRequest
from generations.web.tiles import Tile

from .filter_choices import filter_choices
from .gallery import MAX_COUNT, Count
from .navigation import CollectionSequence

COLLECTIONS_A_PAGE = 24
PICTURES_A_PAGE = 48
MAX_ID_DIGITS = 18  # of a number in an address; the database knows no longer ones


class NameForm(forms.Form):
    name = forms.CharField(
        max_length=Collection.MAX_NAME_LENGTH,
        error_messages={
            "required": _("Give it a name first."),
            "max_length": _("%(show_value)d characters are too many: %(limit_value)d is the most."),
        },
    )


@dataclass(frozen=True)
class CollectionCard:
    """A collection as the list shows it."""

    collection: Collection
    count: Count
    face: Tile | None


# --- the list ------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def collections(request: MemberRequest) -> HttpResponse:
    form = NameForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        name = form.cleaned_data["name"]
        made = Collection.objects.create(name=name, created_by=request.user)
        return redirect("collection", pk=made.pk)
    rows = Collection.objects.with_covers(request.user).select_related("created_by")
    if "before" in request.GET:
        rows = rows.filter(before(request.GET["before"], "updated_at"))
    found = list(rows.order_by("-updated_at", "-pk")[: COLLECTIONS_A_PAGE + 1])
    page = found[:COLLECTIONS_A_PAGE]
    context = {
        "form": form,
        "folders": _folders(page, request.user),
        "older": key_of(page[-1], "updated_at") if len(found) > COLLECTIONS_A_PAGE else "",
        "is_first": "before" not in request.GET,
    }
    status = 422 if form.errors else 200
    return render(request, "collections/collections.html", context, status=status)


def _folders(rows: Sequence[Collection], member: Member) -> list[CollectionCard]:
    seen = CollectionItem.objects.visible_to(member)
    counts = count_up_to(MAX_COUNT + 1, [seen.filter(collection=row) for row in rows])
    faces = Picture.objects.visible_to(member).select_related("generation")
    found = faces.in_bulk([face for row in rows if (face := _face(row))])
    return [
        CollectionCard(row, Count(count), _tile(found.get(_face(row)), member))
        for row, count in zip(rows, counts, strict=True)
    ]


def _face(row: Collection) -> int:
    """Of a row that was fetched with it; 0 when nothing in it is to be seen."""
    face: int | None = getattr(row, "visible_cover", None)
    return face or 0


def _tile(picture: Picture | None, member: Member) -> Tile | None:
    return Tile.of(picture, picture.generation, member) if picture else None


# --- one of them ---------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def collection(request: MemberRequest, pk: int) -> HttpResponse:
    """A POST gives it another name."""
    row = _find(pk)
    form = NameForm(request.POST if request.method == "POST" else {"name": row.name})
    if not form.is_valid():
        return _page(request, row, form, status=422)
    if request.method == "POST":
        row.rename(form.cleaned_data["name"])
        return redirect("collection", pk=pk)
    return _page(request, row, form)


def _find(pk: int) -> Collection:
    if len(str(pk)) > MAX_ID_DIGITS:
        raise Http404
    return get_object_or_404(Collection.objects.select_related("created_by"), pk=pk)


def _page(
    request: MemberRequest, row: Collection, form: NameForm, status: int = 200
) -> HttpResponse:
    after, is_arranging = request.GET.get("after", ""), "arrange" in request.GET
    places = row.items.visible_to(request.user)
    further = places.filter(_behind(after)) if after else places
    found = list(further.order_by("position", "pk")[: PICTURES_A_PAGE + 1])
    page = found[:PICTURES_A_PAGE]
    context: dict[str, Any] = {
        "tiles": _tiles(row, page, request.user),
        "next": _key(page[-1]) if len(found) > PICTURES_A_PAGE else "",
        "selecting": "select" in request.GET,
    }
    if request.htmx and not is_arranging:
        return render(request, "collections/_items.html", context)
    [count] = count_up_to(MAX_COUNT + 1, [places])
    context |= filter_choices() | {
        "collection": row,
        "form": form,
        "total": Count(count),
        "select_all": urlencode({"collection": row.pk}),
        "after": after,
        "is_arranging": is_arranging,
        "focus": request.GET.get("focus", ""),
        "may_delete": row.may_be_deleted_by(request.user),
    }
    return render(request, "collections/collection.html", context, status=status)


def _tiles(row: Collection, places: Sequence[CollectionItem], member: Member) -> list[Tile]:
    query = CollectionSequence(row, member).query
    pictures = Picture.objects.visible_to(member).with_favourites_of(member)
    few = pictures.select_related("generation").defer("generation__last_response")
    found = few.in_bulk([place.picture_id for place in places])
    shown = [found[place.picture_id] for place in places if place.picture_id in found]
    return [Tile.of(picture, picture.generation, member, query) for picture in shown]


def _key(place: CollectionItem) -> str:
    return f"{place.position}-{place.pk}"


def _behind(key: str) -> Q:
    """Of the places after that one."""
    position, _dash, pk = key.partition("-")
    if not all(part.isdecimal() and len(part) <= MAX_ID_DIGITS for part in (position, pk)):
        raise Http404
    at = int(position)
    return Q(position__gte=at) & (Q(position__gt=at) | Q(pk__gt=int(pk)))


# --- what is done to it --------------------------------------------------------------------------

Action = Callable[[Collection, int, Member], bool]


def _remove(row: Collection, picture: int, by: Member) -> bool:
    is_seen = row.items.visible_to(by).filter(picture=picture).exists()
    return is_seen and bool(row.remove([picture]))


ACTIONS: dict[str, Action] = {
    "earlier": lambda row, picture, by: row.reorder(picture, -1, by),
    "later": lambda row, picture, by: row.reorder(picture, 1, by),
    "cover": lambda row, picture, by: row.set_cover(picture, by),
    "remove": _remove,
}


@require_POST
def arrange(request: MemberRequest, pk: int) -> HttpResponse:
    """One verb for one picture of it; then the same page again, at that picture."""
    row = _find(pk)
    do, written = ACTIONS.get(request.POST.get("verb", "")), request.POST.get("picture", "")
    if do is None or not written.isdecimal() or len(written) > MAX_ID_DIGITS:
        raise Http404
    picture = int(written)
    beside = _beside(row, picture, request.user) if do is _remove else 0
    if not do(row, picture, request.user):
        messages.info(request, gettext("That picture is not in it any more."))
    here = {"arrange": "1", "after": request.POST.get("after", "")}
    if beside:
        here["focus"] = str(beside)
    address = reverse("collection", args=(pk,))
    return redirect(f"{address}?{urlencode(here)}#p{beside or picture}")


def _beside(row: Collection, picture: int, member: Member) -> int:
    """Where the focus goes when that picture is gone: to the next one, or to the last; 0: none."""
    seen = list(row.items.visible_to(member).values_list("picture", flat=True))
    if picture not in seen or len(seen) < 2:
        return 0
    at = seen.index(picture)
    return seen[at + 1] if at + 1 < len(seen) else seen[at - 1]


@require_POST
def delete(request: MemberRequest, pk: int) -> HttpResponse:
    """Its maker or an admin takes it apart; the pictures stay."""
    row = _find(pk)
    if not row.may_be_deleted_by(request.user):
        raise PermissionDenied
    row.delete()
    said = gettext("“%(name)s” is deleted. Its pictures stay.")
    messages.success(request, said % {"name": row.name})
    return redirect("collections")
