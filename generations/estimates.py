"""Estimates of how long a generation will take, for cards."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from generations.models import DEFAULT_ENGINE, Generation, Status, UpstreamGate, durations
from generations.models.durations import DurationStats, Range

CACHE_SECONDS = 5.0
MAX_ESTIMATED = 60  # queued generations beyond this position get no estimate
# The wait in the queue is longer than the work ahead alone: members who join later are served in
# turn, and some generations take far longer than usual. Factors measured in a simulated day
# (tests/test_durations.py), in which the estimates must hold.
LOW_WAIT_FACTOR = 1.5
HIGH_WAIT_FACTOR = 3.0


@dataclass(frozen=True)
class Estimate:
    """A rounded range in seconds: half of all generations end by `low`, nine of ten by `high`."""

    low: int
    high: int

    @classmethod
    def of(cls, seconds: Range | None) -> "Estimate | None":
        return cls(_round_up(seconds.low), _round_up(seconds.high)) if seconds else None

    @property
    def span(self) -> int:
        """Length in seconds of the scale that shows the range: a quarter longer than `high`."""
        return max(self.high * 5 // 4, 1)

    @property
    def start(self) -> int:
        """Where the marked part of the scale begins, in 200ths of it."""
        return 200 * self.low // self.span

    @property
    def width(self) -> int:
        """Length of the marked part of the scale, in 200ths of it."""
        return max(200 * (self.high - self.low) // self.span, 2)


def _round_up(seconds: float) -> int:
    """Round up to a plain figure: 6.1 to 7, 31 to 35, 83 to 90, 301 to 330."""
    steps = ((20, 1), (60, 5), (180, 10), (math.inf, 30))
    step = next(step for limit, step in steps if seconds <= limit)
    return max(math.ceil(seconds / step) * step, 1)


class Work(NamedTuple):
    """A generation that is queued or in flight: its images, and the durations of its kind."""

    n: int
    stats: DurationStats


def estimate_queue(
    in_flight: Sequence[Work], queued: Sequence[Work], concurrency_limit: int
) -> list[Range | None]:
    """Time until each queued generation ends. None: too few durations of its kind are known.

    `concurrency_limit` is in images; 0 means no limit.
    """
    ahead = list(in_flight)
    ranges = []
    for work in queued:
        ranges.append(_estimate(work, ahead, concurrency_limit))
        ahead.append(work)
    return ranges


def _estimate(work: Work, ahead: Sequence[Work], concurrency_limit: int) -> Range | None:
    """Images that must end first x mean duration / concurrency limit, plus its own duration."""
    duration = work.stats.left(0)
    if not duration or not concurrency_limit:
        return duration
    images_ahead = sum(other.n for other in ahead)
    must_end_first = min(max(images_ahead + work.n - concurrency_limit, 0), images_ahead)
    known = [other for other in (*ahead, work) if other.stats.is_known]
    mean = sum(other.n * other.stats.mean for other in known) / sum(other.n for other in known)
    wait = must_end_first * mean / concurrency_limit
    return Range(LOW_WAIT_FACTOR * wait + duration.low, HIGH_WAIT_FACTOR * wait + duration.high)


def seconds_left(images: int, stats: DurationStats, concurrency_limit: int) -> int | None:
    """About how long this many images take that are queued or in flight, with nothing else ahead.

    None: too few durations of their kind are known.
    """
    duration = stats.left(0)
    if not duration or not images:
        return None
    if not concurrency_limit:
        return math.ceil(duration.high)
    waits = max(images - concurrency_limit, 0) * stats.mean / concurrency_limit
    return math.ceil(LOW_WAIT_FACTOR * waits + duration.high)


# By engine: when the entry expires (monotonic clock), and the ranges by primary key.
_cached_queues: dict[str, tuple[float, dict[int, Range]]] = {}


def queue_estimates(engine: str = DEFAULT_ENGINE) -> dict[int, Range]:
    """Ranges of the first queued generations of an engine, by primary key.

    Cached in this process for `CACHE_SECONDS`.
    """
    expires_at, ranges = _cached_queues.get(engine, (0.0, {}))
    if time.monotonic() > expires_at:
        ranges = _read_queue(engine)
        _cached_queues[engine] = time.monotonic() + CACHE_SECONDS, ranges
    return ranges


def clear_caches() -> None:
    """Clear all cached figures, for tests that change rows."""
    _cached_queues.clear()
    durations.clear_caches()


def _read_queue(engine: str) -> dict[int, Range]:
    columns = ("pk", "n", "upstream", "engine", "model", "reference_id")
    queued = list(Generation.objects.in_queue_order(engine)[:MAX_ESTIMATED].only(*columns))
    if not queued:
        return {}
    gate = UpstreamGate.current_or_none(engine)
    concurrency_limit = (gate or UpstreamGate()).current_limit
    in_flight = Generation.objects.for_engine(engine).filter(
        status__in=(Status.SUBMITTING, Status.RUNNING),
        finished_at=None,
        lost_at=None,
        late_at=None,
        key_missing_since=None,
    )
    if not concurrency_limit:
        in_flight = in_flight.none()  # possibly thousands, and no row waits for them
    ranges = estimate_queue(
        [Work(row.n, durations.stats_for(row)) for row in in_flight.only(*columns)],
        [Work(row.n, durations.stats_for(row)) for row in queued],
        concurrency_limit,
    )
    return {row.pk: range_ for row, range_ in zip(queued, ranges, strict=True) if range_}
