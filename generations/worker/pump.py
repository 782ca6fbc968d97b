"""Watches everything in flight: claims what is due, asks with many threads, writes in batches."""

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from generations import kling
from generations.models import Failure, Generation, Line, Status

from . import upstream
from .rhythm import next_poll
from .shift import Shift

logger = logging.getLogger(__name__)

SHIFT_SECONDS = 15.0
TIMEOUT_SECONDS = 75
LEASE_SECONDS = 60.0  # above the deadline of a poll plus its wait for a thread
WRITE_SECONDS = 0.25
EMPTY_ANSWERS = 3

Answer = kling.Task | kling.KlingError | Exception
Row = tuple[datetime, int, int, datetime]


def has_work() -> bool:
    """Something runs upstream that is still watched."""
    running = Generation.objects.here().filter(status=Status.RUNNING)
    return running.filter(next_poll_at__isnull=False).exists()


def run(shift: Shift) -> None:
    """Poll what is due until the shift ends or nothing is watched any more."""
    if shift.inherits:
        Generation.objects.release_claims(LEASE_SECONDS)
    with (
        closing(upstream.client(pool_size=settings.PUMP_THREADS)) as client,
        ThreadPoolExecutor(settings.PUMP_THREADS, "pump") as pool,
    ):
        polls = Polls(client, pool)
        while True:
            if shift.goes_on():
                polls.start()
            else:
                polls.hand_back()
                if not polls.in_flight:
                    return
            shift.keep()
            if polls.take():
                shift.wake("fetch")
            if not polls.in_flight and not has_work():
                return


@dataclass
class Polls:
    """The polls of one shift: started here, answered by threads, written here."""

    client: kling.Client
    pool: ThreadPoolExecutor
    # Claimed beyond one for each thread: what they took within the last second, no more, so that
    # no lease runs out in the line for a thread.
    ahead: int = 0
    asked: dict[int, tuple[Future[None], Generation, datetime]] = field(default_factory=dict)
    answers: SimpleQueue[tuple[Generation, datetime, Answer]] = field(default_factory=SimpleQueue)

    @property
    def in_flight(self) -> int:
        return len(self.asked)

    def start(self) -> None:
        most = settings.PUMP_THREADS + self.ahead - self.in_flight
        quiet_until = Line.now().quiet_until
        if most <= 0 or (quiet_until and quiet_until > timezone.now()):
            return
        for generation in Generation.objects.claim_due(most, LEASE_SECONDS):
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
        try:
            answer = self.client.task(generation.kling_task_id)
        except Exception as error:
            answer = error
        self.answers.put((generation, claimed, answer))

    def take(self) -> bool:
        """Collect answers for a moment and write them in one transaction; True: files to fetch."""
        answered = self._collect()
        self.ahead = round(len(answered) / WRITE_SECONDS)
        if not answered:
            return False
        for generation, _claimed, _answer in answered:
            self.asked.pop(generation.pk, None)
        with transaction.atomic():
            rows, made = [], False
            for generation, claimed, answer in answered:
                row = _write(generation, claimed, answer)
                made |= generation.status == Status.FETCHING
                if row:
                    rows.append(row)
            Generation.objects.reschedule(rows)
            _tell_the_line([answer for _generation, _claimed, answer in answered])
        return made

    def _collect(self) -> list[tuple[Generation, datetime, Answer]]:
        """What came within a moment, or less when nothing more is on its way."""
        answered: list[tuple[Generation, datetime, Answer]] = []
        until = time.monotonic() + WRITE_SECONDS
        if not self.in_flight:
            time.sleep(WRITE_SECONDS)
        while len(answered) < self.in_flight and (left := until - time.monotonic()) > 0:
            try:
                answered.append(self.answers.get(timeout=left))
            except Empty:
                break
        return answered


def _write(generation: Generation, claimed: datetime, answer: Answer) -> Row | None:
    """One answer that the database does not take must not cost the others theirs."""
    try:
        return _apply(generation, claimed, answer)
    except Exception:
        logger.exception("the answer for %s was not written", generation)
        return _watch(generation, claimed, failures=generation.poll_failures + 1)


def _apply(generation: Generation, claimed: datetime, answer: Answer) -> Row | None:
    """Move the row, or say when it is to be asked again."""
    match answer:
        case kling.Task(state=kling.State.DONE) if answer.image_urls:
            generation.mark_fetching(answer.image_urls, answer.answer)
            return None
        case kling.Task(state=kling.State.DONE):
            return _done_without_pictures(generation, claimed, answer)
        case kling.Task(state=kling.State.FAILED):
            failure = Failure.INPUT if answer.reason else Failure.OURS
            generation.mark_failed(failure, answer.reason, answer.answer)
            return None
        case kling.Task():
            generation.doubt(None)
            return _watch(generation, claimed, failures=0)
        case kling.Denied():
            return _denied(generation, claimed)
        case kling.KlingError():
            return _watch(generation, claimed, failures=generation.poll_failures + 1)
        case _:
            logger.error("poll of %s broke", generation, exc_info=answer)
            return _watch(generation, claimed, failures=generation.poll_failures + 1)


def _watch(generation: Generation, claimed: datetime, failures: int) -> Row | None:
    """Our patience never ends a task: it is only asked more and more rarely."""
    age = _age_seconds(generation)
    watched = timezone.now() - (generation.watched_from or generation.created_at)
    if watched.total_seconds() > settings.WATCH_SECONDS:
        generation.mark_lost(f"no end within {settings.WATCH_SECONDS / 3600:.0f} hours")
        return None
    if age > settings.LATE_SECONDS and generation.late_at is None:
        generation.mark_late()
    at = timezone.now() + timedelta(seconds=next_poll(age, failures))
    return at, failures, generation.pk, claimed


def _done_without_pictures(
    generation: Generation, claimed: datetime, answer: kling.Task
) -> Row | None:
    """The list may follow later; after a few more looks there is none."""
    looks = generation.count_empty_answer()
    if looks > EMPTY_ANSWERS:
        generation.mark_failed(Failure.OURS, "finished without image", answer.answer)
        return None
    return _watch(generation, claimed, failures=looks)


def _denied(generation: Generation, claimed: datetime) -> Row | None:
    """The upstream denies tasks that it has: doubted for ten minutes, then lost, never failed."""
    now = timezone.now()
    generation.doubt(now)
    doubted = now - (generation.denied_at or now)
    if doubted.total_seconds() > settings.DOUBT_SECONDS:
        generation.mark_lost("the upstream denies it")
        return None
    return _watch(generation, claimed, failures=0)


def _age_seconds(generation: Generation) -> float:
    started = generation.submitted_at or generation.created_at
    return (timezone.now() - started).total_seconds()


def _tell_the_line(answers: list[Answer]) -> None:
    """What a query shows of the key: silence asked for, a refusal, or that all is well again."""
    for answer in answers:
        if isinstance(answer, kling.SlowDown) and answer.wait_seconds is not None:
            Line.keep_quiet(answer.wait_seconds)
    refused = next((a for a in answers if isinstance(a, kling.OnHold)), None)
    shows_in_a_query = {Line.Trouble.KEY, Line.Trouble.ADDRESS}
    line = Line.now()
    if refused and not line.is_held:
        Line.hold(refused.trouble, refused.answer, gap_seconds=settings.HOLD_RETRY_SECONDS)
    elif line.trouble in shows_in_a_query and any(isinstance(a, kling.Task) for a in answers):
        Line.clear()
