"""How long things take here: ranges from what was made last, never a promise."""

import math
import random
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from .generation import Generation
from .status import Status
from .upstream_gate import UpstreamGate

SAMPLES = 100
MIN_SAMPLES = 20
CACHE_SECONDS = 10.0  # one look at the database serves all pages of this process for so long
MAX_ESTIMATED = 60  # whoever waits behind more is told no range
TRIALS = 25


class Range(NamedTuple):
    """Seconds from now: half end by `low`, nine of ten by `high`."""

    low: float
    high: float


@dataclass(frozen=True)
class DurationStats:
    """Seconds from submit to final of the last generations of a kind, sorted."""

    seconds: tuple[float, ...]

    @property
    def is_known(self) -> bool:
        return len(self.seconds) >= MIN_SAMPLES

    @property
    def p90(self) -> float:
        return _quantile(self.seconds, 0.9) if self.seconds else 0.0

    def left(self, age: float) -> Range | None:
        """Of one that has lasted `age` seconds; None when hardly any lasted so long."""
        longer = self.seconds[bisect_right(self.seconds, age) :]
        if not self.is_known or len(longer) < MIN_SAMPLES / 4:
            return None
        return Range(_quantile(longer, 0.5) - age, _quantile(longer, 0.9) - age)


class QueuedWork(NamedTuple):
    """One that is under way (`age` seconds by now) or waits, and its pictures.

    `turn`: how many of its person's go before it, and it with them; whoever comes later and has
    none in line yet goes before every second one.
    """

    age: float
    n: int
    turn: int = 1


def estimate_queue(
    stats: DurationStats,
    under_way: Sequence[QueuedWork],
    waiting: Sequence[QueuedWork],
    concurrency_limit: int,
    newcomers_a_second: float = 0,
) -> list[Range]:
    """Until the end of each one that waits, in their order; empty when too little is known.

    The line is played through some times, with durations drawn from the stats and with newcomers
    as often as they came of late: a line by turn of person lets them in.
    """
    if not stats.is_known:
        return []
    rng = random.Random(len(waiting))  # the same line gives the same figures
    ends: list[list[float]] = [[] for _load in waiting[:MAX_ESTIMATED]]
    for _trial in range(TRIALS):
        course = QueueSimulation(stats, under_way, concurrency_limit, newcomers_a_second, rng)
        for load, kept in zip(waiting, ends, strict=False):
            kept.append(course.end_of(load))
    return [Range(_quantile(sorted(kept), 0.5), _quantile(sorted(kept), 0.9)) for kept in ends]


class QueueSimulation:
    """One possible course of things from now on."""

    def __init__(
        self,
        stats: DurationStats,
        under_way: Sequence[QueuedWork],
        concurrency_limit: int,
        newcomers_a_second: float,
        rng: random.Random,
    ) -> None:
        self.stats, self.concurrency_limit, self.rng = stats, concurrency_limit, rng
        self.newcomers_a_second = newcomers_a_second
        self.now = 0.0
        self.in_use = 0
        self.busy: list[tuple[float, int]] = []
        for load in under_way:
            longer = stats.seconds[bisect_right(stats.seconds, load.age) :] or stats.seconds[-1:]
            self._start(load.n, max(rng.choice(longer) - load.age, 1.0))
        self.typical_n = round(self.in_use / len(self.busy)) if self.busy else 1
        self.newcomers = 0
        self.newcomer_at = 0.0
        self.newcomer_at = self._next_newcomer()

    def end_of(self, load: QueuedWork) -> float:
        """When the next in line ends."""
        self._wait_for_room(load.n)
        while self.newcomer_at <= self.now and self.newcomers < MAX_ESTIMATED:
            self.newcomer_at = self._next_newcomer()
            self.newcomers += 1
            if load.turn > 1 or self.rng.random() < 0.5:
                self._start(self.typical_n, self.rng.choice(self.stats.seconds))
                self._wait_for_room(load.n)
        return self._start(load.n, self.rng.choice(self.stats.seconds))

    def _wait_for_room(self, n: int) -> None:
        while self.concurrency_limit and self.in_use and self.in_use + n > self.concurrency_limit:
            self.now, ended = heappop(self.busy)
            self.in_use -= ended

    def _start(self, n: int, seconds: float) -> float:
        heappush(self.busy, (self.now + seconds, n))
        self.in_use += n
        return self.now + seconds

    def _next_newcomer(self) -> float:
        if not self.newcomers_a_second:
            return math.inf
        return self.newcomer_at + self.rng.expovariate(self.newcomers_a_second)


