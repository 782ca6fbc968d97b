"""Durations of past generations and the estimates on cards, checked against a simulated day."""

import random
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from generations import estimates
from generations.estimates import Estimate, Work, estimate_queue
from generations.models import Generation, Status, durations
from generations.models.durations import DurationStats, Range
from tests.builders import make_generation, make_member

CONCURRENCY_LIMIT = 12
DAY_SECONDS = 24 * 3600
MEMBERS = 8


def test_time_left_depends_on_those_that_took_longer() -> None:
    stats = DurationStats(tuple(float(second) for second in range(1, 101)))
    assert stats.left(0) == Range(51, 91)
    assert stats.left(50) == Range(26, 46)
    assert stats.left(97) is None


def test_too_few_samples_give_no_estimate() -> None:
    stats = DurationStats((5.0,) * 19)
    assert stats.left(0) is None
    assert estimate_queue([], [Work(1, stats)], 5) == [None]


def test_queued_generations_wait_for_those_ahead() -> None:
    ten = DurationStats((10.0,) * 40)
    in_flight, queued = [Work(1, ten)], [Work(1, ten)] * 3
    ranges = estimate_queue(in_flight, queued, concurrency_limit=1)
    assert ranges == [Range(25, 40), Range(40, 70), Range(55, 100)]
    assert estimate_queue(in_flight, queued, concurrency_limit=2)[0] == Range(10, 10)


def test_no_generation_waits_without_a_limit() -> None:
    ten = DurationStats((10.0,) * 40)
    assert estimate_queue([Work(9, ten)], [Work(1, ten)] * 3, 0) == [Range(10, 10)] * 3


def test_request_above_the_limit_waits_only_for_what_is_ahead() -> None:
    ten = DurationStats((10.0,) * 40)
    assert estimate_queue([], [Work(9, ten)], 4) == [Range(10, 10)]
    assert estimate_queue([Work(4, ten)], [Work(9, ten)], 4) == [Range(25, 40)]


def test_each_kind_counts_with_its_own_duration() -> None:
    fast, slow = DurationStats((10.0,) * 40), DurationStats((60.0,) * 40)
    unknown = DurationStats(())
    queued = [Work(1, fast), Work(1, unknown), Work(1, fast)]
    first, second, third = estimate_queue([Work(1, slow)], queued, concurrency_limit=1)
    assert first == Range(1.5 * 35 + 10, 3 * 35 + 10)  # the mean of one slow and one fast
    assert second is None
    assert third == Range(1.5 * 80 + 10, 3 * 80 + 10)  # three times the mean of the known


@pytest.mark.parametrize(
    ("seconds", "rounded"), [(0.2, 1), (6.1, 7), (31, 35), (83, 90), (301, 330)]
)
def test_estimates_are_rounded_up(seconds: float, rounded: int) -> None:
    estimate = Estimate.of(Range(seconds, seconds))
    assert estimate == Estimate(rounded, rounded)


@dataclass
class Request:
    member: int
    n: int
    seconds: float
    requested_at: float
    sent_at: float = 0
    end: float = 0


@dataclass
class Shown:
    request: Request
    at: float
    range: Range


