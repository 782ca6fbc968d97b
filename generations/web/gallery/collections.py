"""Collections: the list, and the pages of one collection in its own order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from generations.models import Collection, CollectionItem, Member, Picture
from generations.permissions import Action, may
from generations.web.counts import Count, counts_of
from generations.web.first_screen import FirstScreen
from generations.web.ids import parse_id
from generations.web.keyset import before, key_of, keyset_page
from generations.web.middleware.access import MemberRequest, require, require_role, requires
from generations.web.tiles import Tile

from .filter_choices import filter_choices
from .forms import CollectionNameForm
from .navigation import CollectionSequence

COLLECTIONS_A_PAGE = 24
PICTURES_A_PAGE = 48


@dataclass(frozen=True)
class CollectionCard:
    """A collection in the list. `count` and `cover` are those this member may see."""

    collection: Collection
    count: Count
    cover: Tile | None


# --- the list ------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def collections(request: MemberRequest) -> HttpResponse:
    """List the collections. POST creates one."""
    form = CollectionNameForm(request.POST if request.method == "POST" else None)
    if form.is_bound:
        require_role(request.user, Action.ORGANIZE)
    if form.is_valid():
        name = form.cleaned_data["name"]
        created = Collection.objects.create(name=name, created_by=request.user)
        return redirect("collection", pk=created.pk)
    rows = Collection.objects.with_covers(request.user).select_related("created_by")
    if "before" in request.GET:
        rows = rows.filter(before(request.GET["before"], "updated_at"))
    page, older = keyset_page(rows.order_by("-updated_at", "-pk"), _updated_key, COLLECTIONS_A_PAGE)
    context = {
        "form": form,
        "cards": _cards(page, request.user),
        "older": older,
        "is_first": "before" not in request.GET,
    }
    status = 422 if form.errors else 200
    return render(request, "collections/collections.html", context, status=status)


def _updated_key(row: Collection) -> str:
    return key_of(row, "updated_at")


def _cards(rows: Sequence[Collection], member: Member) -> list[CollectionCard]:
    visible = CollectionItem.objects.visible_to(member)
    counts = counts_of(visible.filter(collection=row) for row in rows)
    pictures = Picture.objects.visible_to(member).select_related("generation")
    covers = pictures.in_bulk([pk for row in rows if (pk := _cover_id(row))])
    return [
        CollectionCard(row, count, _tile(covers.get(_cover_id(row)), member))
        for row, count in zip(rows, counts, strict=True)
    ]


def _cover_id(row: Collection) -> int:
    """Return the annotation of `with_covers`; 0 if the member sees no picture of it."""
    cover: int | None = getattr(row, "visible_cover", None)
    return cover or 0


def _tile(picture: Picture | None, member: Member) -> Tile | None:
    return Tile.of(picture, picture.generation, member) if picture else None


# --- one collection ------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def collection(request: MemberRequest, pk: int) -> HttpResponse:
    """Show a collection. POST renames it."""
    row = _find(pk)
    form = CollectionNameForm(request.POST if request.method == "POST" else {"name": row.name})
    if not form.is_valid():
        return _page(request, row, form, status=422)
    if request.method == "POST":
        require_role(request.user, Action.ORGANIZE)
        row.rename(form.cleaned_data["name"])
        return redirect("collection", pk=pk)
    return _page(request, row, form)


def _find(pk: int) -> Collection:
    if parse_id(str(pk)) is None:
        raise Http404
    return get_object_or_404(Collection.objects.select_related("created_by"), pk=pk)


def _page(
    request: MemberRequest, row: Collection, form: CollectionNameForm, status: int = 200
) -> HttpResponse:
    after, is_arranging = request.GET.get("after", ""), "arrange" in request.GET
    items = row.items.visible_to(request.user)
    following = items.filter(_after(after)) if after else items
    page, next_key = keyset_page(
        following.order_by("position", "pk"), _position_key, PICTURES_A_PAGE
    )
    context: dict[str, Any] = {
        "tiles": _tiles(row, page, request.user),
        "next": next_key,
        "is_selecting": "select" in request.GET,
    }
    if request.htmx and not is_arranging:
        return render(request, "collections/_items.html", context)
    [total] = counts_of([items])
    context |= filter_choices() | {
        "collection": row,
        "form": form,
        "total": total,
        "select_all": urlencode({"collection": row.pk}),
        "after": after,
        "is_arranging": is_arranging,
        "focus": request.GET.get("focus", ""),
        "may_delete": may(request.user, Action.DELETE_COLLECTION, row),
        "first_screen": FirstScreen.of([context["tiles"]]),
    }
    return render(request, "collections/collection.html", context, status=status)


def _tiles(row: Collection, items: Sequence[CollectionItem], member: Member) -> list[Tile]:
    query = CollectionSequence(row, member).query
    pictures = Picture.objects.visible_to(member).with_favourites_of(member)
    rows = pictures.select_related("generation").defer("generation__last_response")
    found = rows.in_bulk([item.picture_id for item in items])
    return [
        Tile.of(picture, picture.generation, member, query)
        for item in items
        if (picture := found.get(item.picture_id))
    ]


def _position_key(item: CollectionItem) -> str:
    return f"{item.position}-{item.pk}"


def _after(key: str) -> Q:
    """Match the items after the one with this key."""
    texts = key.partition("-")
    position, pk = parse_id(texts[0]), parse_id(texts[2])
    if position is None or pk is None:
        raise Http404
    return Q(position__gte=position) & (Q(position__gt=position) | Q(pk__gt=pk))


# --- actions -------------------------------------------------------------------------------------

Arrangement = Callable[[Collection, int, Member], bool]


def _remove(row: Collection, picture: int, by: Member) -> bool:
    is_visible = row.items.visible_to(by).filter(picture=picture).exists()
    return is_visible and bool(row.remove([picture]))


ARRANGEMENTS: dict[str, Arrangement] = {
    "earlier": lambda row, picture, by: row.reorder(picture, -1, by),
    "later": lambda row, picture, by: row.reorder(picture, 1, by),
    "cover": lambda row, picture, by: row.set_cover(picture, by),
    "remove": _remove,
}


@require_POST
@requires(Action.ORGANIZE)
def arrange(request: MemberRequest, pk: int) -> HttpResponse:
    """Apply one action to one picture, and return to the same page at that picture."""
    row = _find(pk)
    action = ARRANGEMENTS.get(request.POST.get("action", ""))
    picture = parse_id(request.POST.get("picture", ""))
    if action is None or picture is None:
        raise Http404
    neighbour = _neighbour(row, picture, request.user) if action is _remove else 0
    if not action(row, picture, request.user):
        messages.info(request, _("This image is no longer in the collection."))
    query = {"arrange": "1", "after": request.POST.get("after", "")}
    if neighbour:
        query["focus"] = str(neighbour)
    url = reverse("collection", args=(pk,))
    return redirect(f"{url}?{urlencode(query)}#p{neighbour or picture}")


def _neighbour(row: Collection, picture: int, member: Member) -> int:
    """Return the id that gets the focus after a removal: the next, else the previous, else 0."""
    visible = list(row.items.visible_to(member).values_list("picture", flat=True))
    if picture not in visible or len(visible) < 2:
        return 0
    index = visible.index(picture)
    return visible[index + 1] if index + 1 < len(visible) else visible[index - 1]


@require_POST
def delete(request: MemberRequest, pk: int) -> HttpResponse:
    """Delete a collection, for its creator and admins. Its pictures are not deleted."""
    row = _find(pk)
    require(request.user, Action.DELETE_COLLECTION, row)
    row.delete()
    message = _("Collection “%(name)s” deleted. Its images are still in the gallery.")
    messages.success(request, message % {"name": row.name})
    return redirect("collections")
