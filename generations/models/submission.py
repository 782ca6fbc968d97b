"""What really went over the wire: what late answers, the ledger and people stand on."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Submission(models.Model):
    """One paid POST. The row is durable before the socket opens."""

    class Outcome(models.TextChoices):
        SENT = "sent", _("no answer yet")
        ACCEPTED = "accepted", _("accepted, with a task id")
        REFUSED = "refused", _("refused for good")
        POSTPONED = "postponed", _("refused for now, or never sent")
        UNANSWERED = "unanswered", _("sent, no readable answer")

    generation = models.ForeignKey("Generation", models.CASCADE, related_name="submissions")
    attempt = models.PositiveIntegerField()
    sent_at = models.DateTimeField(default=timezone.now)
    deadline_at = models.DateTimeField(help_text=_("After this nobody waits for the answer."))
    holder = models.CharField(max_length=200, help_text=_("The process that sends it."))
    answered_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.SENT)
    http_status = models.PositiveSmallIntegerField(null=True)
    code = models.CharField(max_length=60, blank=True, default="")
    response = models.TextField(blank=True, default="", help_text=_("As received, cut."))
    upstream_task_id = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["generation", "attempt"], name="submission_generation_attempt_uniq"
            )
        ]

    def __str__(self) -> str:
        return f"attempt {self.attempt} of generation {self.generation_id}"
