"""Chooses the queued rows to submit next, and claims them."""

import base64
import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from generations import callbacks
from generations.engines.base import ImageRequest
from generations.engines.registry import ENGINES
from generations.models import (
    ApiKey,
    Batch,
    Failure,
    Generation,
    Member,
    Submission,
    TransitionReason,
    UpstreamGate,
    team_settings,
)
from generations.models.generation import GenerationQuerySet
from generations.models.lookups import can_look_up

from . import received
from .upstream import submit_seconds

logger = logging.getLogger(__name__)

# Added to the deadline of a POST, for the worker's own work around it; then the row is swept.
SWEEP_MARGIN_SECONDS = 45

NEWEST_SUBMISSIONS = 100  # more are not sent within a gap
MAX_PREPARATIONS = 8  # about three minutes, with the waits between them

PreparedRow = tuple[Generation, ImageRequest | str]  # a text: why it cannot be sent


@dataclass(frozen=True)
class PreparedSubmission:
    """A row that is durably `submitting`: exactly one POST may now be sent for it."""

    generation: Generation
    submission: Submission
    request: ImageRequest


def has_candidates(within_seconds: float = 0, gates: Iterable[UpstreamGate] | None = None) -> bool:
    """Whether a queued request may be submitted within this time, as far as the gate decides.

    `gates` as in `claim_next`.
    """
    at = timezone.now() + timedelta(seconds=within_seconds)
    in_turn = UpstreamGate.in_turn() if gates is None else gates
    return any(gate.can_submit(at) and _candidates(gate, at).exists() for gate in in_turn)


def was_sent_within(seconds: float, engine: str) -> bool:
    """Whether the last request to this engine was sent less than this time ago, by any process."""
    since = timezone.now() - timedelta(seconds=seconds)
    newest = Submission.objects.order_by("-pk").values_list("sent_at", "generation__engine")
    return any(sent_at > since and of == engine for sent_at, of in newest[:NEWEST_SUBMISSIONS])


def claim_next(
    limit: int, *, except_owners: Collection[int] = (), gates: Iterable[UpstreamGate] | None = None
) -> list[PreparedSubmission]:
    """Move up to `limit` rows to `submitting`, in queue order, as far as the gate allows.

    `gates` are tried in this order, by default those of the keys in turn. All rows are for the same
    one: see `Submission.api_key`.
    """
    for gate in UpstreamGate.in_turn() if gates is None else gates:
        if claimed := _claim_through(gate, limit, except_owners):
            return claimed
    return []


def _claim_through(
    gate: UpstreamGate, limit: int, except_owners: Collection[int]
) -> list[PreparedSubmission]:
    now = timezone.now()
    if limit <= 0 or not gate.can_submit(now):
        return []
    choice = _choose(_candidates(gate, now).exclude(owner__in=except_owners), gate, limit)
    Generation.objects.mark_waiting_for_room(list(choice.waiting.values()))
    prepared = _prepare_all(choice.rows)
    if not prepared:
        return []
    with transaction.atomic():
        return _claim(prepared, gate.lock())


def _candidates(gate: UpstreamGate, at: datetime) -> GenerationQuerySet:
    queued = Generation.objects.in_queue_order(gate.engine).ready_to_submit(at)
    return queued.filter(gate.may_submit(at))


# --- choosing, by the concurrency limit --------------------------------------------------------


@dataclass
class Room:
    """The room that the concurrency limit leaves, in images."""

    limit: int  # 0: no limit
    in_flight: dict[int, int]  # by the key of the owner

    @classmethod
    def left_by(cls, gate: UpstreamGate) -> Self:
        sent = Generation.objects.images_in_flight_by_owner(gate.engine, sent_in_slot_of(gate))
        return cls(gate.grow(), sent)

    @property
    def free(self) -> int | None:
        """None: no limit."""
        return self.limit - sum(self.in_flight.values()) if self.limit else None

    @property
    def is_empty(self) -> bool:
        return not any(self.in_flight.values())

    @property
    def is_full(self) -> bool:
        return self.free is not None and self.free <= 0 and not self.is_empty

    def fits(self, row: Generation) -> bool:
        """Whether there is room. A request larger than the whole limit runs alone."""
        return self.free is None or row.n <= self.free or self.is_empty

    def take(self, row: Generation) -> None:
        self.in_flight[row.owner_id] = self.in_flight.get(row.owner_id, 0) + row.n

    def is_due(self, row: Generation, members: int) -> bool:
        """Whether its owner has not had their share, so that room is kept for this row."""
        own = self.in_flight.get(row.owner_id, 0)
        return own == 0 or own + row.n <= self.limit / members


