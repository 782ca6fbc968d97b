"""Comparisons: what the gateway billed beside what is recorded here, and what was decided."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from generations.models.member import Member

from .price import current_upstream


class Comparison(models.Model):
    """A task, a line without a task, or a charge that the log does not contain.

    Written by `generations.reconciliation` whenever a log is matched. `key` stays the same when it
    is matched again: g7 for generation 7, t and the task ID, or l12 for line 12.
    """

    class Group(models.TextChoices):
        UNKNOWN = "unknown", _("Billed, not in klingweb")
        MISSING = "missing", _("In klingweb, not billed")
        DIFFERENT = "different", _("Different amount")
        PROGRESS = "progress", _("In progress")  # billed, and not charged here before it ends
        MATCHED = "matched", _("Matched")

    class Matched(models.TextChoices):
        BY_TASK = "task", _("by task ID")
        BY_TIME = "time", _("by time and amount")

    class Decision(models.TextChoices):
        ASSIGNED = "assigned", _("Assigned")
        WATCHED = "watched", _("Watched")
        IGNORED = "ignored", _("Ignored")
        KEPT = "kept", _("Kept")
        CORRECTED = "corrected", _("Corrected")

    class Block(models.TextChoices):
        """Where it is listed: its group, until it is decided."""

        UNKNOWN = "unknown", _("Billed, not in klingweb")
        MISSING = "missing", _("In klingweb, not billed")
        DIFFERENT = "different", _("Different amount")
        WATCHED = "watched", _("Watched")
        PROGRESS = "progress", _("In progress")
        DECIDED = "decided", _("Decided")
        MATCHED = "matched", _("Matched")

    upstream = models.CharField(max_length=20, default=current_upstream)
    key = models.CharField(max_length=201)
    at = models.DateTimeField(help_text=_("Of the first line, else of the request."))
    group = models.CharField(max_length=10, choices=Group)
    matched = models.CharField(max_length=4, choices=Matched, blank=True, default="")
    task_id = models.CharField(max_length=200, blank=True, default="")
    # A plain number, as in the ledger.
    generation_id = models.BigIntegerField(null=True)
    lines = models.PositiveIntegerField(default=0)
    billed_e4 = models.BigIntegerField(null=True, help_text=_("Empty: not in the log."))
    recorded_e4 = models.BigIntegerField(null=True, help_text=_("Empty: no charge here."))
    decision = models.CharField(max_length=10, choices=Decision, blank=True, default="")
    decided_by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=300, blank=True, default="")
    accepted_e4 = models.BigIntegerField(
        default=0, help_text=_("The difference that the decision left.")
    )
    block = models.CharField(max_length=10, choices=Block)

    class Meta:
        verbose_name = _("comparison")
        ordering = ["-at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["upstream", "key"], name="comparison_key_uniq")
        ]
        indexes = [
            models.Index(fields=["upstream", "block", "-at", "-id"], name="comparison_block_idx"),
            models.Index(fields=["upstream", "at"], name="comparison_at_idx"),
        ]

    def __str__(self) -> str:
        return f"comparison {self.key}"

    def set_block(self) -> None:
        """Set the block, after the group or the decision has changed."""
        if self.decision == self.Decision.WATCHED:
            self.block = self.Block.WATCHED
        elif self.decision:
            self.block = self.Block.DECIDED
        else:
            self.block = self.Block(self.group)

    @property
    def difference_e4(self) -> int:
        """Positive: the gateway billed more than is recorded here."""
        return (self.billed_e4 or 0) - (self.recorded_e4 or 0)


class ComparedMonth(models.Model):
    """The sums over the comparisons of one month in the team's time zone, kept for the page."""

    upstream = models.CharField(max_length=20, default=current_upstream)
    month = models.DateField(help_text=_("Its first day."))
    matched_at = models.DateTimeField()
    figures: Any = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("compared month")
        constraints = [
            models.UniqueConstraint(fields=["upstream", "month"], name="comparedmonth_uniq")
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"
