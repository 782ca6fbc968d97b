"""The submit loop: sends the paid POST of each queued row, and records the response.

A row is `submitting`, durably, before its POST is sent.
"""

import logging
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from generations.engines.base import (
    Engine,
    EngineError,
    FailureKind,
    NotSent,
    OnHold,
    RequestRefused,
    SlowDown,
    Task,
    TaskNotFound,
    Unanswered,
)
from generations.models import (
    Failure,
    Generation,
    ReportSource,
    Status,
    Submission,
    TransitionReason,
    UpstreamGate,
    is_dead,
)

from . import dispatch
from .dispatch import PreparedSubmission
from .lease import LeasedLoop
from .poll_schedule import first_poll
from .upstream import make_client

logger = logging.getLogger(__name__)

LOOP_SECONDS = 45.0  # of sending; the last responses may take a whole deadline longer
TIMEOUT_SECONDS = int(LOOP_SECONDS + settings.SUBMIT_DEADLINE_SECONDS + 30)
RESPONSE_WAIT_SECONDS = 0.1
OPENS_SOON_SECONDS = 10.0
MAX_RESPONSE_CHARACTERS = 4000
UNKNOWN_TASK_ID = "klingweb-connection-test"  # a query for it costs nothing

PendingPosts = dict[Future[Task], PreparedSubmission]


def has_work() -> bool:
    """Whether rows can be submitted, or a hold can be tested, now or soon.

    After a longer wait the heartbeat starts the loop.
    """
    return dispatch.opens_soon(OPENS_SOON_SECONDS) and (
        _is_anything_queued()
        or UpstreamGate.for_engine().hold_reason in UpstreamGate.REASONS_ENDED_BY_QUERIES
    )


def _is_anything_queued() -> bool:
    return Generation.objects.for_engine().filter(status=Status.QUEUED).exists()


def run(loop: LeasedLoop) -> None:
    """Submit queued rows until the loop's time or the queue ends; then wait for the responses.

    The number of POSTs at once starts at one and doubles with each readable response: with a wrong
    URL every POST may be charged, and none is answered.
    """
    posts: PendingPosts = {}
    window = 1
    with (
        closing(make_client()) as client,
        ThreadPoolExecutor(settings.SUBMIT_THREADS, "submit") as pool,
    ):
        if not _passes_free_query(client):
            return
        try:
            while loop.should_continue() and (posts or has_work()):
                for item in dispatch.claim_next(window - len(posts)):
                    posts[pool.submit(client.submit, item.request)] = item
                    time.sleep(settings.SUBMIT_GAP_SECONDS)
                loop.renew()
                outcomes = _record_responses(posts)
                for error in outcomes:
                    window = _next_window(window, error)
                if outcomes:
                    loop.wake_up("poll")
        finally:
            # Also after an error (no database, a task timeout): each POST may have been charged,
            # so its response is still recorded.
            had_posts = bool(posts)
            while posts:
                _record_responses(posts)
    if had_posts:
        loop.wake_up("poll")


def _passes_free_query(client: Engine) -> bool:
    """Test a hold with a query, where a query can show the problem, before a POST is risked.

    With an empty queue a good response ends the hold; otherwise one row tests it.
    """
    gate = UpstreamGate.for_engine()
    if gate.hold_reason not in gate.REASONS_TESTED_BY_QUERIES or not dispatch.opens_soon():
        return True
    try:
        client.task(UNKNOWN_TASK_ID)
    except TaskNotFound:
        pass
    except EngineError as error:
        logger.warning("The hold continues: %s", error)
        gate.probe()
        return False
    if not _is_anything_queued():
        gate.report(None, source=ReportSource.POLL)
    return True


def _next_window(window: int, error: EngineError | None) -> int:
    """Return how many POSTs may be pending after this outcome."""
    match error:
        case None | RequestRefused():
            return min(window * 2, settings.SUBMIT_THREADS)
        case NotSent() | SlowDown() | OnHold():
            return window
        case _:
            return 1


def sweep() -> None:
    """T6: mark rows unconfirmed whose sender is dead or whose deadline has passed.

    A response that arrives later still counts.
    """
    UpstreamGate.for_engine().clamp_to_clock()
    sent = Submission.objects.filter(
        outcome=Submission.Outcome.SENT, generation__status=Status.SUBMITTING
    ).select_related("generation")
    now = timezone.now()
    for submission in sent:
        if submission.deadline_at < now or is_dead(submission.holder):
            submission.generation.mark_unconfirmed(submission, TransitionReason.WORKER_DIED)