@dataclass
class Choice:
    """The rows chosen in one round, and those passed over because they are too large."""

    room: Room
    limit: int
    rows: list[Generation] = field(default_factory=list)
    waiting: dict[int, Generation] = field(default_factory=dict)  # by the key of the owner

    @property
    def is_complete(self) -> bool:
        return len(self.rows) == self.limit

    @property
    def owners(self) -> set[int]:
        return {row.owner_id for row in self.rows}

    def take(self, row: Generation) -> bool:
        """Choose this row if there is room for it."""
        if not self.room.fits(row):
            return False
        self.room.take(row)
        self.rows.append(row)
        return True


def _choose(queue: GenerationQuerySet, gate: UpstreamGate, limit: int) -> Choice:
    """Choose rows that fit the concurrency limit. `_claim` checks again, under the lock.

    A row that does not fit is passed by smaller ones for `ROOM_WAIT_SECONDS`. Then room is kept for
    it: its owner's other rows wait, and those of all if its owner has less than their share.
    """
    choice = Choice(Room.left_by(gate), limit)
    if choice.room.is_full:
        return choice  # saves the query for the queue order, which is slow for a long queue
    queue = queue.select_related("reference")
    kept_for: set[int] = set()
    for row in _overdue(queue):
        if choice.is_complete:
            return choice
        if not choice.take(row):
            kept_for.add(row.owner_id)
            if choice.room.is_due(row, _count_members(queue, choice.room)):
                return choice
    chosen, in_doubt = {row.pk for row in choice.rows}, members_in_doubt()
    for row in _in_turn(queue, limit, choice.room):
        if choice.is_complete:
            break
        is_one_of_theirs_chosen = row.owner_id in in_doubt & choice.owners
        if row.pk in chosen or row.owner_id in kept_for or is_one_of_theirs_chosen:
            continue
        if not choice.take(row):
            choice.waiting.setdefault(row.owner_id, row)
    return choice


def sent_in_slot_of(gate: UpstreamGate) -> Q:
    """Generations that count towards the limit of this gate.

    A key that replaced another one is probably of the same account, whose tasks go on. The reserve
    is of another account.
    """
    slots = dict(ApiKey.objects.values_list("pk", "slot")) if not settings.DEMO else {}
    first = ApiKey.Slot.FIRST
    own = slots.get(gate.api_key_id or 0, first)
    others = [key for key, slot in slots.items() if slot != own]
    if own != first:
        return Q(api_key__in=[key for key, slot in slots.items() if slot == own])
    return Q(api_key=None) | ~Q(api_key__in=others) if others else Q()


def members_in_doubt() -> set[int]:
    """Members whose last request was not answered. They send one at a time: each may be charged."""
    return set(Member.objects.filter(unanswered_in_a_row__gt=0).values_list("pk", flat=True))


def _overdue(queue: GenerationQuerySet) -> GenerationQuerySet:
    """Rows that smaller ones have passed for long enough, the oldest first."""
    since = timezone.now() - timedelta(seconds=settings.ROOM_WAIT_SECONDS)
    return queue.filter(waits_for_room_since__lt=since).order_by("waits_for_room_since", "pk")


def _in_turn(queue: GenerationQuerySet, limit: int, room: Room) -> Iterator[Generation]:
    """The first rows of the queue, and then the first of those that still fit the room."""
    first = list(queue[:limit])
    yield from first
    if len(first) == limit and room.free:
        others = queue.filter(n__lte=room.free).exclude(pk__in=[row.pk for row in first])
        yield from others[:limit]


