"""The history of a generation."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .status import Status


class TransitionReason(models.TextChoices):
    """Why a transition happened. Owners read the labels."""

    REQUESTED = "requested", _("Requested")
    SENT = "sent", _("Sent to the engine")
    ACCEPTED = "accepted", _("Accepted by the engine")
    ANSWERED = "answered", _("Answered with the images")
    REFUSED = "refused", _("Refused by the engine")
    NEVER_SENT = "never-sent", _("Not sent: the reference image is missing")
    KEY_REPLACED = "key-replaced", _("Not sent: the API key was replaced. Queued again")
    NOT_REACHED = "not-reached", _("Not sent: the engine could not be reached. Queued again")
    BUSY = "busy", _("Not accepted: the engine was busy. Queued again")
    NO_CHANNEL = "no-channel", _("Not accepted: the gateway has no channel. Queued again")
    UNPREPARED = "unprepared", _("Not sent: the reference image could not be read")
    TOO_BUSY = "too-busy", _("Not accepted: the engine was too busy for too long")
    AT_FAULT = "at-fault", _("Refused by the engine, while it accepted others")
    TASK_ID_TAKEN = "id-taken", _("Answered with the task ID of another generation")
    HELD = "held", _("Not accepted: generation is on hold. Queued again")
    NO_ANSWER = "no-answer", _("Sent, but no readable answer arrived")
    WORKER_DIED = "sender-gone", _("The worker stopped before an answer arrived")
    FOUND = "found", _("Found at the engine")
    NOT_FOUND = "not-there", _("Not found at the engine: the request was never accepted")
    TASK_ID_ENTERED = "named", _("Task ID entered by an admin")
    COMPLETED = "made", _("Completed by the engine")
    FAILED = "failed", _("Failed at the engine")
    STORED = "stored", _("Images stored")
    NO_FILE = "no-file", _("No image could be downloaded")
    LATE = "late", _("Marked as late")
    NO_IMAGES = "no-images", _("Completed by the engine, without usable images")
    NO_LONGER_FOUND = "denied", _("No longer found at the engine")
    WATCH_EXPIRED = "endless", _("No result within the time limit")
    KEY_MISSING = "key-missing", _("Waits: the API key that sent it is gone")
    KEY_BACK = "key-back", _("Checked again: its API key is back")
    ASKED = "asked", _("An admin was asked to check")
    RECHECKED = "looked-again", _("Checked again by a person")
    FETCHED_AGAIN = "fetched-again", _("Download started again by a person")
    SENT_AGAIN = "sent-again", _("Sent again by a person")
    DISMISSED = "given-up", _("Dismissed")
    CANCELED = "canceled", _("Canceled")
    HANDED_OVER = "handed-over", _("Handed over to another person")
    DEMO = "demo", _("Created as demo data")
    DEMO_ENDED = "demo-ended", _("The demo has ended")


class Transition(models.Model):
    """One entry of the history.

    An annotation of a row, such as late or lost, has the same status before and after.
    """

    generation = models.ForeignKey("Generation", models.CASCADE, related_name="transitions")
    at = models.DateTimeField(default=timezone.now)
    from_status = models.CharField(max_length=12, blank=True, choices=Status)
    to_status = models.CharField(max_length=12, choices=Status)
    reason = models.CharField(max_length=16, choices=TransitionReason)
    detail = models.CharField(
        max_length=300, blank=True, default="", help_text=_("Shown to admins only.")
    )
    by = models.ForeignKey("Member", models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.from_status or 'new'} → {self.to_status}: {self.reason}"
