"""Chooses the queued rows to submit next, and claims them."""

import base64
import logging
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from generations.engines.base import ImageRequest
from generations.models import Failure, Generation, Submission, TransitionReason, UpstreamGate

logger = logging.getLogger(__name__)

# Added to the deadline of a POST, for the worker's own work around it; then the row is swept.
SWEEP_MARGIN_SECONDS = 45

PreparedRow = tuple[Generation, ImageRequest | None]


@dataclass(frozen=True)
class PreparedSubmission:
    """A row that is durably `submitting`: exactly one POST may now be sent for it."""

    generation: Generation
    submission: Submission
    request: ImageRequest


def opens_soon(within_seconds: float = 0) -> bool:
    """Whether the gate lets a submit through within this time."""
    at = timezone.now() + timedelta(seconds=within_seconds)
    return UpstreamGate.for_engine().can_submit(at)


def claim_next(limit: int) -> list[PreparedSubmission]:
    """Move up to `limit` rows to `submitting`, in queue order, as far as the gate allows."""
    if limit <= 0 or not opens_soon():
        return []
    prepared = _prepare_all(_next_in_queue(limit))
    if not prepared:
        return []
    with transaction.atomic():
        gate = UpstreamGate.for_engine().lock()
        claimed = _claim(prepared, gate)
        if gate.is_held and claimed:
            gate.probe()
    return claimed


def _next_in_queue(limit: int) -> list[Generation]:
    """Return rows that seem to fit the concurrency limit. `_claim` checks again, under the lock."""
    in_flight, max_images = Generation.objects.images_in_flight(), UpstreamGate.for_engine().grow()
    fitting: list[Generation] = []
    if not _fits(1, in_flight, max_images):
        return fitting  # saves the query for the queue order, which is slow for a long queue
    for generation in Generation.objects.in_queue_order().select_related("reference")[:limit]:
        if not _fits(generation.n, in_flight, max_images):
            break  # the next row keeps its turn; smaller requests do not overtake it
        in_flight += generation.n
        fitting.append(generation)
    return fitting


def _prepare_all(generations: list[Generation]) -> list[PreparedRow]:
    """Build the requests before any status changes. None: the reference image is missing.

    A row that raises any other error is left out of this round, and does not stop the others.
    """
    prepared: list[PreparedRow] = []
    for generation in generations:
        try:
            prepared.append((generation, _prepare(generation)))
        except FileNotFoundError:
            prepared.append((generation, None))
        except Exception:
            logger.exception("Could not prepare %s", generation)
    return prepared


def _claim(prepared: list[PreparedRow], gate: UpstreamGate) -> list[PreparedSubmission]:
    if not gate.can_submit(timezone.now()):
        return []
    in_flight, max_images = Generation.objects.images_in_flight(), gate.grow()
    claimed: list[PreparedSubmission] = []
    for generation, request in prepared:
        if not _fits(generation.n, in_flight, max_images):
            break
        if gate.is_held and claimed:
            break  # half open: one request tests the hold
        submission = generation.mark_submitting(
            settings.SUBMIT_DEADLINE_SECONDS + SWEEP_MARGIN_SECONDS
        )
        if submission is None:
            continue
        if request is None:
            _refuse_unsent(generation, submission)
            continue
        in_flight += generation.n
        claimed.append(PreparedSubmission(generation, submission, request))
    return claimed


def _refuse_unsent(generation: Generation, submission: Submission) -> None:
    """Fail a row whose reference image is missing. `queued -> failed` is not a transition."""
    message = "The reference image is gone."
    generation.mark_refused(submission, Failure.OURS, message, reason=TransitionReason.NEVER_SENT)
    Submission.objects.filter(pk=submission.pk).update(outcome=Submission.Outcome.REFUSED)


def _fits(n: int, in_flight: int, max_images: int) -> bool:
    """Whether the limit has room. A request larger than the whole limit runs alone."""
    return not max_images or in_flight + n <= max_images or in_flight == 0


def _prepare(generation: Generation) -> ImageRequest:
    """Build the request. Raises `FileNotFoundError` when its reference image is missing."""
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
