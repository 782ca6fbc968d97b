"""Collections: the list, and the pages of one collection in its own order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from generations.models import Collection, CollectionItem, Member, Picture, SmartCollection
from generations.permissions import Action, may
from generations.web.counts import Count, counts_of
from generations.web.first_screen import FirstScreen
from generations.web.header import mark_seen
from generations.web.ids import parse_id
from generations.web.keyset import before, key_of, keyset_page
from generations.web.middleware.access import MemberRequest, require, require_role, requires
from generations.web.tiles import Tile

from .bulk import BulkResult, undo_fields
from .filter_choices import filter_choices
from .forms import CollectionForm, CollectionNameForm
from .navigation import CollectionSequence

COLLECTIONS_A_PAGE = 24
PICTURES_A_PAGE = 48
ARRANGED_A_PAGE = 1000
MAX_SMART_COLLECTIONS = 100


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
        "smart_collections": _smart_collections(request),
    }
    status = 422 if form.errors else 200
    return render(request, "collections/collections.html", context, status=status)


def _smart_collections(request: MemberRequest) -> list[SmartCollection]:
    """Above the first page."""
    if "before" in request.GET:
        return []
    rows = SmartCollection.objects.visible_to(request.user).select_related("created_by")
    return list(rows[:MAX_SMART_COLLECTIONS])


def _updated_key(row: Collection) -> str:
    return key_of(row, "updated_at")


def _cards(rows: Sequence[Collection], member: Member) -> list[CollectionCard]:
    visible = CollectionItem.objects.visible_to(member)
    counts = counts_of(visible.filter(collection=row) for row in rows)
    covers = _distinct_covers(rows, member)
    pictures = Picture.objects.visible_to(member).select_related("generation")
    found = pictures.in_bulk(covers.values())
    return [
        CollectionCard(row, count, _tile(found.get(covers.get(row.pk, 0)), member))
        for row, count in zip(rows, counts, strict=True)
    ]


def _distinct_covers(rows: Sequence[Collection], member: Member) -> dict[int, int]:
    """Return the cover of each collection that has one.

    Nobody tells two collections with the same cover apart. So a collection without a chosen one
    shows its first picture that no other collection on the page has as its cover; the oldest
    collection has the first choice.
    """
    covers = {row.pk: cover for row in rows if (cover := getattr(row, "chosen_cover", None))}
    for row in sorted(rows, key=lambda each: each.pk):
        first: int | None = getattr(row, "visible_cover", None)
        if row.pk in covers or first is None:
            continue
        taken = set(covers.values())
        covers[row.pk] = (_first_except(row, taken, member) or first) if first in taken else first
    return covers


def _first_except(row: Collection, taken: set[int], member: Member) -> int | None:
    others = row.items.visible_to(member).exclude(picture__in=taken)
    return others.order_by("position", "pk").values_list("picture", flat=True).first()


def _tile(picture: Picture | None, member: Member) -> Tile | None:
    return Tile.of(picture, picture.generation, member) if picture else None


# --- one collection ------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def collection(request: MemberRequest, pk: int) -> HttpResponse:
    """Show a collection. POST changes its name and description."""
    row = _find(pk)
    if request.method != "POST":
        return _page(request, row, CollectionForm(row.texts))
    require_role(request.user, Action.ORGANIZE)
    form = CollectionForm(row.texts | request.POST.dict())
    if not form.is_valid():
        return _page(request, row, form, status=422)
    row.edit(form.cleaned_data["name"], form.cleaned_data["description"])
    return redirect("collection", pk=pk)


def _find(pk: int) -> Collection:
    if parse_id(str(pk)) is None:
        raise Http404
    return get_object_or_404(Collection.objects.select_related("created_by"), pk=pk)


def _page(
    request: MemberRequest, row: Collection, form: CollectionForm, status: int = 200
) -> HttpResponse:
    after, is_arranging = request.GET.get("after", ""), "arrange" in request.GET
    items = row.items.visible_to(request.user)
    following = items.filter(_after(after)) if after else items
    page, next_key = keyset_page(
        following.order_by("position", "pk"),
        _position_key,
        ARRANGED_A_PAGE if is_arranging else PICTURES_A_PAGE,
    )
    context: dict[str, Any] = {
        "tiles": _tiles(row, page, request.user),
        "next": next_key,
        "is_selecting": "select" in request.GET,
    }
    if request.htmx:
        return render(request, "collections/_items.html", context)
    mark_seen(request, Q(collection=row))
    [total] = counts_of([items])
    if is_arranging and next_key:
        context["following"] = items.filter(_after(next_key)).first()
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


def _move(row: Collection, picture: int, by: Member, data: QueryDict) -> BulkResult | None:
    """Move the picture in front of the one of the field `before`; to the end without one."""
    return _done(row.move(picture, parse_id(data.get("before", "")), by))


def _earlier(row: Collection, picture: int, by: Member, _data: QueryDict) -> BulkResult | None:
    return _done(row.reorder(picture, -1, by))


def _later(row: Collection, picture: int, by: Member, _data: QueryDict) -> BulkResult | None:
    return _done(row.reorder(picture, 1, by))


def _cover(row: Collection, picture: int, by: Member, _data: QueryDict) -> BulkResult | None:
    is_set = row.set_cover(picture, by)
    message = _("This image is now the cover of “%(name)s”.") % {"name": row.name}
    return BulkResult(message, [picture]) if is_set else None


def _remove(row: Collection, picture: int, by: Member, _data: QueryDict) -> BulkResult | None:
    if not row.items.visible_to(by).filter(picture=picture).exists():
        return None
    removed = row.remove([picture])
    message = _("1 image removed from “%(name)s”.") % {"name": row.name}
    return BulkResult(message, [picture], "collect", undo_fields(row, removed))


def _done(is_done: bool) -> BulkResult | None:
    return BulkResult("", []) if is_done else None


# By the name of its button, whose value is the picture. None: the picture is no longer there.
ARRANGEMENTS: dict[str, Callable[[Collection, int, Member, QueryDict], BulkResult | None]] = {
    "move": _move,
    "earlier": _earlier,
    "later": _later,
    "cover": _cover,
    "remove": _remove,
}


@require_POST
@requires(Action.ORGANIZE)
def arrange(request: MemberRequest, pk: int) -> HttpResponse:
    """Apply one action to one picture, and return to the same page at that picture.

    A script gets the toast alone: 422 if the collection is not as its page shows it.
    """
    row = _find(pk)
    action = next((name for name in ARRANGEMENTS if name in request.POST), "")
    picture = parse_id(request.POST.get(action, ""))
    if not action or picture is None:
        raise Http404
    neighbour = _neighbour(row, picture, request.user) if action == "remove" else 0
    result = ARRANGEMENTS[action](row, picture, request.user, request.POST)
    if request.htmx:
        return _toast(request, action, result)
    if result is None or result.message:
        messages.info(request, result.message if result else _gone())
    query = {"arrange": "1", "after": request.POST.get("after", "")}
    if neighbour:
        query["focus"] = str(neighbour)
    url = reverse("collection", args=(pk,))
    return redirect(f"{url}?{urlencode(query)}#p{neighbour or picture}")


def _toast(request: MemberRequest, action: str, result: BulkResult | None) -> HttpResponse:
    context = {"result": result or BulkResult(_gone(), [])}
    response = render(request, "gallery/_toast.html", context, status=200 if result else 422)
    detail = {"action": action, "pictures": result.pictures} if result else {"action": "gone"}
    return trigger_client_event(response, "pictures-changed", detail)


def _gone() -> str:
    return _("This image is no longer in the collection.")


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
