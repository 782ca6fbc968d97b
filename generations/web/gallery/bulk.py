"""What is done to chosen pictures, one or thousands: one press, one verb, one answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from generations.models import Collection, Member, Picture, Tag, bulk
from generations.web.middleware.access import MemberRequest

from .filters import MAX_ID_DIGITS, Filter

MAX_SELECTED = 5000


class BulkError(ValueError):
    """It cannot be done so; says why."""


@dataclass(frozen=True)
class BulkResult:
    """What became of it, in words; which pictures it changed, and the verb that takes it back."""

    words: str
    changed: list[int]
    undo: str = ""


@require_POST
def bulk_action(request: MemberRequest, action: str) -> HttpResponse:
    if action not in ACTIONS:
        raise Http404
    try:
        selected = selected_pictures(request.POST, request.user)
        done = ACTIONS[action](selected, request.user, request.POST)
    except BulkError as refusal:
        return _answer(request, action, BulkResult(str(refusal), []), status=422)
    return _answer(request, action, done)


def selected_pictures(data: QueryDict, member: Member) -> list[int]:
    """The keys that were ticked, or all that a filter shows. Raises `Refused`."""
    if "select_all" in data:
        asked = str(data["select_all"])
        filter = Filter(QueryDict(asked), member)
        if sorted(parse_qsl(asked)) != sorted(parse_qsl(filter.query_string)):
            # A collection that was deleted meanwhile, say: without it, it would mean far more.
            raise BulkError(_("That filter is not what it was. Look again before you choose all."))
        found = filter.pictures().order_by("-generation__created_at", "-generation", "index")
        keys = list(found.values_list("pk", flat=True)[: MAX_SELECTED + 1])
    else:
        ticked = (word for word in data.getlist("picture") if len(word) <= MAX_ID_DIGITS)
        keys = list(dict.fromkeys(int(word) for word in ticked if word.isdecimal()))
    if not keys:
        raise BulkError(_("Choose a picture first."))
    if len(keys) > MAX_SELECTED:
        most = {"most": MAX_SELECTED}
        raise BulkError(_("These are too many at once: %(most)s is the most.") % most)
    return keys


def _answer(
    request: MemberRequest, action: str, done: BulkResult, status: int = 200
) -> HttpResponse:
    if request.htmx:
        response = render(request, "gallery/_toast.html", {"done": done}, status=status)
        facts = {"action": action, "pictures": done.changed}
        return trigger_client_event(response, "chosen", facts)
    (messages.success if status == 200 else messages.error)(request, done.words)
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    return redirect(back if is_ours else reverse("gallery"))


# --- the verbs -----------------------------------------------------------------------------------


def _trash(selected: Sequence[int], by: Member, _data: QueryDict) -> BulkResult:
    gone = Picture.objects.filter(pk__in=selected).trash(by)
    words = ngettext(
        "%d picture moved to the trash.", "%d pictures moved to the trash.", len(gone)
    ) % len(gone)
    return BulkResult(words + _others(selected, gone), gone, undo="restore")


def _restore(selected: Sequence[int], by: Member, _data: QueryDict) -> BulkResult:
    back = Picture.objects.filter(pk__in=selected).restore(by)
    words = ngettext("%d picture is back.", "%d pictures are back.", len(back)) % len(back)
    return BulkResult(words, back)


def _favourite(selected: Sequence[int], by: Member, _data: QueryDict) -> BulkResult:
    fresh = bulk.favourite(selected, by)
    words = ngettext("%d more favourite.", "%d more favourites.", len(fresh)) % len(fresh)
    return BulkResult(words, fresh, undo="unfavourite")


def _unfavourite(selected: Sequence[int], by: Member, _data: QueryDict) -> BulkResult:
    gone = bulk.unfavourite(selected, by)
    words = ngettext("%d favourite less.", "%d favourites less.", len(gone)) % len(gone)
    return BulkResult(words, gone, undo="favourite")


def _private(selected: Sequence[int], by: Member, _data: QueryDict) -> BulkResult:
    changed = bulk.set_private(selected, by, is_private=True)
    words = ngettext(
        "Only you see %d picture now.", "Only you see %d pictures now.", len(changed)
    ) % len(changed)
    return BulkResult(words + _others(selected, changed), changed, undo="share")


def _share(selected: Sequence[int], by: Member, _data: QueryDict) -> BulkResult:
    changed = bulk.set_private(selected, by, is_private=False)
    words = ngettext(
        "The team sees %d picture now.", "The team sees %d pictures now.", len(changed)
    ) % len(changed)
    return BulkResult(words + _others(selected, changed), changed, undo="private")


class CollectForm(forms.Form):
    """One of those that exist, or the name of a new one."""

    collection = forms.ModelChoiceField(Collection.objects.all(), required=False)
    name = forms.CharField(max_length=Collection.MAX_NAME_LENGTH, required=False)

    def get(self, by: Member) -> Collection:
        """Raises `Refused`."""
        if not self.is_valid():
            raise BulkError(_("That collection is gone, or its name is too long."))
        selected: Collection | None = self.cleaned_data["collection"]
        if selected:
            return selected
        if not self.cleaned_data["name"]:
            raise BulkError(_("Choose a collection, or name a new one."))
        return Collection.objects.create(name=self.cleaned_data["name"], created_by=by)


def _collect(selected: Sequence[int], by: Member, data: QueryDict) -> BulkResult:
    collection = CollectForm(data).get(by)
    seen = set(Picture.objects.visible_to(by).filter(pk__in=selected).values_list("pk", flat=True))
    fresh = collection.add([pk for pk in selected if pk in seen], by)
    words = ngettext(
        "%(n)d picture put into “%(name)s”.", "%(n)d pictures put into “%(name)s”.", fresh
    ) % {"n": fresh, "name": collection.name}
    return BulkResult(words, sorted(seen))


def _uncollect(selected: Sequence[int], by: Member, data: QueryDict) -> BulkResult:
    collection = CollectForm(data).get(by)
    seen = Picture.objects.visible_to(by).filter(pk__in=selected).values_list("pk", flat=True)
    gone = collection.remove(list(seen))
    words = ngettext(
        "%(n)d picture taken out of “%(name)s”.", "%(n)d pictures taken out of “%(name)s”.", gone
    ) % {"n": gone, "name": collection.name}
    return BulkResult(words, list(selected))


def _tag(selected: Sequence[int], by: Member, data: QueryDict) -> BulkResult:
    name = " ".join(data.get("tag", "").split())
    if len(name) > Tag.MAX_NAME_LENGTH:
        raise BulkError(_("A tag has at most %d characters.") % Tag.MAX_NAME_LENGTH)
    try:
        fresh = bulk.tag(selected, by, name)
    except ValueError:
        raise BulkError(_("A tag needs a letter or a digit.")) from None
    words = ngettext(
        "%(n)d picture tagged “%(name)s”.", "%(n)d pictures tagged “%(name)s”.", len(fresh)
    ) % {"n": len(fresh), "name": name}
    return BulkResult(words, fresh)


def _untag(selected: Sequence[int], by: Member, data: QueryDict) -> BulkResult:
    written = data.get("tag", "")
    label = Tag.objects.filter(pk=written).first() if written.isdecimal() else None
    if label is None:
        raise BulkError(_("That tag is gone."))
    gone = bulk.untag(selected, by, label)
    words = _("Tag “%(name)s” taken off.") % {"name": label.name}
    return BulkResult(words, gone)


def _others(selected: Sequence[int], changed: Sequence[int]) -> str:
    """What is said of those that stayed as they were."""
    if len(changed) >= len(selected):
        return ""
    return " " + _("The others are not yours to change, or were so already.")


ACTIONS: dict[str, Callable[[Sequence[int], Member, QueryDict], BulkResult]] = {
    "favourite": _favourite,
    "unfavourite": _unfavourite,
    "collect": _collect,
    "uncollect": _uncollect,
    "tag": _tag,
    "untag": _untag,
    "private": _private,
    "share": _share,
    "trash": _trash,
    "restore": _restore,
}
