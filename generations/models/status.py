"""The states of a generation and the table of its moves: the whole of it, and nothing else."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from generations.engines.base import FailureKind


class Status(models.TextChoices):
    QUEUED = "queued", _("Waiting in line")
    SUBMITTING = "submitting", _("Sending")  # the POST may be on its way
    RUNNING = "running", _("Making")  # the upstream has it, under upstream_task_id
    FETCHING = "fetching", _("Made, fetching")  # done upstream, the files are on their way to us
    SUCCEEDED = "succeeded", _("Done")  # at least one picture is stored
    FAILED = "failed", _("Not made")  # refused, failed upstream, or no file could be fetched
    UNCONFIRMED = "unconfirmed", _("Sent, no answer")  # it may have been charged; a person decides
    ABANDONED = "abandoned", _("Given up")  # by a person, after an unknown or lost end
    CANCELED = "canceled", _("Canceled")  # nothing was ever sent


LIVE = (Status.QUEUED, Status.SUBMITTING, Status.RUNNING, Status.FETCHING)
OPEN = (*LIVE, Status.UNCONFIRMED)
FINAL = (Status.SUCCEEDED, Status.FAILED, Status.ABANDONED, Status.CANCELED)
# The upstream has given these a task id.
WITH_TASK = (Status.RUNNING, Status.FETCHING, Status.SUCCEEDED)

# docs/architecture.md draws this table; T0 is `Generation.objects.request`.
TRANSITIONS: frozenset[tuple[Status, Status]] = frozenset(
    {
        (Status.QUEUED, Status.SUBMITTING),  # T1
        (Status.SUBMITTING, Status.RUNNING),  # T2
        (Status.UNCONFIRMED, Status.RUNNING),  # T2, a late answer
        (Status.SUBMITTING, Status.FAILED),  # T3
        (Status.SUBMITTING, Status.QUEUED),  # T4, T5
        (Status.SUBMITTING, Status.UNCONFIRMED),  # T6
        (Status.UNCONFIRMED, Status.FAILED),  # T7
        (Status.UNCONFIRMED, Status.QUEUED),  # T8
        (Status.UNCONFIRMED, Status.ABANDONED),  # T9
        (Status.RUNNING, Status.ABANDONED),  # T9, of a lost one
        (Status.RUNNING, Status.FETCHING),  # T10
        (Status.RUNNING, Status.FAILED),  # T11
        (Status.FETCHING, Status.SUCCEEDED),  # T12
        (Status.FETCHING, Status.FAILED),  # T12
        (Status.FAILED, Status.FETCHING),  # T13
        (Status.QUEUED, Status.CANCELED),  # T14
    }
)


class Failure(models.TextChoices):
    """Why a generation failed: the kinds of the engines, with labels."""

    POLICY = FailureKind.POLICY.value, _("content policy")
    INPUT = FailureKind.INPUT.value, _("invalid request")
    BALANCE = FailureKind.BALANCE.value, _("empty account")
    BUSY = FailureKind.BUSY.value, _("upstream too busy")
    TIME = FailureKind.TIME.value, _("took too long")
    OURS = FailureKind.OURS.value, _("internal error")
    FILES = FailureKind.FILES.value, _("files could not be downloaded")
