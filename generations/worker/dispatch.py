"""Whose turn it is and how many may go: the one place where rows become submits."""

import base64
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from generations.engines.kling import ImageRequest
from generations.models import Failure, Generation, Submission, TransitionReason, UpstreamGate

logger = logging.getLogger(__name__)

# The longest a POST may take, and what the worker needs around it; then the sweep comes.
SWEEP_MARGIN_SECONDS = 45


@dataclass(frozen=True)
class PreparedSubmission:
    """A row that stands at `submitting`, durably: exactly one POST may now be made for it."""

    generation: Generation
    submission: Submission
    request: ImageRequest


def opens_soon(within_seconds: float = 0) -> bool:
    """Whether the line lets a submit through by then: no hold, no wait that belongs to the key."""
    return _opens(UpstreamGate.now(), timezone.now() + timedelta(seconds=within_seconds))


def send_next(most: int) -> list[PreparedSubmission]:
    """Move up to `most` rows to `submitting`, by turn of person, as far as the line allows."""
    if most <= 0 or not opens_soon():
        return []
    prepared = _prepared(_next_in_turn(most))
    if not prepared:
        return []
    with transaction.atomic():
        gate = UpstreamGate.lock()
        sent = _claim(prepared, gate)
        if gate.is_held and sent:
            UpstreamGate.probe(gap_seconds=settings.HOLD_RETRY_SECONDS)
    return sent


def _next_in_turn(most: int) -> list[Generation]:
    """Those that seem to fit by now; the claim looks again, under the lock."""
    in_use, limit = Generation.objects.images_in_flight(), UpstreamGate.now().grow()
    fitting: list[Generation] = []
    if not _fits(1, in_use, limit):
        return fitting  # cheaply: the order of a long queue is worked out only when it matters
    for generation in Generation.objects.in_queue_order().select_related("reference")[:most]:
        if not _fits(generation.n, in_use, limit):
            break  # the next in turn waits for room; nobody smaller slips past it
        in_use += generation.n
        fitting.append(generation)
    return fitting


def _prepared(
    generations: list[Generation],
) -> list[tuple[Generation, ImageRequest | None]]:
    """Everything that can fail, before the intent is written; None: it can never be sent.

    A row whose preparing breaks otherwise waits for another round and stops nobody else.
    """
    prepared: list[tuple[Generation, ImageRequest | None]] = []
    for generation in generations:
        try:
            prepared.append((generation, _prepare(generation)))
        except FileNotFoundError:
            prepared.append((generation, None))
        except Exception:
            logger.exception("%s cannot be prepared now", generation)
    return prepared


def _claim(
    prepared: list[tuple[Generation, ImageRequest | None]], gate: UpstreamGate
) -> list[PreparedSubmission]:
    if not _opens(gate, timezone.now()):
        return []
    in_use, limit = Generation.objects.images_in_flight(), gate.grow()
    sent: list[PreparedSubmission] = []
    for generation, request in prepared:
        if not _fits(generation.n, in_use, limit):
            break
        if gate.is_held and sent:
            break  # half open: one row tries the line for all
        submission = generation.mark_submitting(
            settings.SUBMIT_DEADLINE_SECONDS + SWEEP_MARGIN_SECONDS
        )
        if submission is None:
            continue
        if request is None:
            _refuse_unsent(generation, submission)
            continue
        in_use += generation.n
        sent.append(PreparedSubmission(generation, submission, request))
    return sent


def _refuse_unsent(generation: Generation, submission: Submission) -> None:
    """The table knows no way from `queued` to `failed`, so it goes by `submitting`."""
    gone = "The reference image is gone."
    generation.mark_refused(submission, Failure.OURS, gone, reason=TransitionReason.NEVER_SENT)
    Submission.objects.filter(pk=submission.pk).update(outcome=Submission.Outcome.REFUSED)


def _opens(gate: UpstreamGate, by: datetime) -> bool:
    if gate.is_paused:
        return False
    waits = [gate.silent_until, gate.probe_at if gate.is_held else gate.submit_not_before]
    return all(until is None or until <= by for until in waits)


def _fits(n: int, in_use: int, limit: int) -> bool:
    """A request larger than the whole budget still runs, alone."""
    return not limit or in_use + n <= limit or in_use == 0


def _prepare(generation: Generation) -> ImageRequest:
    """The body of the POST. Raises FileNotFoundError when its reference image is gone."""
    image = generation.reference_url
    if generation.reference:
        with generation.reference.file.open("rb") as file:
            image = base64.b64encode(file.read()).decode("ascii")
    return ImageRequest(
        prompt=generation.prompt,
        negative_prompt=generation.negative_prompt,
        n=generation.n,
        aspect_ratio=generation.aspect_ratio,
        image=image,
        image_fidelity=generation.image_fidelity,
        external_id=generation.external_id if settings.UPSTREAM_LOOKUP else "",
        params=generation.params,
    )
