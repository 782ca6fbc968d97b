"""Bulk actions on selected images: POST /pictures/bulk/<action>."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from generations.joining import join_sentences
from generations.models import Collection, Member, Picture, Tag, bulk
from generations.permissions import Action
from generations.web.ids import parse_id
from generations.web.middleware.access import MemberRequest, require_role
from generations.web.return_url import return_url

from .filters import Filter, with_current_names
from .forms import CollectionChoiceForm

MAX_SELECTED = 5000


class BulkError(ValueError):
    """The selection or the action is invalid. The text is for the member."""


@dataclass(frozen=True)
class BulkResult:
    """The outcome of an action: a message, the pictures it changed, and the action that undoes it.

    `pictures` are ids; the page updates their tiles. `undo_fields` are names and values that the
    undo sends besides the pictures. `url` is the page that shows what was done, "" for none.
    """

    message: str
    pictures: list[int]
    undo: str = ""
    undo_fields: Sequence[tuple[str, object]] = ()
    url: str = ""


@require_POST
def bulk_action(request: MemberRequest, action: str) -> HttpResponse:
    if action not in ACTIONS:
        raise Http404
    require_role(request.user, ACTIONS[action].permission)
    try:
        selected = selected_pictures(request.POST, request.user)
        result = _run(ACTIONS[action], selected, request.user, request.POST)
    except BulkError as error:
        return _respond(request, action, BulkResult(str(error), []), status=422)
    return _respond(request, action, result)


def selected_pictures(data: QueryDict, member: Member) -> list[int]:
    """Return the ids that were checked, or all ids that a filter (`select_all`) matches.

    The checkbox of a stack has the ids of all its pictures, separated by commas.

    Raises `BulkError` if there are none or too many, or if the filter is invalid.
    """
    if "select_all" in data:
        ids = _ids_of_filter(str(data["select_all"]), member)
    else:
        texts = ",".join(data.getlist("picture")).split(",")
        checked = (parse_id(text) for text in texts)
        ids = list(dict.fromkeys(pk for pk in checked if pk is not None))
    if not ids:
        raise BulkError(_("Select at least one image."))
    if len(ids) > MAX_SELECTED:
        limit = {"limit": intcomma(MAX_SELECTED)}
        raise BulkError(_("You can select up to %(limit)s images.") % limit)
    return ids


def _ids_of_filter(query_string: str, member: Member) -> list[int]:
    data = with_current_names(QueryDict(query_string))
    filter = Filter(data, member)
    if sorted(parse_qsl(data.urlencode())) != sorted(parse_qsl(filter.query_string)):
        # A part that is ignored (a deleted collection, say) would make the selection far larger.
        raise BulkError(_("This filter is no longer valid. Check it before you select all."))
    found = filter.pictures().order_by("-generation__created_at", "-generation", "index")
    return list(found.values_list("pk", flat=True)[: MAX_SELECTED + 1])


def _respond(
    request: MemberRequest, action: str, result: BulkResult, status: int = 200
) -> HttpResponse:
    if request.htmx:
        response = render(request, "gallery/_toast.html", {"result": result}, status=status)
        detail = {"action": action, "pictures": result.pictures}
        return trigger_client_event(response, "pictures-changed", detail)
    message: str = result.message
    if result.url:
        message = format_html('{} <a href="{}">{}</a>', message, result.url, _("Open"))
    (messages.success if status == 200 else messages.error)(request, message)
    return redirect(return_url(request, reverse("gallery")))


# --- the actions ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """What an action changed. `name` is the collection or tag that its message mentions.

    `undo_fields` and `url` as in `BulkResult`.
    """

    pictures: list[int]
    count: int
    name: str = ""
    undo_fields: Sequence[tuple[str, object]] = ()
    url: str = ""


@dataclass(frozen=True)
class BulkAction:
    """`run` does it; `message` reports it, with `%(n)d` and `%(name)s`; `undo` is its inverse."""

    permission: Action

    run: Callable[[Sequence[int], Member, QueryDict], Change]
    message: Any  # ngettext_lazy with "n"
    undo: str = ""
    is_owner_only: bool = False


def _run(action: BulkAction, selected: Sequence[int], by: Member, data: QueryDict) -> BulkResult:
    change = action.run(selected, by, data)
    message = str(action.message % {"n": change.count, "name": change.name})
    if action.is_owner_only and change.count < len(selected):
        others = _("The others belong to someone else or already had this state.")
        message = join_sentences((message, others))
    return BulkResult(message, change.pictures, action.undo, change.undo_fields, change.url)


def _changing(
    run: Callable[[Sequence[int], Member], list[int]],
) -> Callable[[Sequence[int], Member, QueryDict], Change]:
    """Adapt a function that needs no form data and returns the ids it changed."""

    def adapted(selected: Sequence[int], by: Member, _data: QueryDict) -> Change:
        changed = run(selected, by)
        return Change(changed, len(changed))

    return adapted


def _trash(selected: Sequence[int], by: Member) -> list[int]:
    return Picture.objects.filter(pk__in=selected).trash(by)


def _restore(selected: Sequence[int], by: Member) -> list[int]:
    return Picture.objects.filter(pk__in=selected).restore(by)


def _make_private(selected: Sequence[int], by: Member) -> list[int]:
    return bulk.set_private(selected, by, is_private=True)


def _share(selected: Sequence[int], by: Member) -> list[int]:
    return bulk.set_private(selected, by, is_private=False)


def _collection(data: QueryDict, by: Member) -> Collection:
    """Return the chosen collection, or create the named one. Raises `BulkError`."""
    form = CollectionChoiceForm(data)
    if not form.is_valid():
        raise BulkError(next(error for errors in form.errors.values() for error in errors))
    chosen: Collection | None = form.cleaned_data["collection"]
    return chosen or Collection.objects.create(name=form.cleaned_data["name"], created_by=by)


def _visible(selected: Sequence[int], by: Member) -> set[int]:
    rows = Picture.objects.visible_to(by).filter(pk__in=selected)
    return set(rows.values_list("pk", flat=True))


def _collect(selected: Sequence[int], by: Member, data: QueryDict) -> Change:
    collection = _collection(data, by)
    visible = _visible(selected, by)
    positions = dict(_position(text) for text in data.getlist("position"))
    added = collection.add([pk for pk in selected if pk in visible], by, positions)
    fields = [("collection", collection.pk)]
    return Change(added, len(added), collection.name, fields, _url_of(collection))


def _position(text: str) -> tuple[int, int]:
    """Read `12-3`: picture 12 was at position 3."""
    picture, _dash, position = text.partition("-")
    return parse_id(picture) or 0, parse_id(position) or 0


def _url_of(collection: Collection) -> str:
    return reverse("collection", args=(collection.pk,))


def _uncollect(selected: Sequence[int], by: Member, data: QueryDict) -> Change:
    collection = _collection(data, by)
    removed = collection.remove(list(_visible(selected, by)))
    return Change(list(removed), len(removed), collection.name, undo_fields(collection, removed))


def undo_fields(collection: Collection, removed: Mapping[int, int]) -> list[tuple[str, object]]:
    """What `collect` needs to put removed pictures back at their positions."""
    positions = [("position", f"{picture}-{position}") for picture, position in removed.items()]
    return [("collection", collection.pk), *positions]


def _tag(selected: Sequence[int], by: Member, data: QueryDict) -> Change:
    name = " ".join(data.get("tag", "").replace("\0", "").split())
    if len(name) > Tag.MAX_NAME_LENGTH:
        raise BulkError(_("A tag can have at most %d characters.") % Tag.MAX_NAME_LENGTH)
    try:
        changed = bulk.tag(selected, by, name)
    except ValueError:
        raise BulkError(_("A tag needs a letter, a digit or a symbol.")) from None
    tag = Tag.objects.named(name)
    url = reverse("gallery", query={"tag": tag.pk})
    return Change(changed, len(changed), name, [("tag", tag.pk)], url)


def _untag(selected: Sequence[int], by: Member, data: QueryDict) -> Change:
    """`tag` is an id, or a name if the field `by_name` is there."""
    text = data.get("tag", "")
    if "by_name" in data:
        tag = Tag.objects.find(text)
        if tag is None:
            raise BulkError(_("No tag has this name."))
    else:
        tag = Tag.objects.filter(pk=parse_id(text) or 0).first()
        if tag is None:
            raise BulkError(_("This tag no longer exists."))
    changed = bulk.untag(selected, by, tag)
    return Change(changed, len(changed), tag.name, [("tag", tag.name)])


ACTIONS: dict[str, BulkAction] = {
    "favourite": BulkAction(
        Action.FAVOURITE,
        _changing(bulk.favourite),
        ngettext_lazy("%(n)d image added to favourites.", "%(n)d images added to favourites.", "n"),
        undo="unfavourite",
    ),
    "unfavourite": BulkAction(
        Action.FAVOURITE,
        _changing(bulk.unfavourite),
        ngettext_lazy(
            "%(n)d image removed from favourites.", "%(n)d images removed from favourites.", "n"
        ),
        undo="favourite",
    ),
    "collect": BulkAction(
        Action.ORGANIZE,
        _collect,
        ngettext_lazy("%(n)d image added to “%(name)s”.", "%(n)d images added to “%(name)s”.", "n"),
        undo="uncollect",
    ),
    "uncollect": BulkAction(
        Action.ORGANIZE,
        _uncollect,
        ngettext_lazy(
            "%(n)d image removed from “%(name)s”.", "%(n)d images removed from “%(name)s”.", "n"
        ),
        undo="collect",
    ),
    "tag": BulkAction(
        Action.ORGANIZE,
        _tag,
        ngettext_lazy(
            "Tag “%(name)s” added to %(n)d image.", "Tag “%(name)s” added to %(n)d images.", "n"
        ),
        undo="untag",
    ),
    "untag": BulkAction(
        Action.ORGANIZE,
        _untag,
        ngettext_lazy(
            "Tag “%(name)s” removed from %(n)d image.",
            "Tag “%(name)s” removed from %(n)d images.",
            "n",
        ),
        undo="tag",
    ),
    "private": BulkAction(
        Action.CHANGE,
        _changing(_make_private),
        ngettext_lazy("%(n)d image is now private.", "%(n)d images are now private.", "n"),
        undo="share",
        is_owner_only=True,
    ),
    "share": BulkAction(
        Action.CHANGE,
        _changing(_share),
        ngettext_lazy(
            "%(n)d image is now shared with the team.",
            "%(n)d images are now shared with the team.",
            "n",
        ),
        undo="private",
        is_owner_only=True,
    ),
    "trash": BulkAction(
        Action.CHANGE,
        _changing(_trash),
        ngettext_lazy("%(n)d image moved to trash.", "%(n)d images moved to trash.", "n"),
        undo="restore",
        is_owner_only=True,
    ),
    "restore": BulkAction(
        Action.CHANGE,
        _changing(_restore),
        ngettext_lazy("%(n)d image restored.", "%(n)d images restored.", "n"),
    ),
}
