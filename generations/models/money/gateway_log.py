"""The gateway's log as it was imported: logs, and their lines. Lines are stored once."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.models.member import Member

from .price import current_upstream


class GatewayLog(models.Model):
    """One uploaded or pasted log. It is a draft, with its file, until its columns are known."""

    upstream = models.CharField(max_length=20, default=current_upstream)
    name = models.CharField(max_length=200, blank=True, help_text=_("Empty: pasted."))
    file = models.FileField(max_length=200, blank=True, help_text=_("Removed after the import."))
    created_at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+")
    mapping = models.JSONField(default=dict, help_text=_("Which column holds what."))
    imported_at = models.DateTimeField(null=True)
    lines = models.PositiveIntegerField(default=0)
    new_lines = models.PositiveIntegerField(default=0, help_text=_("Lines of no earlier log."))
    # The time that the log covers, from its first line to its last.
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("gateway log")
        ordering = ["-pk"]
        indexes = [
            models.Index(
                fields=["upstream", "starts_at"],
                name="gatewaylog_span_idx",
                condition=models.Q(imported_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"gateway log {self.pk}: {self.name or 'pasted'}"


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