@dataclass
class Day:
    """A day of a team, simulated second by second with the worker's rules for queue and limit."""

    rng: random.Random
    queued: list[Request] = field(default_factory=list)
    in_flight: list[Request] = field(default_factory=list)
    done: list[Request] = field(default_factory=list)
    requested: list[float] = field(default_factory=list)
    last_served: dict[int, float] = field(default_factory=dict)
    shown_queued: list[Shown] = field(default_factory=list)
    shown_in_flight: list[Shown] = field(default_factory=list)

    def run(self) -> None:
        for now in range(DAY_SECONDS):
            self._end(now)
            self._request(now)
            self._send(now)
            if now > 3600 and now % 97 == 0:
                self._show(now)

    def _request(self, now: float) -> None:
        """Add requests: busy and quiet hours; sometimes a member sends many requests at once."""
        busy = 0.5 + 0.5 * (8 < now / 3600 % 24 < 18)
        if self.rng.random() < 0.075 * busy:
            count = 12 if self.rng.random() < 0.02 else 1
            member = self.rng.randrange(MEMBERS)
            self.requested = [*self.requested[-durations.SAMPLES :], now]
            for _request in range(count):
                seconds = self.rng.lognormvariate(3.3, 0.45)
                seconds *= 6 if self.rng.random() < 0.02 else 1  # the slow tail
                self.queued.append(Request(member, self.rng.choice((1, 2, 4)), seconds, now))

    def in_queue_order(self) -> list[Request]:
        """As `GenerationQuerySet.in_queue_order`."""
        rounds: dict[int, int] = {}
        order = []
        for request in self.queued:
            rounds[request.member] = rounds.get(request.member, 0) + 1
            order.append(
                (
                    rounds[request.member],
                    self.last_served.get(request.member, -1.0),
                    request.requested_at,
                )
            )
        places = sorted(range(len(order)), key=lambda place: (*order[place], place))
        return [self.queued[place] for place in places]

    def _send(self, now: float) -> None:
        while self.queued:
            request = self.in_queue_order()[0]
            in_use = sum(other.n for other in self.in_flight)
            if in_use and in_use + request.n > CONCURRENCY_LIMIT:
                return
            self.queued.remove(request)
            self.last_served[request.member] = request.sent_at = now
            self.in_flight.append(request)

    def _end(self, now: float) -> None:
        for request in [
            request for request in self.in_flight if request.sent_at + request.seconds <= now
        ]:
            request.end = now
            self.in_flight.remove(request)
            self.done.append(request)

    def _show(self, now: float) -> None:
        """Record what the cards would show now."""
        seconds = sorted(done.end - done.sent_at for done in self.done[-durations.SAMPLES :])
        stats = DurationStats(tuple(seconds))
        for request in self.in_flight:
            if left := stats.left(now - request.sent_at):
                self.shown_in_flight.append(Shown(request, now, left))
        queued = self.in_queue_order()[: estimates.MAX_ESTIMATED]
        ranges = estimate_queue(
            [Work(request.n, stats) for request in self.in_flight],
            [Work(request.n, stats) for request in queued],
            CONCURRENCY_LIMIT,
        )
        for request, estimate in zip(queued, ranges, strict=True):
            if estimate:
                self.shown_queued.append(Shown(request, now, estimate))


def coverage(shown: list[Shown]) -> tuple[float, float]:
    """The share that ended by the lower figure, and the share that ended by the upper one."""
    ended = [each for each in shown if each.request.end]
    assert len(ended) > 200
    low = sum(each.request.end - each.at <= each.range.low for each in ended)
    high = sum(each.request.end - each.at <= each.range.high for each in ended)
    return low / len(ended), high / len(ended)


def test_nine_of_ten_end_within_the_estimate_in_a_simulated_day() -> None:
    day = Day(random.Random(7))
    day.run()
    for low, high in (coverage(day.shown_in_flight), coverage(day.shown_queued)):
        assert high >= 0.88
        assert 0.35 <= low <= 0.65  # not merely a wide range


# --- Read from the database -----------------------------------------------------------------------


@pytest.mark.django_db
def test_stats_come_from_recent_generations_of_the_same_kind() -> None:
    owner, now = make_member(), timezone.now()
    for seconds in range(30):
        row = make_generation(Status.SUCCEEDED, owner=owner)
        Generation.objects.filter(pk=row.pk).update(
            submitted_at=now - timedelta(seconds=seconds + 1), finished_at=now
        )
    other = make_generation(Status.SUCCEEDED, owner=owner, upstream="sample")
    assert durations.stats_for(row).seconds == tuple(range(1, 31))
    assert not durations.stats_for(other).is_known
    make_generation(owner=owner)
    (shown,) = estimates.queue_estimates().values()
    assert 10 < shown.low < 25 < shown.high <= 30


@pytest.mark.django_db
def test_queue_estimates_are_cached_until_cleared(settings: Settings) -> None:
    settings.CONCURRENCY_LIMIT = 1
    owner, now = make_member(), timezone.now()
    for engine in ["kling"] * 20 + ["another"] * 20:
        done = make_generation(Status.SUCCEEDED, owner=owner, engine=engine)
        Generation.objects.filter(pk=done.pk).update(
            submitted_at=now - timedelta(seconds=10), finished_at=now
        )
    queued = make_generation(owner=owner)
    make_generation(Status.RUNNING, owner=owner)
    of_another = make_generation(owner=owner, engine="another")
    assert estimates.queue_estimates() == {queued.pk: Range(25, 40)}
    # Its queue is not behind the row that runs.
    assert estimates.queue_estimates("another") == {of_another.pk: Range(10, 10)}
    queued.cancel(by=owner, version=queued.version)
    assert queued.pk in estimates.queue_estimates()
    estimates.clear_caches()
    assert estimates.queue_estimates() == {}
