"""The template context of a page with cards: the cards, the banner, the counts and the poller."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import dateformat, timezone

from generations.models import Generation, Member, Status, UpstreamGate
from generations.models.counting import count_up_to
from generations.models.generation import GenerationQuerySet
from generations.web.middleware.access import MemberRequest

from .card import cards_of
from .details import Details
from .progress import current_gate

MAX_DAY_COUNT = 100_000
FIRST_MINUTE = timedelta(seconds=60)
FAST_SECONDS, SLOW_SECONDS = 2, 5


@dataclass(frozen=True)
class Poller:
    """Refreshes all open cards of a page in one request; off without `seconds`."""

    seconds: int | None
    banner: str = ""  # what the banner of the page shows

    @property
    def stamp(self) -> str:
        return f"{self.banner or 'open'}.{self.seconds or 0}"


def page_context(
    request: MemberRequest, generations: Iterable[Generation], *, full_page: bool = False
) -> dict[str, Any]:
    """`full_page` is the page of one generation: with its details, without the counts of today.

    `card` is the first of `cards`.
    """
    rows, gate = list(generations), current_gate()
    cards = cards_of(rows, request.user, gate)
    context = {
        "cards": cards,
        "card": cards[0] if cards else None,
        "gate": gate,
        "poller": poller_of(rows, gate),
        "full_page": full_page,
    }
    if full_page:
        return context | {"details": Details(rows[0], request.user) if rows else None}
    open_count, today = _count_day(request.user)
    return context | {"open_count": open_count, "today": today}


def with_details(rows: GenerationQuerySet) -> GenerationQuerySet:
    """Join the owner and the reference image, which the page of one generation shows."""
    return rows.select_related("owner", "reference")


def poller_of(rows: Iterable[Generation], gate: UpstreamGate | None) -> Poller:
    """Poll fast while a row has changed its status in the last minute."""
    changed = [row.status_at for row in rows if row.is_open]
    banner = banner_of(gate)
    if not changed:
        return Poller(None, banner)
    is_fast = timezone.now() - max(changed) < FIRST_MINUTE
    return Poller(FAST_SECONDS if is_fast else SLOW_SECONDS, banner)


def banner_of(gate: UpstreamGate | None) -> str:
    """Return a value that changes with the text of the banner."""
    if gate is None:
        return ""
    return f"paused-{pause}" if (pause := pause_id(gate)) else gate.hold_reason


def pause_id(gate: UpstreamGate) -> str:
    """Return the start of the pause in microseconds, as in `_banner.html`; empty without one."""
    return dateformat.format(gate.paused_at, "Uu") if gate.paused_at else ""


def open_generations(member: Member) -> GenerationQuerySet:
    return Generation.objects.filter(owner=member, finished_at=None)


def count_open(member: Member) -> int:
    return open_generations(member).count()


def _count_day(member: Member) -> tuple[int, dict[str, int]]:
    """Count all open generations, and those of today that are open and done: in one statement.

    Limited to one day, so that the cost does not grow with the table.
    """
    own = Generation.objects.filter(owner=member)
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    today = own.filter(created_at__gte=midnight)
    is_open, is_done = {"finished_at": None}, {"status": Status.SUCCEEDED}
    queries = [own.filter(**is_open), today.filter(**is_open), today.filter(**is_done)]
    total, open_today, done_today = count_up_to(MAX_DAY_COUNT, queries)
    return total, {"open": open_today, "done": done_today}
