"""The poll loop: asks the upstream about tasks in flight and records the results.

Threads make the HTTP calls; only the main thread touches the database, in batches.
"""

import logging
import math
import time
from collections import Counter, deque
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

from generations.engines.base import EngineError, State, Task, TaskNotFound
from generations.models import (
    ApiKey,
    Failure,
    Generation,
    ReportSource,
    Status,
    TransitionReason,
    UpstreamGate,
    durations,
    team_settings,
)
from generations.models.status import POLLED

from .lease import LeasedLoop
from .poll_schedule import next_poll
from .upstream import Clients, TaskQueries

logger = logging.getLogger(__name__)

LOOP_SECONDS = 180.0  # long, so that few runs wait for their last responses at a time
TIMEOUT_SECONDS = 240
ROW_LEASE_SECONDS = 60.0  # longer than a poll's deadline plus its wait for a thread
WRITE_SECONDS = 0.25
ROUND_SECONDS = 0.1  # at least: each round claims and writes its rows in transactions
MARGIN_SECONDS = 60.0
MEASURE_SECONDS = 1.0
# A query is slow after this many times the median, within these limits.
SLOW_FACTOR = 4.0
MIN_SLOW_SECONDS, MAX_SLOW_SECONDS = 1.0, 5.0
MAX_SLOW_POLLS = max(settings.POLL_THREADS // 4, 1)  # of one member
MIN_THREADS = 8
THREAD_HEADROOM = 1.5  # polls come due in bursts
OVERLOADED_SHARE = 0.8  # of a core: Python runs one thread at a time
SHRINK_FACTOR = 0.75
LATENCY_SAMPLES = 200
MAX_EMPTY_RESULTS = 3

Outcome = Task | Exception
# next_poll_at, poll_failures, id, claimed next_poll_at: as `reschedule` takes them.
ScheduledPoll = tuple[datetime, int, int, datetime]


class PollResult(NamedTuple):
    generation: Generation
    claimed_at: datetime
    outcome: Outcome
    seconds: float
    reports: tuple[tuple[int | None, Exception | None], ...]  # by the key that was used


def has_work() -> bool:
    """Whether any running task is still polled."""
    return _polled().exists()


def _polled() -> QuerySet[Generation]:
    """Those that are asked about: not what waits for its API key."""
    polled = Generation.objects.for_engine().filter(status__in=POLLED, key_missing_since=None)
    return polled.filter(next_poll_at__isnull=False)


def sweep() -> None:
    """Mark the rows whose API key is gone, and make polls due that a clock change has moved."""
    Generation.objects.mark_keys(ApiKey.objects.missing())
    now = timezone.now()
    longest = timedelta(seconds=ROW_LEASE_SECONDS + 2 * max(settings.POLL_SECONDS) + MARGIN_SECONDS)
    _polled().filter(next_poll_at__gt=now + longest).update(next_poll_at=now)


def run(loop: LeasedLoop) -> None:
    """Poll due tasks until the loop's time ends or no task is left."""
    if loop.previous_holder_died:
        Generation.objects.reset_claims(ROW_LEASE_SECONDS)
    with (
        closing(Clients()) as clients,
        ThreadPoolExecutor(settings.POLL_THREADS, "poll") as pool,
    ):
        polls = Polls(clients, pool)
        while True:
            ends_at = time.monotonic() + ROUND_SECONDS
            if loop.should_continue():
                polls.start()
            else:
                polls.give_back()
                if not polls.in_flight:
                    return
                if loop.is_held:
                    loop.release_early()  # the next run does not wait for queries that hang
                    loop.wake_up("poll")
            loop.renew()
            if polls.record_results():
                loop.wake_up("fetch")
            if not polls.in_flight and not has_work():
                return
            time.sleep(max(ends_at - time.monotonic(), 0))


@dataclass
class PendingPoll:
    """A claimed row and its query. `started_at` is on the monotonic clock."""

    generation: Generation
    claimed_at: datetime
    client: TaskQueries
    started_at: float | None = None  # None: it waits for a thread

    def seconds(self) -> float:
        """How long the query has taken until now."""
        return time.monotonic() - self.started_at if self.started_at is not None else 0.0


@dataclass
class Polls:
    """The polls of one run: started and recorded here, sent by threads."""

    clients: Clients
    pool: ThreadPoolExecutor
    concurrency: "PollConcurrency" = field(default_factory=lambda: PollConcurrency())
    # Rows claimed in addition to one for each thread: at most as many as were polled in the last
    # second, so that no row lease expires while the row waits for a thread.
    ahead: int = 0
    pending: dict[int, PendingPoll] = field(default_factory=dict)
    waiting: deque[PendingPoll] = field(default_factory=deque)  # for a thread
    threads: set[Future[None]] = field(default_factory=set)  # at work
    slow_rows: set[int] = field(default_factory=set)  # whose last query was slow
    results: SimpleQueue[PollResult] = field(default_factory=SimpleQueue)

    @property
    def in_flight(self) -> int:
        return len(self.pending)

    def start(self) -> None:
        """Claim due rows for the threads, unless a Retry-After is in effect for their key.

        A query that hangs costs a thread, but takes no turn from the others. A member with many
        of them waits until some have ended.
        """
        slow = self._slow_polls_by_owner()
        threads = min(self.concurrency.limit() + slow.total(), settings.POLL_THREADS)
        limit = threads + self.ahead - self.in_flight
        if limit > 0:
            keys = UpstreamGate.silent_keys() | self.clients.without_client()
            owners = [owner for owner, count in slow.items() if count >= MAX_SLOW_POLLS]
            for generation in Generation.objects.claim_due(
                limit, ROW_LEASE_SECONDS, except_owners=owners, except_keys=keys
            ):
                claimed_at = generation.next_poll_at
                if generation.first_not_found_at:
                    generation.try_other_key(keys)
                client = self.clients.for_queries(generation.api_key_id)
                assert claimed_at is not None
                if client is None:
                    continue  # since a moment ago; its lease ends by itself
                poll = PendingPoll(generation, claimed_at, client)
                self.pending[generation.pk] = poll
                self.waiting.append(poll)
        self.threads = {thread for thread in self.threads if not thread.done()}
        for _thread in range(min(threads - len(self.threads), len(self.waiting))):
            self.threads.add(self.pool.submit(self._poll_waiting))

    def _slow_polls_by_owner(self) -> Counter[int]:
        """Count the queries that hang now, or whose row's last one did."""
        return Counter(
            poll.generation.owner_id
            for pk, poll in self.pending.items()
            if pk in self.slow_rows or poll.seconds() > self.concurrency.slow_after
        )

    def give_back(self) -> None:
        """Make rows due again that no thread has started on, for the next run."""
        now, rows = timezone.now(), []
        while poll := self._next_waiting():
            generation = poll.generation
            rows.append((now, generation.poll_failures, generation.pk, poll.claimed_at))
            del self.pending[generation.pk]
        Generation.objects.reschedule(rows)

    def _next_waiting(self) -> PendingPoll | None:
        try:
            return self.waiting.popleft()
        except IndexError:
            return None

    def _poll_waiting(self) -> None:
        """Run in a thread: HTTP only. Only the main thread uses the database.

        A thread takes one row after another: waking up another for each would cost more than the
        query itself.
        """
        while poll := self._next_waiting():
            poll.started_at = started_at = time.monotonic()
            result = poll.client.query(poll.generation.upstream_task_id)
            seconds = time.monotonic() - started_at
            self.results.put(
                PollResult(
                    poll.generation, poll.claimed_at, result.outcome, seconds, result.reports
                )
            )

    def record_results(self) -> bool:
        """Collect results for a moment and write them in one transaction.

        Returns whether there are files to download.
        """
        results = self._collect()
        self.ahead = round(len(results) / WRITE_SECONDS)
        if not results:
            return False
        for result in results:
            self.pending.pop(result.generation.pk, None)
            is_slow = result.seconds > self.concurrency.slow_after
            (self.slow_rows.add if is_slow else self.slow_rows.discard)(result.generation.pk)
        self.concurrency.observe(results)
        failed = [each for each in results if _has_failed(each)]
        others = [each for each in results if not _has_failed(each)]
        with transaction.atomic():
            _report(results)  # gates before generations, as a submit and an entered task ID do
            finished = _record_finished(others)
            scheduled = [_record(each) for each in others if each.generation.pk not in finished]
            Generation.objects.reschedule(row for row in scheduled if row)
        for each in failed:
            _record_failed(each)
        return bool(finished) or any(each.generation.status == Status.FETCHING for each in results)

    def _collect(self) -> list[PollResult]:
        """Return the results of `WRITE_SECONDS`, earlier when no poll is pending."""
        results: list[PollResult] = []
        until = time.monotonic() + WRITE_SECONDS
        if not self.in_flight:
            time.sleep(WRITE_SECONDS)
        while len(results) < self.in_flight and (left := until - time.monotonic()) > 0:
            try:
                results.append(self.results.get(timeout=left))
            except Empty:
                break
        return results


class PollConcurrency:
    """How many polls may run at once (Little's law: polls due per second x seconds per poll).

    Uses the median latency: a few queries that hang do not change it. When this process is
    overloaded, its threads wait for each other and every latency rises. More threads would make
    that worse, so there are fewer.
    """

    def __init__(self) -> None:
        self.measured_at = time.monotonic() - MEASURE_SECONDS
        self.processor_seconds = time.process_time()
        self.latencies: deque[float] = deque(maxlen=LATENCY_SAMPLES)
        self.threads = MIN_THREADS
        self.slow_after = MIN_SLOW_SECONDS

    def observe(self, results: list[PollResult]) -> None:
        self.latencies.extend(each.seconds for each in results)
        slow_after = SLOW_FACTOR * median(self.latencies)
        self.slow_after = min(max(slow_after, MIN_SLOW_SECONDS), MAX_SLOW_SECONDS)

    def limit(self) -> int:
        if time.monotonic() >= self.measured_at + MEASURE_SECONDS and self.latencies:
            polls_per_second = _polled().count() / settings.POLL_SECONDS[0] / settings.POLL_LOOPS
            needed = math.ceil(polls_per_second * median(self.latencies) * THREAD_HEADROOM)
            if self._processor_share() > OVERLOADED_SHARE:
                needed = min(needed, int(self.threads * SHRINK_FACTOR))
            self.threads = min(max(needed, MIN_THREADS), settings.POLL_THREADS)
        return self.threads

    def _processor_share(self) -> float:
        """The share of one core that this process has used since the last call."""
        now, processor_seconds = time.monotonic(), time.process_time()
        share = (processor_seconds - self.processor_seconds) / (now - self.measured_at)
        self.measured_at, self.processor_seconds = now, processor_seconds
        return share


def _report(results: list[PollResult]) -> None:
    """Tell each key's gate about the queries with it."""
    outcomes: dict[tuple[int | None, str], list[Exception | None]] = {}
    for each in results:
        for key, error in each.reports:
            outcomes.setdefault((key, each.generation.engine), []).append(error)
    gates = [UpstreamGate.for_key(api_key, engine) for api_key, engine in outcomes]
    for gate in sorted(gates, key=lambda gate: gate.pk):  # locks, in the order of `lock_all`
        gate.report(*outcomes[gate.api_key_id, gate.engine], source=ReportSource.POLL)


def _record_finished(results: list[PollResult]) -> set[int]:
    """Record all tasks that succeeded with images in one batch; return the rows' keys.

    Returns nothing when the batch fails: each row is then recorded separately.
    """
    finished = {
        each.generation.pk: (each.outcome.image_urls, each.outcome.response)
        for each in results
        if isinstance(each.outcome, Task)
        and each.outcome.state is State.SUCCEEDED
        and each.outcome.image_urls
    }
    if not finished:
        return set()
    try:
        with transaction.atomic():
            Generation.objects.mark_fetching(finished)
    except Exception:
        logger.exception(
            "Batch update of %s generations failed; writing them one by one", len(finished)
        )
        return set()
    return set(finished)


def _has_failed(result: PollResult) -> bool:
    return isinstance(result.outcome, Task) and result.outcome.state is State.FAILED


def _record_failed(result: PollResult) -> None:
    """Record a failure in a transaction of its own: it locks the counters of all people's money.

    Locks are taken in the order gate, generations, periods; a batch would go back to the first.
    """
    with transaction.atomic():
        scheduled = _record(result)
        if scheduled:
            Generation.objects.reschedule([scheduled])


def _record(result: PollResult) -> ScheduledPoll | None:
    """Record one result. A database error must not lose the other results of the batch."""
    generation, claimed_at, outcome = result.generation, result.claimed_at, result.outcome
    try:
        return _apply(generation, claimed_at, outcome)
    except Exception:
        logger.exception("Could not record the poll result of generation %s", generation.pk)
        return _schedule_next_poll(generation, claimed_at, failures=generation.poll_failures + 1)


def _apply(generation: Generation, claimed_at: datetime, outcome: Outcome) -> ScheduledPoll | None:
    """Change the row's status, or return when to poll it again."""
    match outcome:
        case Task(state=State.SUCCEEDED) if outcome.image_urls:
            generation.mark_fetching(outcome.image_urls, outcome.response)
            return None
        case Task(state=State.SUCCEEDED):
            return _handle_empty_result(generation, claimed_at, outcome)
        case Task(state=State.FAILED):
            generation.mark_failed(Failure(outcome.kind), outcome.reason, outcome.response)
            return None
        case Task():
            generation.record_in_progress()
            return _schedule_next_poll(generation, claimed_at, failures=0)
        case TaskNotFound():
            return _handle_not_found(generation, claimed_at)
        case EngineError():
            failures = generation.poll_failures + 1
            return _schedule_next_poll(generation, claimed_at, failures)
        case _:
            logger.error("Poll of %s failed", generation, exc_info=outcome)
            failures = generation.poll_failures + 1
            return _schedule_next_poll(generation, claimed_at, failures)


def _schedule_next_poll(
    generation: Generation, claimed_at: datetime, failures: int
) -> ScheduledPoll | None:
    """Return when to poll again, or mark the generation lost after the watch time."""
    age = _age_seconds(generation)
    polled_for = timezone.now() - (generation.polling_since or generation.created_at)
    # A minimum of polls too, so that a clock that jumps ahead by a day ends nothing.
    watch_seconds = team_settings.current().watch_seconds
    min_polls = watch_seconds / max(settings.POLL_SECONDS) / 2
    if polled_for.total_seconds() > watch_seconds and generation.polls >= min_polls:
        generation.mark_lost(TransitionReason.WATCH_EXPIRED)
        return None
    if generation.late_at is None and age > max(
        settings.LATE_SECONDS,
        team_settings.current().late_factor * durations.stats_for(generation).p90,
    ):
        generation.mark_late()
    next_poll_at = timezone.now() + timedelta(seconds=next_poll(age, failures))
    return next_poll_at, failures, generation.pk, claimed_at


def _handle_empty_result(
    generation: Generation, claimed_at: datetime, task: Task
) -> ScheduledPoll | None:
    """Poll a succeeded task again, since its images may be listed later; then mark it lost.

    Its images are paid for, so a person may check for them again.
    """
    empty_results = generation.count_result_without_images()
    if empty_results > MAX_EMPTY_RESULTS:
        generation.mark_lost(TransitionReason.NO_IMAGES, last_response=task.response)
        return None
    return _schedule_next_poll(generation, claimed_at, failures=empty_results)


def _handle_not_found(generation: Generation, claimed_at: datetime) -> ScheduledPoll | None:
    """Keep polling for `DOUBT_SECONDS`, then mark the generation lost.

    Gateways sometimes answer "not found" for tasks that exist, so this is never a failure.
    """
    not_found_for = timezone.now() - generation.record_not_found()
    if not_found_for.total_seconds() > settings.DOUBT_SECONDS:
        generation.mark_lost(TransitionReason.NO_LONGER_FOUND)
        return None
    return _schedule_next_poll(generation, claimed_at, failures=0)


def _age_seconds(generation: Generation) -> float:
    started = generation.submitted_at or generation.created_at
    return (timezone.now() - started).total_seconds()
