"""Watches everything in flight: claims what is due, asks with many threads, writes in batches."""

import logging
import math
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from statistics import median
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from generations.engines.base import (
    Engine,
    EngineError,
    OnHold,
    SlowDown,
    State,
    Task,
    TaskNotFound,
)
from generations.models import (
    Failure,
    Generation,
    Status,
    TransitionReason,
    UpstreamGate,
    durations,
)

from . import upstream
from .lease import LeasedLoop
from .poll_schedule import next_poll

logger = logging.getLogger(__name__)

LOOP_SECONDS = 15.0
TIMEOUT_SECONDS = 75
ROW_LEASE_SECONDS = 60.0  # above the deadline of a poll plus its wait for a thread
WRITE_SECONDS = 0.25
MARGIN_SECONDS = 60.0
MEASURE_SECONDS = 1.0
MIN_THREADS = 8
THREAD_HEADROOM = 1.5  # of what the mean asks for: polls do not come evenly
LATENCY_SAMPLES = 200  # the last so many calls tell how long one takes
MAX_EMPTY_RESULTS = 3
LATE_FACTOR = 3  # the time within which nine of ten of its kind end

Answer = Task | EngineError | Exception
Row = tuple[datetime, int, int, datetime]


class PollResult(NamedTuple):
    generation: Generation
    claimed: datetime
    answer: Answer
    seconds: float


def has_work() -> bool:
    """Something runs upstream that is still watched."""
    return _watched().exists()


def _watched() -> QuerySet[Generation]:
    running = Generation.objects.for_current_upstream().filter(status=Status.RUNNING)
    return running.filter(next_poll_at__isnull=False)


def sweep() -> None:
    """After the clock was set back, what is due lies too far ahead: nobody waits that long."""
    now = timezone.now()
    longest = timedelta(seconds=ROW_LEASE_SECONDS + 2 * max(settings.POLL_SECONDS) + MARGIN_SECONDS)
    _watched().filter(next_poll_at__gt=now + longest).update(next_poll_at=now)


def run(loop: LeasedLoop) -> None:
    """Poll what is due until the shift ends or nothing is watched any more."""
    if loop.previous_holder_died:
        Generation.objects.reset_claims(ROW_LEASE_SECONDS)
    with (
        closing(upstream.make_client(pool_size=settings.POLL_THREADS)) as client,
        ThreadPoolExecutor(settings.POLL_THREADS, "poll") as pool,
    ):
        polls = Polls(client, pool)
        while True:
            if loop.should_continue():
                polls.start()
            else:
                polls.hand_back()
                if not polls.in_flight:
                    return
            loop.renew()
            if polls.take():
                loop.wake_up("fetch")
            if not polls.in_flight and not has_work():
                return


@dataclass
class Polls:
    """The polls of one shift: started here, answered by threads, written here."""

    client: Engine
    pool: ThreadPoolExecutor
    concurrency: "PollConcurrency" = field(default_factory=lambda: PollConcurrency())
    # Claimed beyond one for each thread: what they took within the last second, no more, so that
    # no lease runs out in the line for a thread.
    ahead: int = 0
    asked: dict[int, tuple[Future[None], Generation, datetime]] = field(default_factory=dict)
    answers: SimpleQueue[PollResult] = field(default_factory=SimpleQueue)

    @property
    def in_flight(self) -> int:
        return len(self.asked)

    def start(self) -> None:
        most = self.concurrency.now() + self.ahead - self.in_flight
        silent_until = UpstreamGate.now().silent_until
        if most <= 0 or (silent_until and silent_until > timezone.now()):
            return
        for generation in Generation.objects.claim_due(most, ROW_LEASE_SECONDS):
            claimed = generation.next_poll_at
            assert claimed is not None
            future = self.pool.submit(self._ask, generation, claimed)
            self.asked[generation.pk] = future, generation, claimed

    def hand_back(self) -> None:
        """What no thread has begun is due again at once, for the next shift."""
        now, rows = timezone.now(), []
        for pk, (future, generation, claimed) in list(self.asked.items()):
            if future.cancel():
                rows.append((now, generation.poll_failures, pk, claimed))
                del self.asked[pk]
        Generation.objects.reschedule(rows)

    def _ask(self, generation: Generation, claimed: datetime) -> None:
        """In a thread: HTTP only, the database belongs to the main thread."""
        answer: Answer
        started = time.monotonic()
        try:
            answer = self.client.task(generation.upstream_task_id)
        except Exception as error:
            answer = error
        seconds = time.monotonic() - started
        self.answers.put(PollResult(generation, claimed, answer, seconds))

    def take(self) -> bool:
        """Collect answers for a moment and write them in one transaction; True: files to fetch."""
        answered = self._collect()
        self.ahead = round(len(answered) / WRITE_SECONDS)
        if not answered:
            return False
        for each in answered:
            self.asked.pop(each.generation.pk, None)
        self.concurrency.observe(answered)
        with transaction.atomic():
            made = _write_made(answered)
            others = [_write(each) for each in answered if each.generation.pk not in made]
            Generation.objects.reschedule(row for row in others if row)
            _tell_the_line([each.answer for each in answered])
        return bool(made) or any(each.generation.status == Status.FETCHING for each in answered)

    def _collect(self) -> list[PollResult]:
        """What came within a moment, or less when nothing more is on its way."""
        answered: list[PollResult] = []
        until = time.monotonic() + WRITE_SECONDS
        if not self.in_flight:
            time.sleep(WRITE_SECONDS)
        while len(answered) < self.in_flight and (left := until - time.monotonic()) > 0:
            try:
                answered.append(self.answers.get(timeout=left))
            except Empty:
                break
        return answered