def _quantile(values: Sequence[float], part: float) -> float:
    """Of sorted values, the first that so great a part does not exceed."""
    return values[min(math.ceil(part * (len(values) + 1)), len(values)) - 1]


# --- from the rows, kept for some seconds --------------------------------------------------------

_cached_stats: dict[tuple[str, bool], tuple[float, DurationStats]] = {}
_cached_queue: list[tuple[float, dict[int, Range]]] = []


def stats_for(generation: Generation) -> DurationStats:
    """Of its kind: the same upstream, and with a reference image or without."""
    kind = (generation.upstream, bool(generation.reference_id))
    until, stats = _cached_stats.get(kind, (0.0, DurationStats(())))
    if time.monotonic() > until:
        stats = _read(*kind)
        _cached_stats[kind] = time.monotonic() + CACHE_SECONDS, stats
    return stats


def queue_estimates() -> dict[int, Range]:
    """By key, the range of each of the first in line. Kept as long: figures may be a little old."""
    if not _cached_queue or time.monotonic() > _cached_queue[0][0]:
        _cached_queue[:] = [(time.monotonic() + CACHE_SECONDS / 2, _read_queue())]
    return _cached_queue[0][1]


def clear_caches() -> None:
    """For whoever changes the rows behind this file's back: tests."""
    _cached_stats.clear()
    _cached_queue.clear()


def _read(upstream: str, with_reference: bool) -> DurationStats:
    kind = Q(upstream=upstream, reference__isnull=not with_reference, status=Status.SUCCEEDED)
    last = Generation.objects.filter(kind).order_by("-pk")[:SAMPLES]
    times = last.values_list("submitted_at", "finished_at")
    lasted = [(end - start).total_seconds() for start, end in times if start and end]
    return DurationStats(tuple(sorted(lasted)))


def _read_queue() -> dict[int, Range]:
    now = timezone.now()
    first = list(
        Generation.objects.in_queue_order()[:MAX_ESTIMATED].only(
            "pk", "n", "upstream", "reference_id"
        )
    )
    if not first:
        return {}
    under_way = Generation.objects.for_current_upstream().filter(
        status__in=(Status.SUBMITTING, Status.RUNNING), lost_at=None
    )
    loads = [
        QueuedWork((now - (sent or moved)).total_seconds(), n)
        for sent, moved, n in under_way.values_list("submitted_at", "status_at", "n")
    ]
    waiting = [QueuedWork(0, row.n, row.turn) for row in first]  # type: ignore[attr-defined]
    gate = UpstreamGate.current_or_none()
    concurrency_limit = (gate and gate.concurrency_limit) or settings.CONCURRENCY_LIMIT
    asked = (
        Generation.objects.for_current_upstream()
        .order_by("-pk")
        .values_list("created_at", flat=True)
    )
    times = list(asked[:SAMPLES])
    lasted = (now - times[-1]).total_seconds()
    newcomers = len(set(times)) / lasted if len(times) > MIN_SAMPLES and lasted > 0 else 0.0
    ranges = estimate_queue(stats_for(first[0]), loads, waiting, concurrency_limit, newcomers)
    return {row.pk: told for row, told in zip(first, ranges, strict=False)}
