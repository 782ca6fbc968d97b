"""The page of one generation: its pictures large, and all that is known about it."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from generations.models import Generation
from generations.web.middleware.access import MemberRequest

from .card import cards_of, current_gate
from .changes import page_context, poller_of, with_details


@require_safe
def generation(request: MemberRequest, pk: int) -> HttpResponse:
    return page(request, pk)


def page(request: MemberRequest, pk: int, *, status: int = 200, **more: Any) -> HttpResponse:
    """`more` is what a form on it that was refused says."""
    row = get_object_or_404(with_details(Generation.objects.visible_to(request.user)), pk=pk)
    gate = current_gate()
    cards = cards_of([row], request.user, gate)
    context = page_context(request.user, full_page=True) | {
        "card": cards[0],
        "gate": gate,
        "poller": poller_of(cards, gate),
    }
    return render(request, "generation/generation.html", context | more, status=status)
