"""The page of one generation: its pictures large, and all that is known about it."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from generations.models import Generation

from .access import MemberRequest
from .cards import cards_of, count_open, line_now, poller_of


@require_safe
def generation(request: MemberRequest, pk: int) -> HttpResponse:
    seen = Generation.objects.visible_to(request.user)
    row = get_object_or_404(seen.select_related("owner", "reference", "again_of"), pk=pk)
    cards = cards_of([row], request.user)
    line = line_now()
    return render(
        request,
        "generation/generation.html",
        {
            "card": cards[0],
            "line": line,
            "poller": poller_of(cards, line),
            "whole": True,
            "open_count": count_open(request.user),
        },
    )
