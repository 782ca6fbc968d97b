"""Looks for the submits whose answer was lost, where the upstream can be asked for them.

It sends nothing. What is found runs on as if its answer had come. What is not there ends as failed
and uncharged, and in that only an upstream is believed that was asked with authority again and
again: it denies new tasks for a while, and some deny every name.
"""

import logging
import random
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.utils import timezone

from generations.engines.base import Engine, EngineError, OnHold, SlowDown, TaskNotFound, Unanswered
from generations.models import Generation, Submission, TaskTaken, UpstreamGate

from . import upstream
from .lease import LeasedLoop

logger = logging.getLogger(__name__)

LOOP_SECONDS = 30.0
TIMEOUT_SECONDS = 150  # the calls under way at its end, and what is written then
ROW_LEASE_SECONDS = 90.0  # above the reading of a whole list
THREADS = 8
ROWS_OF_A_LIST = 500
TICK_SECONDS = 0.05
MAX_GAP_SECONDS = 1800.0
# The upstream's clock may differ from ours: so much further back its list is read.
CLOCKS_DIFFER = timedelta(minutes=10)
NO_PROOF = Unanswered("denied, by an upstream that was not seen to know our names")


@dataclass(frozen=True)
class Found:
    """The ids of the tasks that bear its name, the newest first: one, unless it was paid twice."""

    task_ids: tuple[str, ...]


@dataclass(frozen=True)
class NotThere:
    """Told with authority, by an upstream that was seen to know such names."""


Answer = Found | NotThere | Exception
Sent = tuple[Generation, Submission]
T = TypeVar("T")


def has_work() -> bool:
    """Some are due, and the upstream has not asked for silence."""
    return Generation.objects.due_for_lookup().exists() and not _is_silent()


def run(loop: LeasedLoop) -> None:
    """Look for what is due until the shift ends or nothing is."""
    if loop.previous_holder_died:
        Generation.objects.reset_lookup_claims(ROW_LEASE_SECONDS)
    if not has_work():
        return
    with (
        closing(upstream.make_client(pool_size=THREADS)) as client,
        ThreadPoolExecutor(THREADS, "lookup") as pool,
    ):
        looks = LookupBatch(client, pool, loop)
        while loop.should_continue() and has_work():
            looks.take()


def _is_silent() -> bool:
    silent_until = UpstreamGate.now().silent_until
    return silent_until is not None and silent_until > timezone.now()


@dataclass
class LookupBatch:
    """The questions of one shift: asked by threads, answered to the rows here."""

    client: Engine
    pool: ThreadPoolExecutor
    loop: LeasedLoop

    def take(self) -> None:
        """Ask for one batch of rows, and write down what was told of each."""
        is_list = settings.UPSTREAM_LOOKUP == "list"
        most = ROWS_OF_A_LIST if is_list else THREADS - 1
        claimed = Generation.objects.claim_lookups(most, ROW_LEASE_SECONDS)
        sent = [(row, row.submissions.get(attempt=row.attempt)) for row in claimed]
        if not sent:
            return
        answers = self._in_the_list(sent) if is_list else self._by_reference(sent)
        for (generation, submission), answer in zip(sent, answers, strict=True):
            try:
                _write(generation, submission, answer)
            except Exception:
                logger.exception("what was told of %s was not written", generation)
        _tell_the_line(answers)
        self.loop.wake_up("poll")

    def _by_reference(self, sent: list[Sent]) -> list[Answer]:
        """One question each, and one whose answer is known: some upstreams deny every name."""
        names = [generation.external_id for generation, _submission in sent]
        known = _accepted_before()
        told = self._ask([partial(self.client.find, name) for name in [*names, *known]])
        knows_names = any(isinstance(one, str) for one in told)
        return [_read(one, knows_names) for one in told[: len(sent)]]

    def _in_the_list(self, sent: list[Sent]) -> list[Answer]:
        """One list for all. Whatever is not in it may still be there when it bears no names."""
        since = min(submission.sent_at for _generation, submission in sent) - CLOCKS_DIFFER
        (told,) = self._ask([partial(self.client.list_tasks, since)])
        if isinstance(told, Exception):
            return [told] * len(sent)
        answers: list[Answer] = []
        for generation, submission in sent:
            ids = told.task_ids.get(generation.external_id)
            is_proven = told.task_ids and told.covers(submission.sent_at - CLOCKS_DIFFER)
            answers.append(Found(ids) if ids else NotThere() if is_proven else NO_PROOF)
        return answers

    def _ask(self, questions: list[Callable[[], T]]) -> list[T | Exception]:
        """In threads, which know nothing of the database, while the slot is kept."""
        asked = [self.pool.submit(_answer_to, question) for question in questions]
        waiting = set(asked)
        while waiting:
            _answered, waiting = wait(waiting, TICK_SECONDS, FIRST_COMPLETED)
            self.loop.renew()
        return [future.result() for future in asked]


