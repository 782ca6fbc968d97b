"""What the outcome of each submit does to its row, its owner and the upstream gate."""

import logging
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from generations.engines.base import (
    BusyReason,
    EngineError,
    FailureKind,
    NotSent,
    OnHold,
    RequestRefused,
    SlowDown,
    Task,
    Unanswered,
)
from generations.models import (
    Failure,
    Generation,
    Member,
    SentRequest,
    Submission,
    TaskTaken,
    TransitionReason,
    UpstreamGate,
)
from generations.models.lookups import can_look_up

from . import received
from .dispatch import PreparedSubmission, sent_in_slot_of
from .poll_schedule import first_poll
from .received import Received

logger = logging.getLogger(__name__)

Answer = Task | Received

MAX_RESPONSE_CHARACTERS = 4000
MIN_POSTPONEMENTS = 4  # before a request fails as too busy, however long it has waited
MAX_DOUBLINGS_WHEN_FULL = 3
MAX_UNANSWERED = 3  # of one member in a row; then their later requests wait
MAX_MEMBER_WAIT = timedelta(minutes=15)


def record_outcome(item: PreparedSubmission, post: "Future[Answer]") -> EngineError | None:
    """Record a finished POST. Return its error; None for a success."""
    failure: EngineError | None = None
    try:
        answer = post.result()
        if isinstance(answer, Received):
            _record_received(item, answer)
        else:
            _record_task(item, answer)
    except EngineError as error:
        _record_error(item, error)
        failure = error
    received.end(item.request.answer_file, failure)
    return failure


def log_unsaved(item: PreparedSubmission, post: "Future[Answer]") -> None:
    """Log the task id: it is the only trace of a charge while the database refuses it."""
    if not connection.in_atomic_block:
        connection.close()  # it may be broken; the next attempt opens another
    answer = None if post.exception() else post.result()
    task_id = answer.upstream_task_id if isinstance(answer, Task) else ""
    logger.exception("Response not saved: %s, task id %r", item.generation, task_id)


def _record_task(item: PreparedSubmission, task: Task) -> None:
    """T2. Raises Unanswered for the task id of another generation, which would show its images."""
    generation, submission = item.generation, item.submission
    try:
        with transaction.atomic():
            generation.claim_task_id(task.upstream_task_id)
            _record_submission(
                item,
                Submission.Outcome.ACCEPTED,
                task.response,
                upstream_task_id=task.upstream_task_id,
            )
            is_running = generation.mark_running(submission, task.upstream_task_id, first_poll())
            _gate(item).report_submit(None, _sent(item))
            _reset_unanswered(generation.owner_id)
    except TaskTaken as taken:
        logger.error("%s: %s", generation, taken)
        code = TransitionReason.TASK_ID_TAKEN
        raise Unanswered(str(taken), code=code, response=task.response) from taken
    if not is_running:
        logger.error("Late response: %s is task %r", generation, task.upstream_task_id)


def _record_received(item: PreparedSubmission, answer: Received) -> None:
    """T15."""
    generation, submission = item.generation, item.submission
    with transaction.atomic():
        _gate(item).report_submit(None, _sent(item))
        is_recorded = received.record(generation, submission, answer)
        _reset_unanswered(generation.owner_id)
    if not is_recorded:
        logger.error("Late response: %s has ended, or was recorded before", generation)
        answer.discard(generation.pk)


def _record_error(item: PreparedSubmission, error: EngineError) -> None:
    if isinstance(error, SlowDown) and _exceeds_max_attempts(item, error):
        error = Unanswered(error.message, error.http_status, error.code, error.response)
    generation, submission = item.generation, item.submission
    with transaction.atomic():
        sent, gate = _sent(item), _gate(item)
        if isinstance(error, SlowDown) and not _were_others_accepted(
            gate, generation.postponed_since
        ):
            in_flight = Generation.objects.images_in_flight(
                gate.engine, sent_with=sent_in_slot_of(gate)
            )
            sent = replace(sent, images_in_flight=in_flight)
        if isinstance(error, OnHold) and _were_others_accepted(gate, _held_at(item)):
            # Others were accepted meanwhile, so this says nothing about the key.
            _record_response(item, Submission.Outcome.REFUSED, error)
            reason = TransitionReason.AT_FAULT
            generation.mark_refused(submission, Failure.REFUSED, error.message, reason)
            return
        gate.report_submit(error, sent)
        match error:
            case RequestRefused(kind=FailureKind.INPUT) if _may_already_exist(item):
                _record_response(item, Submission.Outcome.REFUSED, error)
                generation.mark_unconfirmed(submission, TransitionReason.REFUSED)
            case RequestRefused():
                _record_response(item, Submission.Outcome.REFUSED, error)
                generation.mark_refused(submission, Failure(error.kind), error.message)
                _reset_unanswered(generation.owner_id)
            case NotSent():
                _record_response(item, Submission.Outcome.POSTPONED, error)
                generation.mark_postponed(submission, TransitionReason.NOT_REACHED)
            case SlowDown():
                _record_busy(item, error, is_own=not _is_general(gate, error, sent))
            case OnHold():
                _record_response(item, Submission.Outcome.POSTPONED, error)
                held_at = timezone.now()
                generation.mark_postponed(submission, TransitionReason.HELD, held_at=held_at)
            case _:
                _record_response(item, Submission.Outcome.UNANSWERED, error)
                is_taken = error.code == TransitionReason.TASK_ID_TAKEN
                reason = TransitionReason.TASK_ID_TAKEN if is_taken else TransitionReason.NO_ANSWER
                generation.mark_unconfirmed(submission, reason)
                _count_unanswered(generation.owner_id)


