"""The queue page, for admins: the state of generation, its pause, its limits and what is stuck."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from generations.models import (
    Generation,
    Lease,
    Member,
    Status,
    UpstreamGate,
)
from generations.models.concurrency_limit import GAP_VARIABLE, LIMIT_VARIABLE
from generations.models.generation_queryset import UNCONFIRMED_IN_FLIGHT
from generations.permissions import Action
from generations.web.cards.context import pause_id
from generations.web.cards.progress import current_gate
from generations.web.counts import Count, counts_of
from generations.web.middleware.access import MemberRequest, requires
from generations.web.text_fields import VisibleTextField
from generations.worker import tasks

from . import doubtful
from .decisions import ACTIONS, Button, GenerationDecision, describe
from .gate_state import state_of
from .hold_list import past_stops
from .queue_people import people_in_queue

logger = logging.getLogger(__name__)

COUNTED_STATUSES = (
    Status.QUEUED,
    Status.SUBMITTING,
    Status.RUNNING,
    Status.FETCHING,
    Status.UNCONFIRMED,
)


MAX_TYPED = 400  # characters that are kept
TYPED = "queue-typed"  # in the session, until the page is shown again
MAX_LIMIT, MAX_GAP_SECONDS = 100_000, 60  # as in settings.py
MAX_STUCK = 20  # of each kind
MAX_SELECTED = 200  # of one kind, to decide about several at once


class PauseForm(forms.Form):
    reason = VisibleTextField(
        max_length=300,
        error_messages={"required": _("Enter a reason. Everyone on the team sees it.")},
    )


class SecondsField(forms.FloatField):
    """Accepts a comma as well: many languages, and the default beside the field, write 0,5."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(value.replace(",", ".") if isinstance(value, str) else value)


class LimitsForm(forms.Form):
    """Empty fields mean the default. A variable of the environment keeps a field as it is."""

    limit = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_LIMIT,
        error_messages={"invalid": _("Enter a whole number from 0 to 100,000, or nothing.")},
    )
    gap = SecondsField(
        required=False,
        min_value=0,
        max_value=MAX_GAP_SECONDS,
        error_messages={"invalid": _("Enter a number of seconds from 0 to 60, or nothing.")},
    )

    @property
    def variables(self) -> dict[str, str]:
        """The variable that decides instead, by the name of the field."""
        return {
            name: variable
            for name, variable in (("limit", LIMIT_VARIABLE), ("gap", GAP_VARIABLE))
            if variable in settings.VARIABLES_SET
        }

    def value_of(self, name: str, before: Any) -> Any:
        """The value to store. What the environment decides is not in the form."""
        return before if name in self.variables else self.cleaned_data[name]


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_QUEUE)
def queue(request: MemberRequest) -> HttpResponse:
    """Show the queue's state; POST pauses generation with a reason.

    The reason and the limits are one form. The Enter key pauses only if nothing but a reason was
    typed.
    """
    if request.method != "POST":
        typed = {} if request.htmx else request.session.pop(TYPED, {})
        return queue_page(request, **_other_fields(typed))
    if "enter" in request.POST and (_typed_limits(request) or not request.POST.get("reason")):
        return _configure(request)
    form = PauseForm(request.POST)
    if not form.is_valid():
        return queue_page(request, 422, form=form, limits_form=_limits_form(_typed_limits(request)))
    request.session[TYPED] = _typed_limits(request)
    reason = form.cleaned_data["reason"]
    if UpstreamGate.for_engine().pause(request.user, reason):
        logger.info("Generation paused by %s: %s", request.user, reason)
    else:
        messages.info(request, gettext("Already paused. Here is the current state."))
    return redirect("queue")


@require_POST
@requires(Action.MANAGE_QUEUE)
def configure(request: MemberRequest) -> HttpResponse:
    """Set the concurrency limit and the gap between requests. The worker reads them each round."""
    return _configure(request)


def _configure(request: MemberRequest) -> HttpResponse:
    form = LimitsForm(request.POST)
    reason = request.POST.get("reason", "")[:MAX_TYPED]
    if not form.is_valid():
        return queue_page(
            request, 422, limits_form=form, form=PauseForm(initial={"reason": reason})
        )
    request.session[TYPED] = {"reason": reason} if reason else {}
    with transaction.atomic():
        gate = UpstreamGate.for_engine().lock()
        before = gate.own_limits
        limit, gap = (form.value_of(name, before[name]) for name in ("limit", "gap"))
        if gate.configure(limit, gap, request.user):
            tasks.enqueue_submit()
    messages.success(request, gettext("Saved. The worker uses these values from now on."))
    return redirect("queue")


