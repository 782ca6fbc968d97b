"""The line to the upstream, for admins: how it stands, and the button that pauses it."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from generations.models import Generation, Lease, Status, UpstreamGate
from generations.worker import tasks

from .cards.context import pause_id
from .cards.progress import current_gate
from .middleware.access import MemberRequest

logger = logging.getLogger(__name__)

MAX_COUNT = 1000  # of each status: how many more there are is not worth a longer look
COUNTED = (Status.QUEUED, Status.SUBMITTING, Status.RUNNING, Status.FETCHING, Status.UNCONFIRMED)


class PauseForm(forms.Form):
    reason = forms.CharField(
        max_length=300,
        error_messages={"required": _("Say why: everybody who waits will read it.")},
    )


@dataclass(frozen=True)
class Count:
    status: Status
    shown: int
    is_more: bool

    @property
    def label(self) -> str:
        return str(self.status.label)


@require_http_methods(["GET", "HEAD", "POST"])
def queue(request: MemberRequest) -> HttpResponse:
    """How it stands; a POST pauses it, for a reason."""
    _admins_only(request)
    form = PauseForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        status = 422 if form.errors else 200
        return render(request, "queue/queue.html", _context(request, form), status=status)
    if UpstreamGate.pause(request.user, form.cleaned_data["reason"]):
        logger.info("the line is paused by %s: %s", request.user, form.cleaned_data["reason"])
    else:
        messages.info(request, gettext("It was paused already. This is how it stands now."))
    return redirect("queue")


@require_POST
def resume(request: MemberRequest) -> HttpResponse:
    """The pause that was on the page, or a hold, ends by hand; the queue goes on at once."""
    _admins_only(request)
    with transaction.atomic():
        pause = pause_id(UpstreamGate.lock())
        is_same = not pause or request.POST.get("pause") == pause
        if is_same:
            UpstreamGate.resume()
            tasks.enqueue_submit()
    if is_same:
        logger.info("the line is resumed by %s", request.user)
    else:
        messages.info(request, gettext("Meanwhile somebody else has paused it: read why first."))
    return redirect("queue")


def _admins_only(request: MemberRequest) -> None:
    if not request.user.is_admin:
        raise PermissionDenied


def _context(request: MemberRequest, form: PauseForm) -> dict[str, Any]:
    now = current_gate() or UpstreamGate()
    return {
        "form": form,
        "gate": now,
        "busy_until": _busy_until(now),
        "concurrency_limit": now.concurrency_limit or settings.CONCURRENCY_LIMIT,
        "images_in_flight": Generation.objects.images_in_flight(),
        "counts": [_count(status) for status in COUNTED],
        "heartbeat_at": Lease.last_heartbeat("worker"),
    }


def _busy_until(now: UpstreamGate) -> datetime | None:
    """Until when nothing is sent, because the upstream asked for it."""
    waits = [until for until in (now.submit_not_before, now.silent_until) if until]
    return max((until for until in waits if until > timezone.now()), default=None)


def _count(status: Status) -> Count:
    # The end says nothing more of these, but the index is of the open ones.
    rows = Generation.objects.for_current_upstream().filter(status=status, finished_at=None)
    found = rows[: MAX_COUNT + 1].count()
    return Count(status, min(found, MAX_COUNT), found > MAX_COUNT)
