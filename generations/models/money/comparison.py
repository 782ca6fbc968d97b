"""Comparisons: what the gateway billed beside what is recorded here, and what was decided."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
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


class ComparedDayQuerySet(models.QuerySet["ComparedDay"]):
    def here(self) -> Self:
        return self.filter(upstream=current_upstream())

    def of_month(self, month: date) -> Self:
        """`month` is its first day."""
        following = (month + timedelta(days=31)).replace(day=1)
        return self.here().filter(day__gte=month, day__lt=following)

    def unfinished(self) -> Self:
        """Days that the worker has to match or to sum up."""
        return self.here().filter(Q(is_due=True) | Q(is_stale=True))

    def mark(self, days: Iterable[date], **flags: bool) -> None:
        """Set flags of these days, and create the rows that do not exist."""
        wanted = sorted(set(days))
        rows = [ComparedDay(upstream=current_upstream(), day=day) for day in wanted]
        self.bulk_create(rows, ignore_conflicts=True)
        if flags:
            self.here().filter(day__in=wanted).update(**flags)


class ComparedDay(models.Model):
    """The sums over the comparisons of one day in the team's time zone, so that pages add few rows.

    `is_due`: its lines have to be matched again. `is_stale`: a comparison has changed since the
    figures were summed up; set in the transaction of that change.
    """

    upstream = models.CharField(max_length=20, default=current_upstream)
    day = models.DateField()
    matched_at = models.DateTimeField(null=True)
    figures: Any = models.JSONField(default=dict)
    is_due = models.BooleanField(default=False)
    is_stale = models.BooleanField(default=False)

    objects = ComparedDayQuerySet.as_manager()

    class Meta:
        verbose_name = _("compared day")
        constraints = [models.UniqueConstraint(fields=["upstream", "day"], name="comparedday_uniq")]
        indexes = [
            models.Index(
                fields=["upstream", "day"],
                name="comparedday_open_idx",
                condition=Q(is_due=True) | Q(is_stale=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}"


class WatchedTask(models.Model):
    """A task that the gateway billed and no generation here has. The worker asks for its outcome.

    Its images are not downloaded: there is no generation that they could belong to.
    """

    class Outcome(models.TextChoices):
        OPEN = "open", _("not asked yet")
        RUNNING = "running", _("in progress")
        SUCCEEDED = "succeeded", _("done")
        FAILED = "failed", _("failed")
        NOT_FOUND = "not-found", _("not known to this account")

    upstream = models.CharField(max_length=20, default=current_upstream)
    task_id = models.CharField(max_length=200)
    watched_at = models.DateTimeField(default=timezone.now)
    next_check_at = models.DateTimeField(null=True, help_text=_("Empty: not asked any more."))
    checked_at = models.DateTimeField(null=True, help_text=_("When the gateway last answered."))
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.OPEN)
    images = models.PositiveIntegerField(default=0)
    message = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        verbose_name = _("watched task")
        constraints = [
            models.UniqueConstraint(fields=["upstream", "task_id"], name="watchedtask_uniq")
        ]
        indexes = [
            models.Index(
                fields=["upstream", "next_check_at"],
                name="watchedtask_due_idx",
                condition=Q(next_check_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"task {self.task_id}"
