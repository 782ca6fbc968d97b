"""Submissions: each request that was sent upstream, and its response."""

from typing import Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.engines.base import MAX_TASK_ID_CHARACTERS

from .api_key import ApiKey


class SubmissionQuerySet(models.QuerySet["Submission"]):
    def maybe_accepted(self) -> Self:
        """Those that the upstream has accepted, or may have; the last attempt first."""
        not_accepted = (Submission.Outcome.REFUSED, Submission.Outcome.POSTPONED)
        return self.exclude(outcome__in=not_accepted).order_by("-attempt")

    def of_task(self, upstream_task_id: str) -> "Submission | None":
        """The one that was answered with this task, else the last that may have been accepted."""
        answered = self.filter(upstream_task_id=upstream_task_id).first()
        return answered or self.maybe_accepted().first()

    def record_task_id(self, upstream_task_id: str) -> None:
        """Store the task id with the submission that it belongs to, as far as is known."""
        if submission := self.of_task(upstream_task_id):
            submission.outcome = Submission.Outcome.ACCEPTED
            submission.upstream_task_id = upstream_task_id
            submission.save(update_fields=["outcome", "upstream_task_id"])


class Submission(models.Model):
    """One POST that may be charged. The row is committed before the connection is opened."""

    class Outcome(models.TextChoices):
        SENT = "sent", _("No answer yet")
        ACCEPTED = "accepted", _("Accepted, with a task ID")
        REFUSED = "refused", _("Refused")
        POSTPONED = "postponed", _("Not accepted, queued again")
        UNANSWERED = "unanswered", _("No readable answer")

    generation = models.ForeignKey("Generation", models.CASCADE, related_name="submissions")
    attempt = models.PositiveIntegerField()
    api_key = models.ForeignKey(
        ApiKey,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text=_(
            "What it was sent with. Empty: the simulator’s, or that of an earlier release."
        ),
    )
    sent_at = models.DateTimeField(default=timezone.now)
    deadline_at = models.DateTimeField(help_text=_("The sender stops waiting for an answer then."))
    holder = models.CharField(max_length=200, help_text=_("The process that sends the request."))
    answered_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.SENT)
    http_status = models.PositiveSmallIntegerField(null=True)
    code = models.CharField(max_length=60, blank=True, default="")
    response = models.TextField(
        blank=True, default="", help_text=_("The response body, truncated.")
    )
    upstream_task_id = models.CharField(max_length=MAX_TASK_ID_CHARACTERS, blank=True, default="")

    objects = SubmissionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["generation", "attempt"], name="submission_generation_attempt_uniq"
            )
        ]
        indexes = [models.Index(fields=["upstream_task_id"], name="submission_task_id_idx")]

    def __str__(self) -> str:
        return f"attempt {self.attempt} of generation {self.generation_id}"
