"""How far an unfinished generation is: its queue position, what it waits for, how long it takes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from generations.engines.registry import offer_for
from generations.estimates import Estimate, queue_estimates
from generations.models import (
    DEFAULT_ENGINE,
    Batch,
    Generation,
    Lease,
    Member,
    Picture,
    Status,
    UpstreamGate,
    durations,
)
from generations.offered_models import offered_models
from generations.web.health import is_alive

from .messages import Wait

ESTIMATE_STEP_SECONDS = 30  # how often the estimate of a slow generation changes
MAX_QUEUE_POSITIONS = 500  # later positions are not shown


@dataclass(frozen=True)
class Progress:
    position: int | None = None  # in the queue, from 1
    wait: Wait = Wait.LIMIT  # why it does not start; for queued generations
    until: datetime | None = None  # the end of the wait, where it is known; or of the next download
    estimate: Estimate | None = None  # from now when queued, else from the submit
    hold_reason: str = ""  # of an engine whose hold the banner does not show


def progress_of(rows: Sequence[Generation], gate: UpstreamGate | None) -> list[Progress]:
    """Return the progress of each row; reads the queue of each engine once.

    `gate` is that of the default engine.
    """
    queued: dict[str, list[Generation]] = {}
    for row in rows:
        if row.status == Status.QUEUED:
            queued.setdefault(row.engine, []).append(row)
    queues = {engine: Queue.of(engine, some, gate) for engine, some in queued.items()}
    in_doubt = _members_in_doubt() if queued else {}
    paused, next_downloads = _paused_batches(rows), _next_downloads(rows)
    return [
        Progress(estimate=_running_estimate(row), until=next_downloads.get(row.pk))
        if row.status != Status.QUEUED
        else Progress(wait=Wait.BATCH)
        if row.batch_id in paused
        else _queued_progress(row, queues[row.engine], in_doubt.get(row.owner_id))
        for row in rows
    ]


@dataclass(frozen=True)
class Queue:
    """The queue of one engine, as all its rows see it."""

    positions: dict[int, int]  # by primary key, from 1
    room: float  # how many more images may be in progress
    wait: Wait
    until: datetime | None
    hold_reason: str = ""  # not of the default engine, whose hold is in the banner

    @classmethod
    def of(
        cls, engine: str, queued: Sequence[Generation], default_gate: UpstreamGate | None
    ) -> "Queue":
        is_default = engine == DEFAULT_ENGINE
        gate = default_gate if is_default else UpstreamGate.current_or_none(engine)
        is_paused = default_gate is not None and default_gate.is_paused  # for all engines
        wait = (Wait.PAUSED, None) if is_paused else _wait(gate)
        positions = _positions(engine)
        is_other_hold = wait[0] == Wait.HELD and not is_default and gate is not None
        reason = gate.hold_reason if gate and is_other_hold else ""
        return cls(positions, _room(engine, queued, positions, gate), *wait, reason)


def _paused_batches(rows: Sequence[Generation]) -> set[int | None]:
    """Those of the batches of these queued rows that are paused."""
    of_queued = {row.batch_id for row in rows if row.batch_id and row.status == Status.QUEUED}
    if not of_queued:
        return set()
    paused = Batch.objects.filter(pk__in=of_queued, paused_at__isnull=False)
    return set(paused.values_list("pk", flat=True))


def _next_downloads(rows: Sequence[Generation]) -> dict[int, datetime]:
    """When those of these rows download again of which every remaining file has failed before."""
    fetching = [row.pk for row in rows if row.status == Status.FETCHING]
    if not fetching:
        return {}
    wanted = Picture.objects.filter(generation__in=fetching, state=Picture.State.WANTED)
    times: dict[int, list[datetime | None]] = {}
    for pk, tries, holder, at in wanted.values_list(
        "generation_id", "tries", "claimed_by", "next_try_at"
    ):
        is_waiting = tries and not holder and at and at > timezone.now()
        times.setdefault(pk, []).append(at if is_waiting else None)
    return {pk: min(filter(None, each)) for pk, each in times.items() if all(each)}


def _queued_progress(row: Generation, queue: Queue, owner_until: datetime | None) -> Progress:
    now, position = timezone.now(), queue.positions.get(row.pk)
    wait, until = queue.wait, queue.until
    if wait in (Wait.LIMIT, Wait.BUSY):
        if row.submit_not_before and row.submit_not_before > (until or now):
            wait, until = Wait.OWN, row.submit_not_before
        if owner_until and owner_until > (until or now):
            wait, until = Wait.IN_DOUBT, owner_until
    # Each one ahead has one image at least.
    if wait == Wait.LIMIT and position and position - 1 + row.n <= queue.room:
        wait = Wait.SOON
    estimate = _queue_estimate(row, wait) if wait in (Wait.LIMIT, Wait.SOON) else None
    hold_reason = queue.hold_reason if wait == Wait.HELD else ""
    return Progress(position, wait, until, estimate, hold_reason)


def stamp_of(row: Generation, progress: Progress) -> str:
    """Return a value that changes whenever the card does.

    `version` alone misses the queue position and the estimate.
    """
    parts = [str(row.version)]
    if row.status == Status.QUEUED:
        parts += [str(progress.position or 0), progress.wait.value or "open"]
        parts += [progress.hold_reason] if progress.hold_reason else []
    if progress.until:
        parts.append(str(int(progress.until.timestamp())))
    if row.is_late and row.poll_failures:
        parts.append("unanswered")
    if progress.estimate:
        parts += [str(progress.estimate.low), str(progress.estimate.high)]
    return "-".join(parts)


def seconds_since_submit(row: Generation) -> int:
    since = row.submitted_at or row.status_at
    return max(0, int((timezone.now() - since).total_seconds()))


def current_gate() -> UpstreamGate | None:
    """Return the gate's row, or None before the first request; pages never create it.

    It knows which other engines that the team offers are on hold.
    """
    return UpstreamGate.with_others({offer.engine for offer in offered_models()})


def _positions(engine: str) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(*_queue_sql(settings.UPSTREAM_MODE, engine))
        return {pk: position for position, (pk, *_) in enumerate(cursor.fetchall(), start=1)}


@cache
def _queue_sql(upstream: str, engine: str) -> tuple[str, tuple[Any, ...]]:
    """The query of the queue of an engine. Nothing in it changes: compiled once."""
    queued = Generation.objects.in_queue_order(engine).values_list("pk", flat=True)
    return queued[:MAX_QUEUE_POSITIONS].query.sql_with_params()


def _members_in_doubt() -> dict[int, datetime]:
    """Members whose queued requests wait, and until when: few or none."""
    rows = Member.objects.filter(submit_not_before__gt=timezone.now())
    return {pk: until for pk, until in rows.values_list("pk", "submit_not_before") if until}


def _room(
    engine: str,
    queued: Sequence[Generation],
    positions: Mapping[int, int],
    gate: UpstreamGate | None,
) -> float:
    """How many more images may be in progress now; 0 if these rows wait longer in any case."""
    limit = (gate or UpstreamGate()).current_limit or math.inf
    needed = [positions[row.pk] - 1 + row.n for row in queued if row.pk in positions]
    if min(needed, default=math.inf) > limit:
        return 0
    return limit - Generation.objects.images_in_flight(engine) if limit < math.inf else limit


def _wait(gate: UpstreamGate | None) -> tuple[Wait, datetime | None]:
    """What all queued generations wait for, and until when."""
    heartbeat_at = Lease.last_heartbeat("worker")
    if heartbeat_at and not is_alive(heartbeat_at):  # without one it has never run
        return Wait.STOPPED, None
    if gate is None:
        return Wait.LIMIT, None
    if gate.is_paused:
        return Wait.PAUSED, None
    if gate.is_held:
        return Wait.HELD, None
    until = gate.waits_until
    return (Wait.BUSY, until) if until else (Wait.LIMIT, None)


def _queue_estimate(row: Generation, wait: Wait) -> Estimate | None:
    estimate = Estimate.of(queue_estimates(row.engine).get(row.pk))
    is_unknown = wait == Wait.SOON and not durations.stats_for(row).is_known
    return _usual(row) if estimate is None and is_unknown else estimate


def _usual(row: Generation) -> Estimate:
    """What the engine usually takes, until enough generations of this install are known."""
    return Estimate(*offer_for(row.engine, row.model).usual_seconds)


def _running_estimate(row: Generation) -> Estimate | None:
    if row.status not in (Status.SUBMITTING, Status.RUNNING) or row.is_lost or row.is_key_missing:
        return None
    stats, age = durations.stats_for(row), seconds_since_submit(row)
    if not stats.is_known:
        usual = _usual(row)
        return usual if age < usual.high else None
    # One range for all up to the 90th percentile; a new one in steps after that.
    age = age // ESTIMATE_STEP_SECONDS * ESTIMATE_STEP_SECONDS if age > stats.p90 else 0
    left = stats.left(age)
    return Estimate.of(durations.Range(left.low + age, left.high + age)) if left else None