class PollConcurrency:
    """How many polls may be under way at once: by Little's law, the polls that come due in a second
    times the seconds one takes.

    The quicker half of the calls tells how long one takes: when this process itself is what is
    slow, more threads would only make it slower.
    """

    def __init__(self) -> None:
        self.latencies: deque[float] = deque(maxlen=LATENCY_SAMPLES)
        self.threads = MIN_THREADS
        self.measure_at = 0.0

    def observe(self, answered: list[PollResult]) -> None:
        self.latencies.extend(each.seconds for each in answered)

    def now(self) -> int:
        if time.monotonic() >= self.measure_at and self.latencies:
            self.measure_at = time.monotonic() + MEASURE_SECONDS
            polls_a_second = _watched().count() / settings.POLL_SECONDS[0] / settings.POLL_LOOPS
            needed = math.ceil(polls_a_second * median(self.latencies) * THREAD_HEADROOM)
            self.threads = min(max(needed, MIN_THREADS), settings.POLL_THREADS)
        return self.threads


def _write_made(answered: list[PollResult]) -> set[int]:
    """All that were made with their pictures, in one go; returns their keys.

    When the database does not take them together, each is written by itself.
    """
    made = {
        each.generation.pk: (each.answer.image_urls, each.answer.response)
        for each in answered
        if isinstance(each.answer, Task)
        and each.answer.state is State.SUCCEEDED
        and each.answer.image_urls
    }
    if not made:
        return set()
    try:
        with transaction.atomic():
            Generation.objects.mark_fetching(made)
    except Exception:
        logger.exception("the pictures of %s generations are written one by one", len(made))
        return set()
    return set(made)


def _write(answered: PollResult) -> Row | None:
    """One answer that the database does not take must not cost the others theirs."""
    generation, claimed, answer, _seconds = answered
    try:
        return _apply(generation, claimed, answer)
    except Exception:
        logger.exception("the answer for generation %s was not written", generation.pk)
        return _watch(generation, claimed, failures=generation.poll_failures + 1)


def _apply(generation: Generation, claimed: datetime, answer: Answer) -> Row | None:
    """Move the row, or say when it is to be asked again."""
    match answer:
        case Task(state=State.SUCCEEDED) if answer.image_urls:
            generation.mark_fetching(answer.image_urls, answer.response)
            return None
        case Task(state=State.SUCCEEDED):
            return _done_without_pictures(generation, claimed, answer)
        case Task(state=State.FAILED):
            generation.mark_failed(Failure(answer.kind), answer.reason, answer.response)
            return None
        case Task():
            generation.set_first_not_found(None)
            return _watch(generation, claimed, failures=0)
        case TaskNotFound():
            return _denied(generation, claimed)
        case EngineError():
            return _watch(generation, claimed, failures=generation.poll_failures + 1)
        case _:
            logger.error("poll of %s broke", generation, exc_info=answer)
            return _watch(generation, claimed, failures=generation.poll_failures + 1)


def _watch(generation: Generation, claimed: datetime, failures: int) -> Row | None:
    """Our patience never ends a task: it is only asked more and more rarely."""
    age = _age_seconds(generation)
    watched = timezone.now() - (generation.polling_since or generation.created_at)
    # Looked at often enough, too: a clock that jumps ahead by a day ends nothing.
    looks = settings.WATCH_SECONDS / max(settings.POLL_SECONDS) / 2
    if watched.total_seconds() > settings.WATCH_SECONDS and generation.polls >= looks:
        generation.mark_lost(TransitionReason.ENDLESS)
        return None
    # Later than usual: for its kind, and by any measure.
    if generation.late_at is None and age > max(
        settings.LATE_SECONDS, LATE_FACTOR * durations.stats_for(generation).p90
    ):
        generation.mark_late()
    at = timezone.now() + timedelta(seconds=next_poll(age, failures))
    return at, failures, generation.pk, claimed


def _done_without_pictures(generation: Generation, claimed: datetime, answer: Task) -> Row | None:
    """The list may follow later; after a few more looks there is none."""
    looks = generation.count_result_without_images()
    if looks > MAX_EMPTY_RESULTS:
        generation.mark_failed(Failure.OURS, "finished without image", answer.response)
        return None
    return _watch(generation, claimed, failures=looks)


def _denied(generation: Generation, claimed: datetime) -> Row | None:
    """The upstream denies tasks that it has: doubted for ten minutes, then lost, never failed."""
    now = timezone.now()
    generation.set_first_not_found(now)
    doubted = now - (generation.first_not_found_at or now)
    if doubted.total_seconds() > settings.DOUBT_SECONDS:
        generation.mark_lost(TransitionReason.DENIED)
        return None
    return _watch(generation, claimed, failures=0)


def _age_seconds(generation: Generation) -> float:
    started = generation.submitted_at or generation.created_at
    return (timezone.now() - started).total_seconds()


def _tell_the_line(answers: list[Answer]) -> None:
    """What a query shows of the key: silence asked for, a refusal, or that all is well again."""
    for answer in answers:
        if isinstance(answer, SlowDown) and answer.wait_seconds is not None:
            UpstreamGate.stay_silent(answer.wait_seconds)
    refused = next((a for a in answers if isinstance(a, OnHold)), None)
    shows_in_a_query = {UpstreamGate.HoldReason.KEY, UpstreamGate.HoldReason.ADDRESS}
    gate = UpstreamGate.now()
    if refused and not gate.is_held:
        UpstreamGate.hold(refused.reason, refused.response, gap_seconds=settings.HOLD_RETRY_SECONDS)
    elif gate.hold_reason in shows_in_a_query and any(isinstance(a, Task) for a in answers):
        UpstreamGate.clear()