@require_POST
@requires(Action.MANAGE_QUEUE)
def resume(request: MemberRequest) -> HttpResponse:
    """End the pause that the page showed, any hold and all waits, and wake up the loops.

    `pause` is the `pause_id` from the page. A newer pause, which the admin has not seen, stays.
    """
    with transaction.atomic():
        UpstreamGate.lock_all()
        gate = UpstreamGate.for_engine().lock()
        pause = pause_id(gate)
        is_same = not pause or request.POST.get("pause") == pause
        if is_same:
            gate.resume(request.user)
            Generation.objects.for_current_upstream().end_waits()
            tasks.enqueue_submit()
            tasks.enqueue_poll()
    if is_same:
        logger.info("Generation resumed by %s", request.user)
    else:
        messages.info(request, gettext("Another admin paused generation. Read the reason first."))
    return redirect("overview" if request.POST.get("page") == "overview" else "queue")


def _typed_limits(request: MemberRequest) -> dict[str, str]:
    """What was typed instead of the stored limits."""
    stored = (current_gate() or UpstreamGate()).own_limits
    return {
        name: request.POST[name][:MAX_TYPED]
        for name, value in stored.items()
        if name in request.POST and request.POST[name] != ("" if value is None else str(value))
    }


def _limits_form(typed: Mapping[str, str]) -> LimitsForm:
    return LimitsForm(initial={**(current_gate() or UpstreamGate()).own_limits, **typed})


def _other_fields(typed: Mapping[str, str]) -> dict[str, Any]:
    """The forms with what was typed beside the values that were sent last."""
    limits = {name: text for name, text in typed.items() if name in LimitsForm.base_fields}
    return {"form": PauseForm(initial=dict(typed)), "limits_form": _limits_form(limits)}


def queue_page(request: MemberRequest, status: int = 200, **extra: Any) -> HttpResponse:
    """The page. `extra` has a form with errors instead of an empty one."""
    gate = current_gate() or UpstreamGate()
    heartbeat_at = Lease.last_heartbeat("worker")
    people, more_people = people_in_queue()
    in_flight = Generation.objects.images_in_flight_by_status()
    context = {
        "page": "queue",
        "form": PauseForm(),
        "limits_form": LimitsForm(initial=gate.own_limits),
        "default_limit": settings.CONCURRENCY_LIMIT,
        "default_gap": settings.SUBMIT_GAP_SECONDS,
        "gate": gate,
        "shown_holds": _holds_below(gate),
        "state": state_of(gate, heartbeat_at),
        "images_in_flight": sum(in_flight.values()),
        "unconfirmed_images": in_flight.get(Status.UNCONFIRMED, 0),
        "unconfirmed_minutes": UNCONFIRMED_IN_FLIGHT // timedelta(minutes=1),
        "counts": _counts(in_flight),
        "heartbeat_at": heartbeat_at,
        "people": people,
        "more_people": more_people,
        "stuck": _stuck(request.user, request.GET.get("select", "")),
        "max_stuck": MAX_STUCK,
        "max_selected": MAX_SELECTED,
        "stops": past_stops(),
    }
    return render(request, "admin/queue/queue.html", context | extra, status=status)


def _holds_below(gate: UpstreamGate) -> list[UpstreamGate]:
    """The holds that the banner does not show: all while it shows a pause, else of other gates."""
    shown = [] if gate.is_paused else [each.pk for each in gate.holds]
    held = [*([gate] if gate.is_held else []), *UpstreamGate.held_besides(gate.engine)]
    return [each for each in held if each.pk not in shown]


@dataclass(frozen=True)
class StuckKind:
    """Generations in doubt of one kind: how many, and the oldest of them."""

    slug: str
    heading: str
    count: Count
    decisions: list[GenerationDecision]
    selects: bool = False  # each row has a checkbox, which is ticked

    @property
    def buttons(self) -> list[Button]:
        """What can be decided about at least one of them, the safest first."""
        found = {each.action: each for row in self.decisions for each in row.buttons}
        return [found[action] for action in ACTIONS if action in found]


def _stuck(viewer: Member, selected: str) -> list[StuckKind]:
    """Every kind that has rows; of the selected one up to `MAX_SELECTED`."""
    kinds = (
        ("unconfirmed", _("Unconfirmed"), doubtful.unconfirmed()),
        ("lost", _("Without a result"), doubtful.lost()),
        ("not-found", _("Not found by the gateway"), doubtful.not_found()),
        ("late", _("Late"), doubtful.late()),
        ("key-missing", _("Without their API key"), doubtful.key_missing()),
    )
    found = counts_of(rows for _slug, _heading, rows in kinds)
    stuck = []
    for (slug, heading, rows), count in zip(kinds, found, strict=True):
        if count.number:
            selects = slug == selected
            listed = rows.select_related("owner")[: MAX_SELECTED if selects else MAX_STUCK]
            stuck.append(StuckKind(slug, str(heading), count, describe(listed, viewer), selects))
    return stuck


def _counts(in_flight: dict[str, int]) -> list[tuple[str, Count, int]]:
    """Each status with its requests, and the images of those that take places of the limit."""
    # `finished_at` changes no result; it lets the index of open rows serve the query.
    rows = Generation.objects.for_current_upstream().filter(finished_at=None)
    counts = counts_of(rows.filter(status=status) for status in COUNTED_STATUSES)
    return [
        (str(status.label), count, in_flight.get(status, 0))
        for status, count in zip(COUNTED_STATUSES, counts, strict=True)
    ]
