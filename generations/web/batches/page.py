"""The page of a batch: its bar, its rows, and what its owner may do."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from generations.batches import cancel_rest, pause, resume
from generations.models import Batch, Generation, Member, Notification, Status, UpstreamGate
from generations.models.batch import IN_PROGRESS
from generations.models.generation import GenerationQuerySet
from generations.models.money.amounts import plain
from generations.permissions import Action
from generations.requests import NotPossible
from generations.web.cards.card import Card, cards_of
from generations.web.cards.context import poller_of
from generations.web.cards.progress import Progress, current_gate, progress_of, stamp_of
from generations.web.csv_response import csv_response
from generations.web.file_names import slug
from generations.web.header import mark_seen
from generations.web.middleware.access import MemberRequest, require, requires
from generations.worker import tasks

from .progress import progress_of_batches

ROWS_A_PAGE = 100
MAX_SHOWN_POSITIONS = 3  # later ones in the queue change too often to be of use
MAX_REFRESHED = 500
TABS: dict[str, tuple[Status, ...]] = {
    "": (),
    "failed": (Status.FAILED, Status.UNCONFIRMED, Status.ABANDONED, Status.CANCELED),
    "running": IN_PROGRESS,
    "queued": (Status.QUEUED,),
}


@dataclass(frozen=True)
class Row:
    """One row of a batch. `lamp` names the style of its dot; "" for none."""

    number: int
    card: Card
    text: str
    lamp: str
    stamp: str

    @property
    def id(self) -> str:
        return f"row-{self.card.pk}"

    @property
    def is_open(self) -> bool:
        return self.card.is_open


@dataclass(frozen=True)
class Tab:
    """A view of the rows, and how many it has."""

    name: str
    url: str
    label: str
    count: int
    is_current: bool


def _visible(request: MemberRequest, pk: int) -> Batch:
    batches = Batch.objects.visible_to(request.user).select_related("owner")
    return get_object_or_404(batches, pk=pk)


def _rows(batch: Batch, viewer: Member) -> GenerationQuerySet:
    rows = Generation.objects.visible_to(viewer).filter(batch=batch)
    return rows.defer("last_response").order_by("batch_row")


@require_safe
def batch_page(request: MemberRequest, pk: int) -> HttpResponse:
    batch = _visible(request, pk)
    show = _shown_tab(request)
    rows = _rows(batch, request.user)
    if TABS[show]:
        rows = rows.filter(status__in=TABS[show])
    if start := _number(request.GET.get("from", "")):
        rows = rows.filter(batch_row__gte=start)
    found = list(rows[: ROWS_A_PAGE + 1])
    gate = current_gate()
    progress = progress_of_batches([batch], request.user, gate)[0]
    context = {
        "batch": progress,
        "rows": _row_views(found[:ROWS_A_PAGE], batch, request.user, gate),
        "next_number": found[ROWS_A_PAGE].batch_row if len(found) > ROWS_A_PAGE else None,
        "show": show,
        "tabs": _tabs(batch, request.user, show),
        "poller": poller_of([progress], gate),
        "gate": gate,
    }
    _mark_seen(request, batch)
    return render(request, "batches/batch.html", context)


def _mark_seen(request: MemberRequest, batch: Batch) -> None:
    """Mark the notifications about its requests as read, unless the tab is hidden."""
    if "hidden" not in request.GET:
        kinds = (Notification.Kind.GENERATION, Notification.Kind.DECIDED)
        mark_seen(request, Q(generation__batch=batch, kind__in=kinds))


def _shown_tab(request: MemberRequest) -> str:
    show = request.GET.get("show", "")
    if show not in TABS:
        raise Http404
    return show


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else 0


def _tabs(batch: Batch, viewer: Member, show: str) -> list[Tab]:
    """Tabs without a row are left out, except the one that is open."""
    labels = {
        "": _("All"),
        "failed": _("Without images"),
        "running": _("In progress"),
        "queued": _("Queued"),
    }
    statuses = list(_rows(batch, viewer).values_list("status", flat=True))
    tabs = []
    for name, wanted in TABS.items():
        count = sum(status in wanted for status in statuses) if wanted else len(statuses)
        if count or name in ("", show):
            address = reverse("batch", args=(batch.pk,)) + (f"?show={name}" if name else "")
            tabs.append(Tab(name, address, labels[name], count, name == show))
    return tabs


def _row_views(
    rows: Sequence[Generation], batch: Batch, viewer: Member, gate: UpstreamGate | None
) -> list[Row]:
    positions = progress_of(rows, gate)
    cards = cards_of(rows, viewer, gate, positions)
    return [
        Row(
            row.batch_row or 0,
            card,
            _text(card, progress, batch),
            _lamp(card),
            _stamp(row, progress),
        )
        for row, card, progress in zip(rows, cards, positions, strict=True)
    ]


def _stamp(row: Generation, progress: Progress) -> str:
    """As `stamp_of`, without what a row does not show: late positions and estimates."""
    if row.status != Status.QUEUED:
        return stamp_of(row, progress)
    position = progress.position or 0
    return (
        f"{row.version}-{position if position <= MAX_SHOWN_POSITIONS else 0}-{progress.wait.value}"
    )


def _text(card: Card, progress: Progress, batch: Batch) -> str:
    if card.is_queued:
        if batch.is_paused:
            return _("Paused")
        is_soon = (progress.position or MAX_SHOWN_POSITIONS + 1) <= MAX_SHOWN_POSITIONS
        return card.headline if is_soon else _("Queued")
    return _("Done") if card.display_state == "succeeded" else card.headline


def _lamp(card: Card) -> str:
    if card.display_state == "succeeded":
        return ""
    if card.is_queued:
        return "outline"
    if card.status == Status.FAILED:
        return "failed"
    if card.severity == "warning":
        return "warning"
    return "blue" if card.is_open else "outline"


# --- the refresh ---------------------------------------------------------------------------------


@require_safe
@never_cache
def batch_changes(request: MemberRequest, pk: int) -> HttpResponse:
    """Return what changed of the page since it was shown; 204 if nothing did.

    `rows` has the stamps of its open rows, `k` that of its bar, `p` that of its poller.
    """
    batch, show = _visible(request, pk), _shown_tab(request)
    pairs = re.findall(r"(?:^|,)([0-9]{1,18})\.([\w-]{1,40})", request.GET.get("rows", ""))
    stamps = {int(pk): stamp for pk, stamp in pairs}
    gate = current_gate()
    keys = list(stamps)[:MAX_REFRESHED]
    rows = list(_rows(batch, request.user).filter(pk__in=keys).defer("prompt", "last_response"))
    if any(row.is_live for row in rows):
        tasks.enqueue_poll_if_stale()
    states = zip(rows, progress_of(rows, gate), strict=True)
    changed = [row.pk for row, state in states if _stamp(row, state) != stamps[row.pk]]
    progress = progress_of_batches([batch], request.user, gate)[0]
    is_same = request.GET.get("k") == f"{progress.id}.{progress.stamp}"
    poller = poller_of([progress], gate)
    is_same_poller = poller.stamp == request.GET.get("p")
    if not changed and is_same and is_same_poller:
        return HttpResponse(status=204)
    _mark_seen(request, batch)
    context = {
        "batch": None if is_same else progress,
        "batch_pk": batch.pk,
        "show": show,
        "tabs": [] if is_same else _tabs(batch, request.user, show),
        "rows": _row_views(
            list(_rows(batch, request.user).filter(pk__in=changed)), batch, request.user, gate
        ),
        "poller": None if is_same_poller else poller,
        "gate": gate,
    }
    return render(request, "batches/changes.html", context)


# --- the actions ---------------------------------------------------------------------------------


@require_POST
@requires(Action.CHANGE)
def batch_action(request: MemberRequest, pk: int, action: str) -> HttpResponse:
    """Pause, resume, or cancel the rest. A viewer of the batch who may not gets 403."""
    batch = _visible(request, pk)
    require(request.user, Action.CHANGE, batch)
    if action not in _ACTIONS:
        raise Http404
    try:
        notice = _ACTIONS[action](batch, request.user)
    except NotPossible as error:
        notice = error.reason
    messages.info(request, notice)
    return redirect("batch", pk=pk)


def _pause(batch: Batch, by: Member) -> str:
    pause(batch, by)
    return _("Paused. Requests that were sent already are finished.")


def _resume(batch: Batch, by: Member) -> str:
    resume(batch, by)
    return _("Resumed.")


def _cancel(batch: Batch, by: Member) -> str:
    n = cancel_rest(batch, by)
    text = ngettext(
        "%(n)d request was canceled. It costs nothing.",
        "%(n)d requests were canceled. They cost nothing.",
        n,
    )
    return text % {"n": n}


_ACTIONS = {"pause": _pause, "resume": _resume, "cancel": _cancel}


# --- CSV -----------------------------------------------------------------------------------------


@require_safe
def batch_csv(request: MemberRequest, pk: int) -> HttpResponseBase:
    """Each row with its settings and its outcome."""
    batch = _visible(request, pk)
    progress = progress_of_batches([batch], request.user, current_gate())[0]
    name = f"{slug(progress.title) or progress.id}.csv"
    return csv_response(name, _csv_header(), _csv_rows(_rows(batch, request.user)))


def _csv_header() -> list[str]:
    return [
        _("number"), _("prompt"), _("negative prompt"), _("aspect ratio"), _("images"),
        _("status"), _("reason"), _("cost"), _("generation"), _("tags"),
    ]  # fmt: skip


def _csv_rows(rows: GenerationQuerySet) -> Iterator[list[Any]]:
    for row in rows:
        yield [
            row.batch_row, row.prompt, row.negative_prompt, row.aspect_ratio, row.n,
            row.get_status_display(), row.failure_message,
            "" if row.charged_e4 is None else plain(row.charged_e4), row.pk,
            ", ".join(row.tag_names or ()),
        ]  # fmt: skip
