"""How a page keeps its cards fresh: one question for all that are open."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import dateformat, timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generations.models import Generation, Member, Status, UpstreamGate
from generations.models.counting import count_up_to
from generations.models.generation import GenerationQuerySet
from generations.web.middleware.access import MemberRequest
from generations.worker import tasks

from .card import Card, bare_cards_of, cards_of, current_gate

MAX_CARDS = 50
MAX_DAY_COUNT = 100_000
FIRST_MINUTE = timedelta(seconds=60)
QUICK_SECONDS, CALM_SECONDS = 2, 5


@dataclass(frozen=True)
class Poller:
    """Asks for all open cards of a page at once; without `seconds` it asks nothing."""

    seconds: int | None
    banner: str = ""  # what stands in the banner of the page

    @property
    def stamp(self) -> str:
        return f"{self.banner or 'open'}.{self.seconds or 0}"


def poller_of(cards: Iterable[Card], gate: UpstreamGate | None) -> Poller:
    """Quick while something has moved in the last minute, calm after that."""
    moved = [card.generation.status_at for card in cards if card.generation.is_open]
    banner = banner_of(gate)
    if not moved:
        return Poller(None, banner)
    is_quick = timezone.now() - max(moved) < FIRST_MINUTE
    return Poller(QUICK_SECONDS if is_quick else CALM_SECONDS, banner)


def banner_of(gate: UpstreamGate | None) -> str:
    """Changes with what the banner says."""
    if gate is None:
        return ""
    return f"paused-{pause}" if (pause := pause_id(gate)) else gate.hold_reason


def pause_id(gate: UpstreamGate) -> str:
    """To the microsecond, as `_banner.html` says it too; empty without one."""
    return dateformat.format(gate.paused_at, "Uu") if gate.paused_at else ""


def open_generations(member: Member) -> GenerationQuerySet:
    return Generation.objects.filter(owner=member, finished_at=None)


def count_open(member: Member) -> int:
    return open_generations(member).count()


def _count_day(member: Member) -> tuple[int, dict[str, int]]:
    """All that is open, and what of today is open and done: in one statement. Of one day, so it
    stays small; a figure over all days would grow without end."""
    mine = Generation.objects.filter(owner=member)
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    of_today = mine.filter(created_at__gte=today)
    still = {"finished_at": None}
    made = of_today.filter(status=Status.SUCCEEDED)
    asked = [mine.filter(**still), of_today.filter(**still), made]
    whole, is_open, done = count_up_to(MAX_DAY_COUNT, asked)
    return whole, {"open": is_open, "done": done}


@require_safe
@never_cache
def changes(request: MemberRequest) -> HttpResponse:
    """Only the cards that changed since the page saw them; 204 when none did."""
    seen = _read_stamps(request.GET.get("k", ""))
    rows = Generation.objects.visible_to(request.user).filter(pk__in=seen)
    gate = current_gate()
    bare = bare_cards_of(list(rows.defer("prompt", "last_response")), request.user, gate)
    if any(card.generation.is_live for card in bare):
        tasks.enqueue_poll_if_stale()
    changed = [card.generation.pk for card in bare if card.stamp != seen[card.generation.pk]]
    poller = poller_of(bare, gate)
    is_same = poller.stamp == request.GET.get("p")
    if not changed and is_same:
        return HttpResponse(status=204)
    context = page_context(request.user, full_page="full_page" in request.GET) | {
        "cards": cards_of(with_details(rows.filter(pk__in=changed)), request.user, gate),
        "poller": None if is_same else poller,
        "gate": gate,
    }
    return render(request, "cards/changes.html", context)


def with_details(rows: GenerationQuerySet) -> GenerationQuerySet:
    """With all that the page of one generation says of them."""
    return rows.select_related("owner", "reference")


def page_context(member: Member, *, full_page: bool) -> dict[str, Any]:
    """What stands around the cards. The page of one generation has no count of the day."""
    if full_page:
        return {"full_page": True, "open_count": count_open(member), "today": None}
    open_count, today = _count_day(member)
    return {"full_page": False, "open_count": open_count, "today": today}


def _read_stamps(listed: str) -> dict[int, str]:
    """`12.3,15.1-2-open` -> {12: "3", 15: "1-2-open"}; what is not of that form is left out."""
    pairs = re.findall(r"(?:^|,)(\d{1,18})\.([\w-]{1,40})", listed)
    return {int(pk): stamp for pk, stamp in pairs[:MAX_CARDS]}
