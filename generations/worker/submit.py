"""The paid POST: a few at a time, each from a row whose intent is already durable."""

import logging
import random
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from generations.engines.base import (
    Engine,
    EngineError,
    NotSent,
    OnHold,
    RequestRefused,
    SlowDown,
    Task,
    TaskNotFound,
)
from generations.models import (
    Failure,
    Generation,
    Status,
    Submission,
    TransitionReason,
    UpstreamGate,
    is_dead,
)

from . import dispatch, upstream
from .dispatch import PreparedSubmission
from .lease import LeasedLoop
from .poll_schedule import first_poll

logger = logging.getLogger(__name__)

LOOP_SECONDS = 45.0  # of sending; the answers may take a whole deadline more
TIMEOUT_SECONDS = int(LOOP_SECONDS + settings.SUBMIT_DEADLINE_SECONDS + 30)
TICK_SECONDS = 0.1
SOON_SECONDS = 10.0
UNANSWERED_BECOMES_HOLD = 3
BUSY_BECOMES_HOLD = timedelta(minutes=5)
MAX_WAIT_SECONDS = 60.0
NO_SUCH_TASK = "klingweb-looks-whether-you-are-there"


PendingPosts = dict[Future[Task], PreparedSubmission]


# Troubles that show in a query, which costs nothing, before a paid POST is risked for them.
ASKED_FREELY = {
    UpstreamGate.HoldReason.UNREACHED,
    UpstreamGate.HoldReason.KEY,
    UpstreamGate.HoldReason.ADDRESS,
}
ENDED_BY_A_QUERY = {UpstreamGate.HoldReason.KEY, UpstreamGate.HoldReason.ADDRESS}


def has_work() -> bool:
    """Rows wait, or a hold may have ended, and the line lets them through soon; a longer wait is
    ended by the beat."""
    return dispatch.opens_soon(SOON_SECONDS) and (
        _is_anything_queued() or UpstreamGate.now().hold_reason in ENDED_BY_A_QUERY
    )


def _is_anything_queued() -> bool:
    return Generation.objects.for_current_upstream().filter(status=Status.QUEUED).exists()


def run(loop: LeasedLoop) -> None:
    """Send what may go until the shift ends or the queue is empty; then wait for the answers.

    It starts with one POST and doubles with the answers that can be read: a wrong address, where
    every POST may cost and tells nothing, must not swallow a whole batch.
    """
    posts: PendingPosts = {}
    window = 1
    with (
        closing(upstream.make_client()) as client,
        ThreadPoolExecutor(settings.SUBMIT_THREADS, "submit") as pool,
    ):
        if not _may_try(client):
            return
        try:
            while loop.should_continue() and (posts or has_work()):
                for item in dispatch.send_next(window - len(posts)):
                    posts[pool.submit(client.submit, item.request)] = item
                    time.sleep(settings.SUBMIT_GAP_SECONDS)
                loop.renew()
                errors = _take_answers(posts)
                for error in errors:
                    window = _next_window(window, error)
                if errors:
                    loop.wake_up("poll")
        finally:
            # Whatever ended the sending, be it a database that is away or a task that ran out of
            # time: the answers of what was sent are money, and are still written down.
            is_left = bool(posts)
            while posts:
                _take_answers(posts)
    if is_left:
        loop.wake_up("poll")


def _may_try(client: Engine) -> bool:
    """A held line is first asked something that costs nothing, where that can show the trouble.

    Only when it answers that does one row try it; else each try could be paid for and lost. With
    nothing in the queue the good answer alone ends the hold.
    """
    hold_reason = UpstreamGate.now().hold_reason
    if hold_reason not in ASKED_FREELY or not dispatch.opens_soon():
        return True
    try:
        client.task(NO_SUCH_TASK)
    except TaskNotFound:
        pass
    except EngineError as error:
        logger.warning("the line stays on hold: %s", error)
        UpstreamGate.probe(gap_seconds=settings.HOLD_RETRY_SECONDS)
        return False
    if hold_reason in ENDED_BY_A_QUERY and not _is_anything_queued():
        UpstreamGate.clear()
    return True


def _next_window(window: int, error: Exception | None) -> int:
    match error:
        case None | RequestRefused():
            return min(window * 2, settings.SUBMIT_THREADS)
        case NotSent() | SlowDown() | OnHold():
            return window
        case _:
            return 1


def sweep() -> None:
    """T6: whoever sent these is gone, or has waited past every deadline. Nobody knows; a person
    decides. A late answer still wins."""
    UpstreamGate.clamp_to_clock()
    sent = Submission.objects.filter(
        outcome=Submission.Outcome.SENT, generation__status=Status.SUBMITTING
    ).select_related("generation")
    now = timezone.now()
    for submission in sent:
        if submission.deadline_at < now or is_dead(submission.holder):
            submission.generation.mark_unconfirmed(submission, TransitionReason.SENDER_GONE)


def _take_answers(posts: PendingPosts) -> list[Exception | None]:
    """Write down what came within a moment; for each what was wrong with it, or None.

    An answer that the database does not take is tried again until its deadline; then the sweep
    parks the row at `unconfirmed`, and it is never sent again by itself.
    """
    if not posts:
        time.sleep(TICK_SECONDS)
        return []
    answered, _waiting = wait(posts, TICK_SECONDS, FIRST_COMPLETED)
    taken: list[Exception | None] = []
    for post in answered:
        try:
            taken.append(_take(posts[post], post))
        except Exception:
            _log_unsaved(posts[post], post)
            if timezone.now() < posts[post].submission.deadline_at:
                time.sleep(TICK_SECONDS)
                continue
        del posts[post]
    return taken


