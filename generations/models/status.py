"""The states of a generation and the transitions between them."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from generations.engines.base import FailureKind


class Status(models.TextChoices):
    QUEUED = "queued", _("Queued")
    SUBMITTING = "submitting", _("Sending")  # the request may already be on its way
    RUNNING = "running", _("Generating")  # accepted, in progress under `upstream_task_id`
    FETCHING = "fetching", _("Downloading")  # done upstream; the worker downloads the images
    SUCCEEDED = "succeeded", _("Done")  # at least one picture is stored
    FAILED = "failed", _("Failed")  # refused, failed upstream, or no image could be downloaded
    UNCONFIRMED = (
        "unconfirmed",
        _("Unconfirmed"),
    )  # sent, no readable response; may have been charged
    ABANDONED = "abandoned", _("Dismissed")  # by a person, while unconfirmed or lost
    CANCELED = "canceled", _("Canceled")  # before it was sent


LIVE = (Status.QUEUED, Status.SUBMITTING, Status.RUNNING, Status.FETCHING)
OPEN = (*LIVE, Status.UNCONFIRMED)
SENT = (Status.SUBMITTING, Status.UNCONFIRMED, Status.RUNNING, Status.FETCHING)  # and open
FINAL = (Status.SUCCEEDED, Status.FAILED, Status.ABANDONED, Status.CANCELED)
# Polled while `next_poll_at` is set. A dismissed task may still deliver images.
POLLED = (Status.RUNNING, Status.ABANDONED)
# States that an upstream has accepted: they may be charged.
ACCEPTED = (Status.RUNNING, Status.FETCHING, Status.SUCCEEDED)

# docs/architecture.md draws this table; T0 is `Generation.objects.request`.
TRANSITIONS: frozenset[tuple[Status, Status]] = frozenset(
    {
        (Status.QUEUED, Status.SUBMITTING),  # T1
        (Status.SUBMITTING, Status.RUNNING),  # T2
        (Status.UNCONFIRMED, Status.RUNNING),  # T2, after a late response or a lookup
        (Status.SUBMITTING, Status.FETCHING),  # T15, an engine without tasks: the images
        (Status.UNCONFIRMED, Status.FETCHING),  # T15, after a late response
        (Status.SUBMITTING, Status.FAILED),  # T3
        (Status.SUBMITTING, Status.QUEUED),  # T4, T5
        (Status.SUBMITTING, Status.UNCONFIRMED),  # T6
        (Status.UNCONFIRMED, Status.FAILED),  # T7
        (Status.UNCONFIRMED, Status.QUEUED),  # T8
        (Status.UNCONFIRMED, Status.ABANDONED),  # T9
        (Status.RUNNING, Status.ABANDONED),  # T9, when late, lost or not found
        (Status.RUNNING, Status.FETCHING),  # T10
        (Status.ABANDONED, Status.FETCHING),  # T10, after a dismissal
        (Status.RUNNING, Status.FAILED),  # T11
        (Status.FETCHING, Status.SUCCEEDED),  # T12
        (Status.FETCHING, Status.FAILED),  # T12
        (Status.FAILED, Status.FETCHING),  # T13
        (Status.QUEUED, Status.CANCELED),  # T14
    }
)


class Failure(models.TextChoices):
    """Why a generation failed, by what a member can do about it."""

    POLICY = FailureKind.POLICY.value, _("Rejected by the content check")
    INPUT = FailureKind.INPUT.value, _("Invalid request")
    BALANCE = FailureKind.BALANCE.value, _("Account balance too low")
    BUSY = FailureKind.BUSY.value, _("The engine was too busy")
    TIME = FailureKind.TIME.value, _("Timed out")
    OURS = FailureKind.OURS.value, _("Error in klingweb or at the engine")
    MODEL = FailureKind.MODEL.value, _("The model is no longer available")
    REFUSED = FailureKind.REFUSED.value, _("Refused, while others were accepted")
    FILES = FailureKind.FILES.value, _("Images ready, download failed")
