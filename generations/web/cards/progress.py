"""How far an unfinished generation is: its queue position, what it waits for, how long it takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from generations.estimates import Estimate, queue_estimates
from generations.models import Generation, Member, Status, UpstreamGate, durations

from .messages import Wait

ESTIMATE_STEP_SECONDS = 30  # how often the estimate of a slow generation changes
MAX_QUEUE_POSITIONS = 500  # later positions are not shown


@dataclass(frozen=True)
class Progress:
    position: int | None = None  # in the queue, from 1
    wait: Wait = Wait.LIMIT  # why it does not start; for queued generations
    until: datetime | None = None  # the end of the wait, where it is known
    estimate: Estimate | None = None  # from now when queued, else from the submit


def progress_of(rows: Sequence[Generation], gate: UpstreamGate | None) -> list[Progress]:
    """Return the progress of each row; reads the queue once."""
    is_any_queued = any(row.status == Status.QUEUED for row in rows)
    positions = _positions() if is_any_queued else {}
    in_doubt = _members_in_doubt() if is_any_queued else {}
    general = _wait(gate)
    return [
        _queued_progress(row, positions.get(row.pk), in_doubt.get(row.owner_id), *general)
        if row.status == Status.QUEUED
        else Progress(estimate=_running_estimate(row))
        for row in rows
    ]


def _queued_progress(
    row: Generation,
    position: int | None,
    owner_until: datetime | None,
    wait: Wait,
    until: datetime | None,
) -> Progress:
    now = timezone.now()
    if wait in (Wait.LIMIT, Wait.BUSY):
        if row.submit_not_before and row.submit_not_before > (until or now):
            wait, until = Wait.OWN, row.submit_not_before
        if owner_until and owner_until > (until or now):
            wait, until = Wait.IN_DOUBT, owner_until
    estimate = _queue_estimate(row) if wait == Wait.LIMIT else None
    return Progress(position, wait, until, estimate)


def stamp_of(row: Generation, progress: Progress) -> str:
    """Return a value that changes whenever the card does.

    `version` alone misses the queue position and the estimate.
    """
    parts = [str(row.version)]
    if row.status == Status.QUEUED:
        parts += [str(progress.position or 0), progress.wait.value or "open"]
        if progress.until:
            parts.append(str(int(progress.until.timestamp())))
    if progress.estimate:
        parts += [str(progress.estimate.low), str(progress.estimate.high)]
    return "-".join(parts)


def seconds_since_submit(row: Generation) -> int:
    since = row.submitted_at or row.status_at
    return max(0, int((timezone.now() - since).total_seconds()))


def current_gate() -> UpstreamGate | None:
    """Return the gate's row, or None before the first request; pages never create it."""
    return UpstreamGate.current_or_none()


def _positions() -> dict[int, int]:
    queued = Generation.objects.in_queue_order().values_list("pk", flat=True)
    return {pk: position for position, pk in enumerate(queued[:MAX_QUEUE_POSITIONS], start=1)}


def _members_in_doubt() -> dict[int, datetime]:
    """Members whose queued requests wait, and until when: few or none."""
    rows = Member.objects.filter(submit_not_before__gt=timezone.now())
    return {pk: until for pk, until in rows.values_list("pk", "submit_not_before") if until}


def _wait(gate: UpstreamGate | None) -> tuple[Wait, datetime | None]:
    """What all queued generations wait for, and until when."""
    if gate is None:
        return Wait.LIMIT, None
    if gate.is_paused:
        return Wait.PAUSED, None
    if gate.is_held:
        return Wait.HELD, None
    until = gate.waits_until
    return (Wait.BUSY, until) if until else (Wait.LIMIT, None)


def _queue_estimate(row: Generation) -> Estimate | None:
    return Estimate.of(queue_estimates().get(row.pk))


def _running_estimate(row: Generation) -> Estimate | None:
    if row.status not in (Status.SUBMITTING, Status.RUNNING) or row.is_lost:
        return None
    stats, age = durations.stats_for(row), seconds_since_submit(row)
    # One range for all up to the 90th percentile; a new one in steps after that.
    age = age // ESTIMATE_STEP_SECONDS * ESTIMATE_STEP_SECONDS if age > stats.p90 else 0
    left = stats.left(age)
    return Estimate.of(durations.Range(left.low + age, left.high + age)) if left else None
