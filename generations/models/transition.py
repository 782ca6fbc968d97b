"""The history of a generation: every move, with its reason and whose it was."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .status import Status


class TransitionReason(models.TextChoices):
    """Why a row moved, in words that its owner reads."""

    REQUESTED = "requested", _("Asked for")
    SENT = "sent", _("Sent to Kling")
    ACCEPTED = "accepted", _("Kling accepted it")
    REFUSED = "refused", _("Kling refused it")
    NEVER_SENT = "never-sent", _("Could not be sent: its reference image is gone")
    NOT_REACHED = "not-reached", _("Not sent, Kling was not reached; back to its place in line")
    BUSY = "busy", _("Kling was busy; back to its place in line")
    HELD = "held", _("The line went on hold; back to its place")
    NO_ANSWER = "no-answer", _("Sent, but no readable answer came")
    SENDER_GONE = "sender-gone", _("The worker that sent it is gone, and its answer with it")
    FOUND = "found", _("Kling was asked, and has it")
    NOT_THERE = "not-there", _("Kling was asked, and does not have it")
    NAMED = "named", _("An admin found it in the gateway’s log")
    MADE = "made", _("Kling has made it")
    FAILED = "failed", _("Kling failed at it")
    STORED = "stored", _("Its files are here")
    NO_FILE = "no-file", _("No file could be fetched")
    LATE = "late", _("Later than usual, still watched")
    DENIED = "denied", _("Kling does not find it any more")
    ENDLESS = "endless", _("No end in all the time we watch")
    LOOKED_AGAIN = "looked-again", _("Looked for again")
    FETCHED_AGAIN = "fetched-again", _("Its files were asked for again")
    SENT_AGAIN = "sent-again", _("Sent again, knowing that it may be paid twice")
    GIVEN_UP = "given-up", _("Given up")
    CANCELED = "canceled", _("Canceled")
    DEMO = "demo", _("Came with the demo")
    DEMO_ENDED = "demo-ended", _("The demo has ended")


class Transition(models.Model):
    """One line of a history. A mark (late, lost) has the same status twice."""

    generation = models.ForeignKey("Generation", models.CASCADE, related_name="transitions")
    at = models.DateTimeField(default=timezone.now)
    from_status = models.CharField(max_length=12, blank=True, choices=Status)
    to_status = models.CharField(max_length=12, choices=Status)
    reason = models.CharField(max_length=16, choices=TransitionReason)
    detail = models.CharField(max_length=300, blank=True, default="", help_text=_("For admins."))
    by = models.ForeignKey("Member", models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.from_status or 'new'} → {self.to_status}: {self.reason}"