def _answer_to(question: Callable[[], T]) -> T | Exception:
    try:
        return question()
    except Exception as error:
        return error


def _accepted_before() -> list[str]:
    """Our name for the last one that the upstream took, if there is any."""
    accepted = Submission.objects.filter(
        outcome=Submission.Outcome.ACCEPTED, generation__upstream=settings.UPSTREAM_MODE
    )
    last = accepted.select_related("generation").order_by("-pk").first()
    return [last.generation.external_id] if last else []


def _read(told: str | Exception, knows_names: bool) -> Answer:
    if isinstance(told, str):
        return Found((told,))
    if isinstance(told, TaskNotFound):
        return NotThere() if knows_names else NO_PROOF
    return told


# --- what follows from it -------------------------------------------------------------------------


def _write(generation: Generation, submission: Submission, answer: Answer) -> None:
    match answer:
        case Found():
            _found(generation, submission, answer.task_ids)
        case NotThere():
            _not_there(generation, submission)
        case EngineError():
            logger.info("%s was looked for in vain: %s", generation, answer)
            _look_later(generation)
        case _:
            logger.error("looking for %s broke", generation, exc_info=answer)
            _look_later(generation)


def _found(generation: Generation, submission: Submission, ids: tuple[str, ...]) -> None:
    """The first that nobody has becomes its task. Any other is paid for, and nobody's."""
    its_own = next((one for one in ids if _becomes(generation, submission, one)), "")
    for other in ids:
        if other != its_own:
            logger.error("paid for, and not watched: %s is Kling task %r too", generation, other)
    if not its_own:
        _look_later(generation)  # unless somebody has moved it meanwhile


def _becomes(generation: Generation, submission: Submission, upstream_task_id: str) -> bool:
    try:
        if generation.mark_found(submission, upstream_task_id):
            return True
    except TaskTaken as taken:
        logger.error("%s: %s", generation, taken)
        return False
    # Its late answer may have come in between.
    return Generation.objects.filter(pk=generation.pk, upstream_task_id=upstream_task_id).exists()


def _not_there(generation: Generation, submission: Submission) -> None:
    """The last of all the looks, and not before its time, whoever looked how often in between."""
    looks, denials = settings.LOOKUP_SECONDS, generation.polls + 1
    unconfirmed = timezone.now() - generation.status_at
    left = looks[-1] - unconfirmed.total_seconds()
    if denials < len(looks):
        left = looks[denials] - looks[denials - 1]
    elif left <= 0:
        generation.mark_not_there(submission)
        return
    generation.reschedule_lookup(left * random.uniform(1, 1.2), polls=denials, poll_failures=0)


def _look_later(generation: Generation) -> None:
    """No answer is no answer, however often: it is only asked more and more rarely."""
    failures = generation.poll_failures + 1
    gap = min(settings.LOOKUP_SECONDS[0] * 2.0 ** min(failures, 12), MAX_GAP_SECONDS)
    generation.reschedule_lookup(
        gap * random.uniform(0.8, 1.2), polls=generation.polls, poll_failures=failures
    )


def _tell_the_line(answers: list[Answer]) -> None:
    """What it shows of the key: silence asked for, or a refusal. Submits open the line again."""
    for answer in answers:
        if isinstance(answer, SlowDown) and answer.wait_seconds is not None:
            UpstreamGate.stay_silent(answer.wait_seconds)
    refused = next((one for one in answers if isinstance(one, OnHold)), None)
    if refused and not UpstreamGate.now().is_held:
        UpstreamGate.hold(refused.reason, refused.response, gap_seconds=settings.HOLD_RETRY_SECONDS)