def take_back(item: PreparedSubmission, reason: TransitionReason) -> None:
    """T4 of a claimed row that was certainly not sent."""
    with transaction.atomic():
        _record_submission(item, Submission.Outcome.POSTPONED, str(reason.label))
        item.generation.mark_postponed(item.submission, reason)


def _gate(item: PreparedSubmission) -> UpstreamGate:
    """The gate of the key that it was sent with, which may have been replaced meanwhile."""
    return UpstreamGate.for_key(item.submission.api_key_id, item.generation.engine)


def _held_at(item: PreparedSubmission) -> datetime | None:
    """When this request put the same key on hold; another key's hold says nothing about it."""
    held_at = item.generation.held_at
    if held_at is None:
        return None
    before = item.generation.submissions.filter(attempt__lt=item.submission.attempt)
    last = before.order_by("attempt").last()
    is_same = last is not None and last.api_key_id == item.submission.api_key_id
    return held_at if is_same else None


def _sent(item: PreparedSubmission) -> SentRequest:
    generation = item.generation
    return SentRequest(generation.pk, generation.owner_id, item.submission.sent_at)


def _were_others_accepted(gate: UpstreamGate, refused_at: datetime | None) -> bool:
    """Whether requests that were sent after this refusal were accepted: then it is not about all.

    The request is then at fault itself, and says nothing about the key or the limit.
    """
    return refused_at is not None and gate.answered_at is not None and gate.answered_at > refused_at


# --- busy ----------------------------------------------------------------------------------------


def _is_general(gate: UpstreamGate, error: SlowDown, sent: SentRequest) -> bool:
    """Whether the cause of a refusal for now is not this request alone."""
    is_full = error.reason is BusyReason.CONCURRENCY and sent.images_in_flight > 0
    return is_full or gate.is_busy


def _record_busy(item: PreparedSubmission, error: SlowDown, *, is_own: bool) -> None:
    """T4 with a wait of the row's own; T3 for a row that alone has been refused for too long."""
    generation, submission = item.generation, item.submission
    if is_own and _has_waited_too_long(generation):
        _record_response(item, Submission.Outcome.REFUSED, error)
        is_missing = error.reason is BusyReason.NO_CHANNEL
        failure = Failure.OURS if is_missing else Failure.BUSY
        generation.mark_refused(submission, failure, error.message, TransitionReason.TOO_BUSY)
        return
    _record_response(item, Submission.Outcome.POSTPONED, error)
    reason = TransitionReason.BUSY
    if error.reason is BusyReason.NO_CHANNEL:
        reason = TransitionReason.NO_CHANNEL
    refusals = generation.postponements if is_own else 0
    if error.reason is BusyReason.CONCURRENCY:
        refusals = min(refusals, MAX_DOUBLINGS_WHEN_FULL)  # room may come at any time
    seconds = UpstreamGate.backoff_after(refusals)
    generation.mark_postponed(submission, reason, seconds=seconds, is_own=is_own)


def _has_waited_too_long(generation: Generation) -> bool:
    since = generation.postponed_since
    longest = timedelta(seconds=settings.BUSY_FAILS_AFTER_SECONDS)
    is_over = since is not None and timezone.now() - since > longest
    return is_over and generation.postponements >= MIN_POSTPONEMENTS


def _exceeds_max_attempts(item: PreparedSubmission, error: SlowDown) -> bool:
    """Some responses mean "try again" only a few times; after that the result is unknown."""
    if error.max_attempts is None:
        return False
    same = item.generation.submissions.filter(code=error.code)
    return same.count() >= error.max_attempts


# --- holds and unanswered submits ----------------------------------------------------------------


def _count_unanswered(owner_id: int) -> None:
    """After several in a row, let this member's other requests wait: each may be charged."""
    owner = Member.objects.select_for_update().get(pk=owner_id)
    count = owner.unanswered_in_a_row + 1
    until = None
    if count >= MAX_UNANSWERED:
        gap = timedelta(seconds=settings.HOLD_RETRY_SECONDS * 2.0 ** (count - MAX_UNANSWERED))
        until = timezone.now() + min(gap, MAX_MEMBER_WAIT)
    Member.objects.filter(pk=owner_id).update(unanswered_in_a_row=count, submit_not_before=until)


def _reset_unanswered(owner_id: int) -> None:
    in_doubt = Member.objects.filter(pk=owner_id, unanswered_in_a_row__gt=0)
    in_doubt.update(unanswered_in_a_row=0, submit_not_before=None)


def _may_already_exist(item: PreparedSubmission) -> bool:
    """Whether an earlier attempt may have been accepted.

    Its external id is the same, so the upstream refuses a second submit (notes 2.3).
    """
    unknown = (Submission.Outcome.SENT, Submission.Outcome.UNANSWERED)
    earlier = item.generation.submissions.filter(attempt__lt=item.submission.attempt)
    return can_look_up(item.generation.engine) and earlier.filter(outcome__in=unknown).exists()


# --- the submission's row ------------------------------------------------------------------------


def _record_response(
    item: PreparedSubmission, outcome: Submission.Outcome, error: EngineError
) -> None:
    _record_submission(
        item,
        outcome,
        error.response or str(error),
        http_status=error.http_status,
        code=error.code[:60],
    )


def _record_submission(
    item: PreparedSubmission, outcome: Submission.Outcome, response: str, **details: Any
) -> None:
    Submission.objects.filter(pk=item.submission.pk).update(
        outcome=outcome,
        answered_at=timezone.now(),
        response=response[:MAX_RESPONSE_CHARACTERS],
        **details,
    )
