"""How long recent generations took, from submit to the final status."""

import math
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.conf import settings

from .generation import Generation
from .status import Status
from .upstream_gate_base import DEFAULT_ENGINE, DEFAULT_MODEL

SAMPLES = 100
MIN_SAMPLES = 20
CACHE_SECONDS = 10.0


class Range(NamedTuple):
    """Seconds: half of all generations end by `low`, nine of ten by `high`."""

    low: float
    high: float


@dataclass(frozen=True)
class DurationStats:
    """Durations in seconds of the last generations of one kind, sorted."""

    seconds: tuple[float, ...]

    @property
    def is_known(self) -> bool:
        return len(self.seconds) >= MIN_SAMPLES

    @property
    def mean(self) -> float:
        return sum(self.seconds) / len(self.seconds) if self.seconds else 0.0

    @property
    def p90(self) -> float:
        return _quantile(self.seconds, 0.9) if self.seconds else 0.0

    def left(self, age: float) -> Range | None:
        """The time left for a generation submitted `age` seconds ago.

        Based on those that took longer than `age`; None if there are too few of them.
        """
        longer = self.seconds[bisect_right(self.seconds, age) :]
        if not self.is_known or len(longer) < MIN_SAMPLES / 4:
            return None
        return Range(_quantile(longer, 0.5) - age, _quantile(longer, 0.9) - age)


def _quantile(values: Sequence[float], share: float) -> float:
    """Return the quantile of sorted values, rounded up to one of the values."""
    return values[min(math.ceil(share * (len(values) + 1)), len(values)) - 1]


class Kind(NamedTuple):
    """Generations that take about the same time."""

    upstream: str
    engine: str
    model: str
    with_reference: bool = False


# By kind: when the entry expires (monotonic clock), and the figures.
_cache: dict[Kind, tuple[float, DurationStats]] = {}


def stats_for(generation: Generation) -> DurationStats:
    """Figures of the same kind: upstream, model, and with or without a reference image.

    Cached in this process for `CACHE_SECONDS`.
    """
    row = generation
    return _stats(Kind(row.upstream, row.engine, row.model, bool(row.reference_id)))


def usual_stats(engine: str = DEFAULT_ENGINE, model: str = DEFAULT_MODEL) -> DurationStats:
    """Figures of the current upstream, without a reference image. Cached, as those above."""
    return _stats(Kind(settings.UPSTREAM_MODE, engine, model))


def _stats(kind: Kind) -> DurationStats:
    expires_at, stats = _cache.get(kind, (0.0, DurationStats(())))
    if time.monotonic() > expires_at:
        stats = _read(kind)
        _cache[kind] = time.monotonic() + CACHE_SECONDS, stats
    return stats


def clear_caches() -> None:
    """Clear all cached figures, for tests that change rows."""
    _cache.clear()


def _read(kind: Kind) -> DurationStats:
    rows = Generation.objects.filter(
        upstream=kind.upstream,
        engine=kind.engine,
        model=kind.model,
        reference__isnull=not kind.with_reference,
        status=Status.SUCCEEDED,
    )
    # They may be few, among many of other models or without a reference image.
    if kind.with_reference:
        newest = Generation.objects.filter(reference__isnull=False).order_by("-reference")
    else:
        newest = Generation.objects.filter(model=kind.model).order_by("-created_at", "-pk")
    keys = newest.values_list("pk", flat=True)[: 5 * SAMPLES]
    latest = rows.order_by("-created_at", "-pk").with_keys(keys)
    times = latest[:SAMPLES].values_list("submitted_at", "finished_at")
    seconds = [(end - start).total_seconds() for start, end in times if start and end]
    return DurationStats(tuple(sorted(seconds)))
