"""The template context of a page with cards: the cards, the banner, the counts and the poller."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db.models import Q
from django.utils import dateformat, timezone

from generations.models import (
    DEFAULT_ENGINE,
    Generation,
    Notification,
    Status,
    UpstreamGate,
    batch_topic,
    generation_topic,
    shared_topic,
)
from generations.models.counting import count_up_to
from generations.models.generation import GenerationQuerySet
from generations.web.header import header_counts, header_querysets, mark_seen, store_counts
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


class Refreshed(Protocol):
    """A generation, or the progress of a batch."""

    @property
    def pk(self) -> int: ...
    @property
    def is_open(self) -> bool: ...
    @property
    def status_at(self) -> datetime: ...


def page_context(
    request: MemberRequest,
    generations: Iterable[Generation],
    *,
    full_page: bool = False,
    batches: Iterable[Refreshed] = (),
) -> dict[str, Any]:
    """`full_page` is the page of one generation: with its details, without the counts of today.

    `card` is the first of `cards`. `batches` are refreshed with the cards.
    """
    rows, batches, gate = list(generations), list(batches), current_gate()
    cards = cards_of(rows, request.user, gate)
    context = {
        "cards": cards,
        "card": cards[0] if cards else None,
        "gate": gate,
        "poller": poller_of([*rows, *batches], gate),
        "full_page": full_page,
    }
    if full_page:
        _mark_seen(request, rows)
        return context | {"details": Details(rows[0], request.user) if rows else None}
    today = _count_day(request)
    _mark_seen(request, rows, batches)
    return context | {"open_count": header_counts(request).open, "today": today}


def _mark_seen(
    request: MemberRequest, rows: Iterable[Generation], batches: Iterable[Refreshed] = ()
) -> None:
    """Mark the notifications about these cards as read, unless the tab is hidden."""
    if "hidden" in request.GET:
        return
    topics = [topic(row.pk) for row in rows for topic in (generation_topic, shared_topic)]
    topics += [batch_topic(batch.pk) for batch in batches]
    mark_seen(request, Q(topic__in=topics) | Q(kind=Notification.Kind.HANDED_OVER))


def with_details(rows: GenerationQuerySet) -> GenerationQuerySet:
    """Join the owner and the reference image, which the page of one generation shows."""
    return rows.select_related("owner", "reference")


def poller_of(rows: Iterable[Refreshed], gate: UpstreamGate | None) -> Poller:
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
    if pause := pause_id(gate):
        return f"paused-{pause}"
    return "-".join(
        f"{each.engine}-{each.hold_reason}" if each.engine != DEFAULT_ENGINE else each.hold_reason
        for each in gate.holds
    )


def pause_id(gate: UpstreamGate) -> str:
    """Return the start of the pause in microseconds, as in `_banner.html`; empty without one."""
    return dateformat.format(gate.paused_at, "Uu") if gate.paused_at else ""


def _count_day(request: MemberRequest) -> dict[str, int]:
    """Count the generations of today that are open and done, and the header's: in one statement.

    Limited to one day, so that the cost does not grow with the table.
    """
    own = Generation.objects.filter(owner=request.user)
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    today = own.filter(created_at__gte=midnight)
    is_open, is_done = {"finished_at": None}, {"status": Status.SUCCEEDED}
    queries = [*header_querysets(request.user), today.filter(**is_open), today.filter(**is_done)]
    *header, open_today, done_today = count_up_to(MAX_DAY_COUNT, queries)
    store_counts(request, header)
    return {"open": open_today, "done": done_today}
