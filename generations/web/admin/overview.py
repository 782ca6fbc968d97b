"""The overview: whether generation works, what needs a decision, and what it costs."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from generations.models import Lease
from generations.permissions import Action
from generations.web.cards.progress import current_gate
from generations.web.middleware.access import MemberRequest, requires


@require_safe
@requires(Action.OPEN_ADMIN)
def overview(request: MemberRequest) -> HttpResponse:
    context = {"gate": current_gate(), "heartbeat_at": Lease.last_heartbeat("worker")}
    return render(request, "admin/overview.html", context)