def _record_responses(posts: PendingPosts) -> list[EngineError | None]:
    """Wait a moment for responses and record them; return their errors, None for a success.

    A response that cannot be saved is retried until its deadline. Then the sweep marks the row
    unconfirmed, and it is never submitted again automatically.
    """
    if not posts:
        time.sleep(RESPONSE_WAIT_SECONDS)
        return []
    done, _pending = wait(posts, RESPONSE_WAIT_SECONDS, FIRST_COMPLETED)
    outcomes: list[EngineError | None] = []
    for post in done:
        try:
            outcomes.append(_record_response(posts[post], post))
        except Exception:
            _log_unsaved(posts[post], post)
            if timezone.now() < posts[post].submission.deadline_at:
                time.sleep(RESPONSE_WAIT_SECONDS)
                continue
        del posts[post]
    return outcomes


def _record_response(item: PreparedSubmission, post: "Future[Task]") -> EngineError | None:
    try:
        task = post.result()
    except EngineError as error:
        _record_error(item, error)
        return error
    _record_task(item, task)
    return None


def _log_unsaved(item: PreparedSubmission, post: "Future[Task]") -> None:
    """Log the task id: it is the only trace of a charge while the database refuses it."""
    if not connection.in_atomic_block:
        connection.close()  # it may be broken; the next attempt opens another
    task_id = "" if post.exception() else post.result().upstream_task_id
    logger.exception("Response not saved: %s, Kling task id %r", item.generation, task_id)


def _record_task(item: PreparedSubmission, task: Task) -> None:
    with transaction.atomic():
        _record_outcome(
            item,
            Submission.Outcome.ACCEPTED,
            task.response,
            upstream_task_id=task.upstream_task_id,
        )
        is_running = item.generation.mark_running(
            item.submission, task.upstream_task_id, first_poll()
        )
        UpstreamGate.for_engine().report(None, source=ReportSource.SUBMIT)
    if not is_running:
        logger.error("Late response: %s is Kling task %r", item.generation, task.upstream_task_id)


def _record_error(item: PreparedSubmission, error: EngineError) -> None:
    if isinstance(error, SlowDown) and _exceeds_max_attempts(item, error):
        error = Unanswered(error.message, error.http_status, error.code, error.response)
    response = error.response or str(error)
    details = {"http_status": error.http_status, "code": error.code[:60]}
    generation, submission = item.generation, item.submission
    with transaction.atomic():
        match error:
            case RequestRefused(kind=FailureKind.INPUT) if _may_already_exist(item):
                _record_outcome(item, Submission.Outcome.REFUSED, response, **details)
                generation.mark_unconfirmed(submission, TransitionReason.REFUSED)
            case RequestRefused():
                _record_outcome(item, Submission.Outcome.REFUSED, response, **details)
                generation.mark_refused(submission, Failure(error.kind), error.message)
            case NotSent():
                _record_outcome(item, Submission.Outcome.POSTPONED, response, **details)
                generation.mark_postponed(submission, TransitionReason.NOT_REACHED)
            case SlowDown():
                _record_outcome(item, Submission.Outcome.POSTPONED, response, **details)
                generation.mark_postponed(submission, TransitionReason.BUSY)
            case OnHold():
                _record_outcome(item, Submission.Outcome.POSTPONED, response, **details)
                generation.mark_postponed(submission, TransitionReason.HELD)
            case _:
                _record_outcome(item, Submission.Outcome.UNANSWERED, response, **details)
                generation.mark_unconfirmed(submission, TransitionReason.NO_ANSWER)
        in_flight = Generation.objects.images_in_flight() if isinstance(error, SlowDown) else 0
        UpstreamGate.for_engine().report(
            error, source=ReportSource.SUBMIT, images_in_flight=in_flight
        )


def _record_outcome(
    item: PreparedSubmission, outcome: Submission.Outcome, response: str, **details: Any
) -> None:
    Submission.objects.filter(pk=item.submission.pk).update(
        outcome=outcome,
        answered_at=timezone.now(),
        response=response[:MAX_RESPONSE_CHARACTERS],
        **details,
    )


def _exceeds_max_attempts(item: PreparedSubmission, error: SlowDown) -> bool:
    """Some responses mean "try again" only a few times; after that the result is unknown."""
    if error.max_attempts is None:
        return False
    same = item.generation.submissions.filter(code=error.code)
    return same.count() >= error.max_attempts


def _may_already_exist(item: PreparedSubmission) -> bool:
    """Whether an earlier attempt may have been accepted.

    Its external id is the same, so the upstream refuses a second submit (notes 2.3).
    """
    unknown = (Submission.Outcome.SENT, Submission.Outcome.UNANSWERED)
    earlier = item.generation.submissions.filter(attempt__lt=item.submission.attempt)
    return bool(settings.UPSTREAM_LOOKUP) and earlier.filter(outcome__in=unknown).exists()
