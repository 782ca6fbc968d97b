"""The queue page, for admins: the state of generation, its pause, its limits and what is stuck."""

import logging
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
    AuditAction,
    AuditEntry,
    Generation,
    Lease,
    Member,
    Status,
    UpstreamGate,
)
from generations.models.concurrency_limit import GAP_VARIABLE, LIMIT_VARIABLE
from generations.permissions import Action
from generations.worker import tasks

from .admin import doubtful
from .admin.decisions import GenerationDecision, describe
from .admin.gate_state import state_of
from .admin.hold_list import past_stops
from .cards.context import pause_id
from .cards.progress import current_gate
from .counts import Count, counts_of
from .middleware.access import MemberRequest, requires
from .queue_people import people_in_queue
from .text_fields import VisibleTextField

logger = logging.getLogger(__name__)

COUNTED_STATUSES = (
    Status.QUEUED,
    Status.SUBMITTING,
    Status.RUNNING,
    Status.FETCHING,
    Status.UNCONFIRMED,
)


MAX_LIMIT, MAX_GAP_SECONDS = 100_000, 60  # as in settings.py
MAX_STUCK = 20  # of each kind


class PauseForm(forms.Form):
    reason = VisibleTextField(
        max_length=300,
        error_messages={"required": _("Enter a reason. Everyone on the team sees it.")},
    )


class LimitsForm(forms.Form):
    """Empty fields mean the default. A variable of the environment keeps a field as it is."""

    limit = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_LIMIT,
        error_messages={"invalid": _("Enter a whole number from 0 to 100,000, or nothing.")},
    )
    gap = forms.FloatField(
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
    """Show the queue's state; POST pauses generation with a reason."""
    form = PauseForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return queue_page(request, 422 if form.errors else 200, form=form)
    reason = form.cleaned_data["reason"]
    with transaction.atomic():
        is_new = UpstreamGate.for_engine().pause(request.user, reason)
        if is_new:
            AuditEntry.objects.record(AuditAction.PAUSED, request.user, note=reason)
    if is_new:
        logger.info("Generation paused by %s: %s", request.user, reason)
    else:
        messages.info(request, gettext("Already paused. Here is the current state."))
    return redirect("queue")


@require_POST
@requires(Action.MANAGE_QUEUE)
def configure(request: MemberRequest) -> HttpResponse:
    """Set the concurrency limit and the gap between requests. The worker reads them each round."""
    form = LimitsForm(request.POST)
    if not form.is_valid():
        return queue_page(request, 422, limits_form=form)
    with transaction.atomic():
        gate = UpstreamGate.for_engine().lock()
        before = _own_limits(gate)
        gate.configure(*(form.value_of(name, before[name]) for name in before))
        if _own_limits(gate) != before:
            AuditEntry.objects.record(
                AuditAction.QUEUE_CHANGED,
                request.user,
                on=gate,
                label=gettext("queue"),
                before=before,
                after=_own_limits(gate),
            )
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
            AuditEntry.objects.record(AuditAction.RESUMED, request.user, note=gate.pause_reason)
            gate.resume(request.user)
            Generation.objects.for_engine().end_waits()
            tasks.enqueue_submit()
            tasks.enqueue_poll()
    if is_same:
        logger.info("Generation resumed by %s", request.user)
    else:
        messages.info(request, gettext("Another admin paused generation. Read the reason first."))
    return redirect("overview" if request.POST.get("page") == "overview" else "queue")


def queue_page(request: MemberRequest, status: int = 200, **extra: Any) -> HttpResponse:
    """The page. `extra` has a form with errors instead of an empty one."""
    gate = current_gate() or UpstreamGate()
    heartbeat_at = Lease.last_heartbeat("worker")
    people, more_people = people_in_queue()
    context = {
        "page": "queue",
        "form": PauseForm(),
        "limits_form": LimitsForm(initial=_own_limits(gate)),
        "default_limit": settings.CONCURRENCY_LIMIT,
        "default_gap": settings.SUBMIT_GAP_SECONDS,
        "gate": gate,
        "state": state_of(gate, heartbeat_at),
        "images_in_flight": Generation.objects.images_in_flight(),
        "counts": _counts(),
        "heartbeat_at": heartbeat_at,
        "people": people,
        "more_people": more_people,
        "stuck": _stuck(request.user),
        "max_stuck": MAX_STUCK,
        "stops": past_stops(),
    }
    return render(request, "queue/queue.html", context | extra, status=status)


def _own_limits(gate: UpstreamGate) -> dict[str, Any]:
    """What admins have set, by the name of its field."""
    return {"limit": gate.own_concurrency_limit, "gap": gate.own_submit_gap_seconds}


def _stuck(viewer: Member) -> list[tuple[str, Count, list[GenerationDecision]]]:
    """Unconfirmed, lost and late generations: the heading, the number, and the oldest of each."""
    kinds = (
        (_("Unconfirmed"), doubtful.unconfirmed()),
        (_("Without a result"), doubtful.lost()),
        (_("Late"), doubtful.late()),
    )
    found = counts_of(rows for _heading, rows in kinds)
    return [
        (str(heading), count, describe(rows.select_related("owner")[:MAX_STUCK], viewer))
        for (heading, rows), count in zip(kinds, found, strict=True)
        if count.number
    ]


def _counts() -> list[tuple[str, Count]]:
    # `finished_at` changes no result; it lets the index of open rows serve the query.
    rows = Generation.objects.for_current_upstream().filter(finished_at=None)
    counts = counts_of(rows.filter(status=status) for status in COUNTED_STATUSES)
    return [
        (str(status.label), count) for status, count in zip(COUNTED_STATUSES, counts, strict=True)
    ]