def _count_members(queue: GenerationQuerySet, room: Room) -> int:
    """How many members share the limit now."""
    queued = queue.order_by().values_list("owner", flat=True).distinct()
    return len({*queued, *(owner for owner, images in room.in_flight.items() if images)})


# --- preparing and claiming --------------------------------------------------------------------


def _prepare_all(generations: list[Generation]) -> list[PreparedRow]:
    """Build the requests before any status changes; a text says why a row cannot be sent.

    A row that raises any other error waits and is tried again a few times, after the others.
    """
    prepared: list[PreparedRow] = []
    for generation in generations:
        try:
            prepared.append((generation, _prepare(generation)))
        except FileNotFoundError:
            prepared.append((generation, "The reference image is gone."))
        except Exception as error:
            if generation.postponements < MAX_PREPARATIONS:
                logger.exception("Could not prepare %s; trying again", generation)
                generation.postpone_unsent(UpstreamGate.backoff_after(generation.postponements))
            else:
                message = f"The reference image could not be read: {type(error).__name__}."
                prepared.append((generation, message))
    return prepared


def _claim(prepared: list[PreparedRow], gate: UpstreamGate) -> list[PreparedSubmission]:
    """Under the lock of the gate, which a change of its key takes too."""
    if not gate.can_submit(timezone.now()) or not ApiKey.objects.is_usable(gate.api_key_id):
        return []
    room, paused = Room.left_by(gate), _paused_batches(prepared)
    claimed: list[PreparedSubmission] = []
    for generation, request in prepared:
        if generation.batch_id in paused or not room.fits(generation):
            continue
        deadline_seconds = submit_seconds(gate.engine) + SWEEP_MARGIN_SECONDS
        submission = generation.mark_submitting(deadline_seconds, gate.api_key_id)
        if submission is None:
            continue
        if isinstance(request, str):
            _refuse_unsent(generation, submission, request)
            continue
        room.take(generation)
        claimed.append(PreparedSubmission(generation, submission, request))
        if gate.is_held:
            gate.probe(generation.pk)
            break  # half open: one request tests the hold
    return claimed


def _paused_batches(prepared: list[PreparedRow]) -> set[int | None]:
    """The batches of these rows that were paused since the rows were chosen."""
    batches = {row.batch_id for row, _request in prepared if row.batch_id is not None}
    if not batches:
        return set()
    paused = Batch.objects.filter(pk__in=batches, paused_at__isnull=False)
    return set(paused.values_list("pk", flat=True))


def _refuse_unsent(generation: Generation, submission: Submission, message: str) -> None:
    """Fail a row that cannot be prepared. `queued -> failed` is not a transition."""
    reason = (
        TransitionReason.UNPREPARED if generation.postponements else TransitionReason.NEVER_SENT
    )
    generation.mark_refused(submission, Failure.OURS, message, reason=reason)
    Submission.objects.filter(pk=submission.pk).update(outcome=Submission.Outcome.REFUSED)


def _extended(generation: Generation) -> dict[str, str]:
    """Fields beyond the form's. The claim counts the attempt."""
    if ENGINES[generation.engine].says_end is None:
        return {}
    return {"callback_url": callbacks.url_of(generation.pk, generation.attempt + 1)}


def _prepare(generation: Generation) -> ImageRequest:
    """Build the request. Raises `FileNotFoundError` when its reference image is missing."""
    image = generation.reference_url
    if generation.reference:
        with generation.reference.file.open("rb") as file:
            image = base64.b64encode(file.read()).decode("ascii")
    return ImageRequest(
        prompt=generation.sent_prompt or generation.prompt,
        negative_prompt=generation.negative_prompt,
        n=generation.n,
        aspect_ratio=generation.aspect_ratio,
        image=image,
        image_fidelity=generation.image_fidelity,
        external_id=generation.external_id if can_look_up(generation.engine) else "",
        # Fields that it was priced with are sent, whatever the setting says since.
        profile="extended" if generation.params else team_settings.current().upstream_profile,
        params=generation.params,
        extended=_extended(generation),
        model=generation.model,
        # The claim counts the attempt.
        answer_file=received.answer_file(generation.pk, generation.attempt + 1)
        if not ENGINES[generation.engine].has_tasks
        else None,
    )
