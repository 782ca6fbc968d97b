"""The refresh of a page with cards: one request for all that are open."""

import re

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generations.models import Generation
from generations.web.batches.feed import changed_batches
from generations.web.middleware.access import MemberRequest
from generations.worker import tasks

from .context import page_context, poller_of, with_details
from .progress import current_gate, progress_of, stamp_of

MAX_CARDS = 50


@require_safe
@never_cache
def changes(request: MemberRequest) -> HttpResponse:
    """Return the cards that changed since the page got them; 204 when none did."""
    full_page = "full_page" in request.GET
    stamps = _read_stamps(request.GET.get("k", ""), limit=1 if full_page else MAX_CARDS)
    visible = Generation.objects.visible_to(request.user).filter(pk__in=stamps)
    rows, gate = list(visible.defer("prompt", "last_response")), current_gate()
    if any(row.is_live for row in rows):
        tasks.enqueue_poll_if_stale()
    now = zip(rows, progress_of(rows, gate), strict=True)
    changed = [row.pk for row, progress in now if stamp_of(row, progress) != stamps[row.pk]]
    batches = changed_batches(request.GET.get("k", ""), request.user)
    poller = poller_of([*rows, *batches.shown], gate)
    is_same_poller = poller.stamp == request.GET.get("p")
    if not changed and not batches.changed and is_same_poller:
        return HttpResponse(status=204)
    context = page_context(
        request,
        with_details(visible.filter(pk__in=changed)),
        full_page=full_page,
        batches=[each.progress for each in batches.changed],
    )
    context["poller"] = None if is_same_poller else poller
    context["batches"] = batches.changed
    return render(request, "cards/changes.html", context)


def _read_stamps(text: str, limit: int) -> dict[int, str]:
    """Read `12.3,15.1-2-open` as {12: "3", 15: "1-2-open"}; skip what has another form.

    Batches are among them: see `changed_batches`.
    """
    pairs = re.findall(r"(?:^|,)(\d{1,18})\.([\w-]{1,40})", text)
    return {int(pk): stamp for pk, stamp in pairs[:limit]}
