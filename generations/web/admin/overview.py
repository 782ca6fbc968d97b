"""The overview: whether generation works, what needs a decision, and what it costs."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from generations.models import Lease, Member, UpstreamGate
from generations.permissions import Action
from generations.web.cards.progress import current_gate
from generations.web.middleware.access import MemberRequest, requires

from . import doubtful, figures
from .decisions import decisions_for
from .gate_state import state_of
from .recent_changes import recent_changes
from .system import lines
from .week import recovered_text, week


@require_safe
@requires(Action.OPEN_ADMIN)
def overview(request: MemberRequest) -> HttpResponse:
    return overview_page(request)


def overview_page(request: MemberRequest, status: int = 200, **extra: Any) -> HttpResponse:
    """The whole page; its content alone for htmx, which refreshes it."""
    template = "admin/overview/_content.html" if request.htmx else "admin/overview.html"
    return render(request, template, context_for(request.user) | extra, status=status)


def context_for(viewer: Member) -> dict[str, Any]:
    now, gate = timezone.now(), current_gate() or UpstreamGate()
    heartbeat_at = Lease.last_heartbeat("worker")
    this_week, risk = week(now), doubtful.at_risk()
    return {
        "page": "overview",
        "gate": gate,
        "state": state_of(gate, heartbeat_at),
        "decisions": decisions_for(viewer),
        "spent": figures.spent(now),
        "risk": risk,
        "risk_facts": figures.at_risk_facts(risk),
        "queue": figures.queue_figure(gate),
        "errors": figures.errors_figure(now),
        "lines": lines(gate, heartbeat_at, this_week.images),
        "week": this_week,
        "recovered": recovered_text(now),
        "changes": recent_changes(),
    }
