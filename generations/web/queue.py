"""The queue page, for admins: the state of generation, and its pause."""

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

from generations.models import AuditAction, AuditEntry, Generation, Lease, Status, UpstreamGate
from generations.permissions import Action
from generations.worker import tasks

from .cards.context import pause_id
from .cards.progress import current_gate
from .counts import Count, counts_of
from .middleware.access import MemberRequest, requires
from .text_fields import VisibleTextField

logger = logging.getLogger(__name__)

COUNTED_STATUSES = (
    Status.QUEUED,
    Status.SUBMITTING,
    Status.RUNNING,
    Status.FETCHING,
    Status.UNCONFIRMED,
)


class PauseForm(forms.Form):
    reason = VisibleTextField(
        max_length=300,
        error_messages={"required": _("Enter a reason. Everyone on the team sees it.")},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_QUEUE)
def queue(request: MemberRequest) -> HttpResponse:
    """Show the queue's state; POST pauses generation with a reason."""
    form = PauseForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        status = 422 if form.errors else 200
        return render(request, "queue/queue.html", _context(request, form), status=status)
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
def resume(request: MemberRequest) -> HttpResponse:
    """End the pause that the page showed, any hold and all waits, and wake up the loops.

    `pause` is the `pause_id` from the page. A newer pause, which the admin has not seen, stays.
    """
    with transaction.atomic():
        gate = UpstreamGate.for_engine().lock()
        pause = pause_id(gate)
        is_same = not pause or request.POST.get("pause") == pause
        if is_same:
            AuditEntry.objects.record(AuditAction.RESUMED, request.user, note=gate.pause_reason)
            gate.resume()
            Generation.objects.for_engine().end_waits()
            tasks.enqueue_submit()
            tasks.enqueue_poll()
    if is_same:
        logger.info("Generation resumed by %s", request.user)
    else:
        messages.info(request, gettext("Paused again meanwhile. Read the reason first."))
    return redirect("queue")


def _context(request: MemberRequest, form: PauseForm) -> dict[str, Any]:
    gate = current_gate() or UpstreamGate()
    return {
        "form": form,
        "gate": gate,
        "concurrency_limit": gate.concurrency_limit or settings.CONCURRENCY_LIMIT,
        "images_in_flight": Generation.objects.images_in_flight(),
        "counts": _counts(),
        "heartbeat_at": Lease.last_heartbeat("worker"),
    }


def _counts() -> list[tuple[str, Count]]:
    # `finished_at` changes no result; it lets the index of open rows serve the query.
    rows = Generation.objects.for_current_upstream().filter(finished_at=None)
    counts = counts_of(rows.filter(status=status) for status in COUNTED_STATUSES)
    return [
        (str(status.label), count) for status, count in zip(COUNTED_STATUSES, counts, strict=True)
    ]