def _take(item: PreparedSubmission, post: "Future[Task]") -> EngineError | None:
    try:
        task = post.result()
    except EngineError as error:
        _not_accepted(item, error)
        return error
    _accepted(item, task)
    return None


def _log_unsaved(item: PreparedSubmission, post: "Future[Task]") -> None:
    """It is money: the id must be findable even when the database does not take it."""
    if not connection.in_atomic_block:
        connection.close()  # it may be the broken one; the next try opens another
    task_id = "" if post.exception() else post.result().upstream_task_id
    logger.exception("answer not saved: %s, Kling task id %r", item.generation, task_id)


def _accepted(item: PreparedSubmission, task: Task) -> None:
    with transaction.atomic():
        _note(
            item, Submission.Outcome.ACCEPTED, task.response, upstream_task_id=task.upstream_task_id
        )
        moved = item.generation.mark_running(item.submission, task.upstream_task_id, first_poll())
        UpstreamGate.clear()
    if not moved:
        logger.error("a late answer: %s is Kling task %r", item.generation, task.upstream_task_id)


def _not_accepted(item: PreparedSubmission, error: EngineError) -> None:
    answer = error.response or str(error)
    facts = {"http_status": error.http_status, "code": error.code[:60]}
    generation, submission = item.generation, item.submission
    with transaction.atomic():
        match error:
            case RequestRefused(kind="input") if _may_be_there(item):
                _note(item, Submission.Outcome.REFUSED, answer, **facts)
                generation.mark_unconfirmed(submission, TransitionReason.REFUSED)
                UpstreamGate.clear()
            case RequestRefused():
                _note(item, Submission.Outcome.REFUSED, answer, **facts)
                failure = Failure(error.kind)
                generation.mark_refused(submission, failure, error.message)
                UpstreamGate.clear()
            case NotSent():
                _note(item, Submission.Outcome.POSTPONED, answer, **facts)
                generation.mark_postponed(submission, TransitionReason.NOT_REACHED)
                UpstreamGate.wait(_backoff(None), is_busy=False)
            case SlowDown() if not _too_often(item, error):
                _note(item, Submission.Outcome.POSTPONED, answer, **facts)
                generation.mark_postponed(submission, TransitionReason.BUSY)
                _slow_down(error)
            case OnHold():
                _note(item, Submission.Outcome.POSTPONED, answer, **facts)
                generation.mark_postponed(submission, TransitionReason.HELD)
                UpstreamGate.hold(error.reason, answer, gap_seconds=settings.HOLD_RETRY_SECONDS)
            case _:
                _note(item, Submission.Outcome.UNANSWERED, answer, **facts)
                generation.mark_unconfirmed(submission, TransitionReason.NO_ANSWER)
                if UpstreamGate.count_unanswered() >= UNANSWERED_BECOMES_HOLD:
                    # A wrong address answers like this too, and every further try may cost.
                    UpstreamGate.hold(UpstreamGate.HoldReason.UNREACHED, answer,
                              gap_seconds=settings.HOLD_RETRY_SECONDS)  # fmt: skip


def _note(item: PreparedSubmission, outcome: Submission.Outcome, answer: str, **facts: Any) -> None:
    Submission.objects.filter(pk=item.submission.pk).update(
        outcome=outcome, answered_at=timezone.now(), response=answer[:4000], **facts
    )


def _too_often(item: PreparedSubmission, error: SlowDown) -> bool:
    """Some answers may be taken for "try again" only so often; then nobody knows any more."""
    if error.max_attempts is None:
        return False
    same = item.generation.submissions.filter(code=error.code)
    return same.count() >= error.max_attempts


def _may_be_there(item: PreparedSubmission) -> bool:
    """A second submit under the same name is refused where the first was accepted (notes 2.3)."""
    unknown = (Submission.Outcome.SENT, Submission.Outcome.UNANSWERED)
    before = item.generation.submissions.filter(attempt__lt=item.submission.attempt)
    return bool(settings.UPSTREAM_LOOKUP) and before.filter(outcome__in=unknown).exists()


def _slow_down(error: SlowDown) -> None:
    UpstreamGate.shrink(Generation.objects.images_in_flight())
    if error.wait_seconds is not None:
        UpstreamGate.stay_silent(error.wait_seconds)
    UpstreamGate.wait(_backoff(error.wait_seconds))
    gate = UpstreamGate.now()
    busy_for = timezone.now() - (gate.busy_since or timezone.now())
    if not error.reason_known and busy_for > BUSY_BECOMES_HOLD:
        UpstreamGate.hold(
            UpstreamGate.HoldReason.BUSY, error.response, gap_seconds=settings.HOLD_RETRY_SECONDS
        )


def _backoff(asked_seconds: float | None) -> float:
    """Doubled for each refusal in a row, at most a minute, never less than was asked for."""
    doubled = settings.BUSY_RETRY_SECONDS * 2.0 ** min(UpstreamGate.now().refusals_in_a_row, 6)
    doubled = min(doubled, MAX_WAIT_SECONDS)
    return max(doubled * random.uniform(0.8, 1.2), asked_seconds or 0)
