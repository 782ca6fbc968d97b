"""The gateway's log as it was imported: logs, and their lines. Lines are stored once."""

from typing import Any, Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.models.member import Member

from .price import current_upstream


class GatewayLogQuerySet(models.QuerySet["GatewayLog"]):
    def here(self) -> Self:
        return self.filter(upstream=current_upstream())

    def imported(self) -> Self:
        """Logs whose lines are all stored."""
        return self.filter(imported_at__isnull=False)

    def open(self) -> Self:
        """Imports in progress, the oldest first: they take turns."""
        return self.filter(state__in=GatewayLog.OPEN).order_by("pk")


class GatewayLog(models.Model):
    """One log, uploaded, pasted or fetched, and the progress of its import.

    A draft waits, with its file, until somebody says what its columns hold. `done_lines` counts the
    lines of the current state; together with `state` it tells a worker where to continue.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Waiting for its columns")
        FETCHING = "fetching", _("Fetching from the gateway")
        READING = "reading", _("Checking the lines")
        STORING = "storing", _("Storing the lines")
        MATCHING = "matching", _("Comparing with the ledger")
        DONE = "done", _("Imported")
        FAILED = "failed", _("Failed")
        CANCELING = "canceling", _("Removing its lines")
        CANCELED = "canceled", _("Canceled")

    OPEN = (State.FETCHING, State.READING, State.STORING, State.MATCHING, State.CANCELING)
    CANCELABLE = (State.FETCHING, State.READING, State.STORING)

    upstream = models.CharField(max_length=20, default=current_upstream)
    name = models.CharField(max_length=200, blank=True, help_text=_("Empty: pasted or fetched."))
    month = models.DateField(
        null=True, help_text=_("First day of the month that is fetched from the gateway.")
    )
    file = models.FileField(max_length=200, blank=True, help_text=_("Removed after the import."))
    created_at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+")
    mapping = models.JSONField(default=dict, help_text=_("Which column holds what."))

    state = models.CharField(
        max_length=10, choices=State, default=State.DRAFT, db_default=State.DRAFT
    )
    total_lines = models.PositiveIntegerField(default=0, db_default=0, help_text=_("0: unknown."))
    done_lines = models.PositiveIntegerField(default=0, db_default=0)
    skipped_lines = models.PositiveIntegerField(default=0, db_default=0)
    repeated_lines = models.PositiveIntegerField(default=0, db_default=0)
    fetched: Any = models.JSONField(
        null=True, help_text=_("Days, bytes and lines that its file has.")
    )
    problem: Any = models.JSONField(null=True, help_text=_("Why it was not imported."))
    ended_at = models.DateTimeField(null=True)

    imported_at = models.DateTimeField(null=True)
    lines = models.PositiveIntegerField(default=0)
    new_lines = models.PositiveIntegerField(default=0, help_text=_("Lines of no earlier log."))
    # The time that the log covers, from its first line to its last.
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)

    objects = GatewayLogQuerySet.as_manager()

    class Meta:
        verbose_name = _("gateway log")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["upstream", "month"],
                name="gatewaylog_fetch_uniq",
                condition=models.Q(
                    month__isnull=False,
                    state__in=["fetching", "reading", "storing", "matching", "canceling"],
                ),
            )
        ]
        indexes = [
            models.Index(
                fields=["upstream", "starts_at"],
                name="gatewaylog_span_idx",
                condition=models.Q(imported_at__isnull=False),
            ),
            models.Index(
                fields=["id"],
                name="gatewaylog_open_idx",
                condition=models.Q(
                    state__in=["fetching", "reading", "storing", "matching", "canceling"]
                ),
            ),
        ]

    def __str__(self) -> str:
        if self.month:
            return f"gateway log {self.pk}: {self.month:%Y-%m}, fetched"
        return f"gateway log {self.pk}: {self.name or 'pasted'}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def can_be_canceled(self) -> bool:
        return self.state in self.CANCELABLE

    def advance(self, state: "GatewayLog.State", **values: Any) -> bool:
        """Go on to another state. False if the log has left its state meanwhile."""
        return self.update(state=state, done_lines=0, **values)

    def update(self, **values: Any) -> bool:
        """Change columns while the log is in its state. False if it has left it meanwhile."""
        rows = GatewayLog.objects.filter(pk=self.pk, state=self.state)
        if not rows.update(**values):
            return False
        for name, value in values.items():
            setattr(self, name, value)
        return True


class GatewayLine(models.Model):
    """One charge or refund in the gateway's log; a refund is negative."""

    upstream = models.CharField(max_length=20, default=current_upstream)
    key = models.CharField(
        max_length=64,
        help_text=_("SHA-256 of the request ID, or of the line and its number among equal lines."),
    )
    log = models.ForeignKey(GatewayLog, models.PROTECT, related_name="gateway_lines")
    at = models.DateTimeField()
    amount_e4 = models.BigIntegerField()
    task_id = models.CharField(max_length=200, blank=True, default="")
    model = models.CharField(max_length=60, blank=True, default="")
    request_id = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        verbose_name = _("line of a gateway log")
        ordering = ["at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["upstream", "key"], name="gatewayline_key_uniq")
        ]
        indexes = [
            models.Index(fields=["upstream", "at"], name="gatewayline_at_idx"),
            models.Index(fields=["task_id"], name="gatewayline_task_id_idx"),
        ]

    def __str__(self) -> str:
        return f"line {self.pk} of {self.log_id}"
