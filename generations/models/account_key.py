"""The access key of the gateway's account API, encrypted: it fetches the log, and sends no request.

`KLINGWEB_ACCOUNT_KEY` wins over the stored one; the demo uses the simulator's.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations import encryption

from .member import Member


class AccountKeyManager(models.Manager["AccountKey"]):
    def stored(self) -> "AccountKey | None":
        return self.exclude(encrypted="").first()

    def exists_anywhere(self) -> bool:
        """Whether there is a key, stored or in the environment."""
        return bool(settings.ACCOUNT_KEY) or self.stored() is not None

    def secret(self) -> str:
        """The key in use; "" without one. Raises CannotDecrypt."""
        key: str = settings.ACCOUNT_KEY
        row = None if key else self.stored()
        return row.decrypt() if row else key


class AccountKey(models.Model):
    """One row, with an empty `encrypted` after the key was removed."""

    encrypted = models.TextField(blank=True, editable=False)
    last_four = models.CharField(max_length=4, blank=True)
    added_at = models.DateTimeField(default=timezone.now)
    added_by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+")

    objects = AccountKeyManager()

    class Meta:
        verbose_name = _("account key")
        constraints = [models.CheckConstraint(name="accountkey_is_one_row", condition=Q(pk=1))]

    def __str__(self) -> str:
        """Shown in logs, so without the key."""
        return f"Account key …{self.last_four}"

    def decrypt(self) -> str:
        """Return the key. Raises CannotDecrypt."""
        return encryption.decrypt(self.encrypted)

    def is_readable(self) -> bool:
        try:
            self.decrypt()
        except encryption.CannotDecrypt:
            return False
        return True
