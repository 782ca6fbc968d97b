"""Ledger entries: every change of a counter, with its cause. Never updated, never deleted."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.models.member import Member

from .period import Period


class LedgerEntry(models.Model):
    """One change of one period. A step that touches four periods writes four, with one key."""

    class Kind(models.TextChoices):
        RESERVE = "reserve", _("Reserved")
        RELEASE = "release", _("Released")
        CHARGE = "charge", _("Charged")
        CORRECT = "correct", _("Corrected")
        GRANT = "grant", _("Granted")

    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=8, choices=Kind)
    key = models.CharField(max_length=60, help_text=_("Each step happens once per period."))
    period = models.ForeignKey(Period, models.PROTECT, related_name="entries")
    upstream = models.CharField(max_length=20)
    # Plain numbers: deleting a generation must not touch the ledger.
    generation_id = models.BigIntegerField(null=True)
    reservation = models.PositiveSmallIntegerField(null=True)
    engine = models.CharField(max_length=20, blank=True, default="")
    model = models.CharField(max_length=60, blank=True, default="")
    option = models.CharField(max_length=60, blank=True, default="")
    person = models.ForeignKey(
        Member, models.DO_NOTHING, null=True, related_name="+", db_constraint=False
    )
    by = models.ForeignKey(
        Member, models.DO_NOTHING, null=True, related_name="+", db_constraint=False
    )
    unit_price_e4 = models.BigIntegerField(null=True)
    reserved_e4 = models.BigIntegerField(default=0)
    charged_e4 = models.BigIntegerField(default=0)
    granted_e4 = models.BigIntegerField(default=0)
    reserved_images = models.BigIntegerField(default=0)
    charged_images = models.BigIntegerField(default=0)
    granted_images = models.BigIntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["key", "period"], name="ledgerentry_key_period_uniq")
        ]
        indexes = [
            models.Index(fields=["generation_id"], name="ledgerentry_generation_idx"),
            models.Index(fields=["period", "at"], name="ledgerentry_period_at_idx"),
            # Of the list in the admin: newest first, of all, a kind or a person.
            models.Index(fields=["-at", "-id"], name="ledgerentry_at_idx"),
            models.Index(fields=["kind", "-at", "-id"], name="ledgerentry_kind_at_idx"),
            models.Index(fields=["person", "-at", "-id"], name="ledgerentry_person_at_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.key} in period {self.period_id}"
