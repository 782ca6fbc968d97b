"""What the last check of the ledger has found. The check is `operations/ledger_check.py`."""

from collections.abc import Sequence

from django.db import models
from django.utils import timezone

MAX_STORED = 20


class CheckedLedgerManager(models.Manager["CheckedLedger"]):
    def store(self, differences: Sequence[str]) -> None:
        """Replace the result of the check before. `differences` are sentences for an admin."""
        values = {
            "at": timezone.now(),
            "count": len(differences),
            "differences": list(differences[:MAX_STORED]),
        }
        self.update_or_create(pk=1, defaults=values)

    def with_differences(self) -> "CheckedLedger | None":
        """Return the last result if the ledger did not explain every figure."""
        return self.filter(count__gt=0).first()


class CheckedLedger(models.Model):
    """One row: the result of the last check."""

    at = models.DateTimeField()
    count = models.PositiveIntegerField(help_text="How many figures the ledger did not explain.")
    differences = models.JSONField(default=list, help_text="The first of them, in words.")

    objects = CheckedLedgerManager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="checkedledger_is_one_row", condition=models.Q(pk=1))
        ]

    def __str__(self) -> str:
        return f"{self.count} differences at {self.at:%Y-%m-%d %H:%M}"
