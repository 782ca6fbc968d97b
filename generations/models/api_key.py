"""API keys of the gateway, encrypted: the first, the reserve, and those that they replaced.

A task can be queried only with a key of the account that it was sent with: another account answers
"no such task". So a removed key is kept while tasks that were sent with it are open.
"""

import hashlib
from typing import Self

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations import encryption

from .member import Member

MIN_CHARACTERS_FOR_LAST_FOUR = 12  # of a shorter key, four characters would say too much


class KeyInOtherSlot(ValueError):
    """The same key is already in use as the other one of the two."""


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def active(self) -> Self:
        return self.filter(removed_at=None)

    def in_order(self) -> list[int | None]:
        """The keys for new requests, by the key of their rows: the first, then the reserve.

        None is the environment's key, or the simulator's in the demo. Empty without a usable key.
        """
        if settings.DEMO:
            return [None]
        stored = dict(self.active().filter(unreadable_at=None).values_list("slot", "pk"))
        keys: list[int | None] = [None] if settings.UPSTREAM_KEY else []
        for slot in list(ApiKey.Slot)[len(keys) :]:
            if slot in stored:
                keys.append(stored[slot])
        return keys

    def is_usable(self, pk: int | None) -> bool:
        """Whether new requests may still be sent with this key."""
        return pk in self.in_order()

    def put(self, slot: "ApiKey.Slot", key: str, by: Member | None) -> "ApiKey":
        """Store the key in place of the one in this slot, in the caller's transaction.

        Lock the team's row first. Raises KeyInOtherSlot, OSError or SettingError; then roll back.
        """
        fingerprint = fingerprint_of(key)
        if self.active().exclude(slot=slot).filter(fingerprint=fingerprint).exists():
            raise KeyInOtherSlot
        if slot != ApiKey.Slot.FIRST and key == settings.UPSTREAM_KEY:
            raise KeyInOtherSlot
        self.active().filter(slot=slot).exclude(fingerprint=fingerprint).update(
            removed_at=timezone.now(), removed_by=by
        )
        row, _created = self.update_or_create(
            fingerprint=fingerprint,
            defaults={
                "slot": slot,
                "encrypted": encryption.encrypt(key),
                "last_four": last_four_of(key),
                "added_at": timezone.now(),
                "added_by": by,
                "removed_at": None,
                "removed_by": None,
                "unreadable_at": None,
            },
        )
        return row

    def check_readable(self) -> list["ApiKey"]:
        """Mark the keys that the encryption key does not fit, and return them."""
        return [row for row in self.exclude(encrypted="").order_by("pk") if not row.is_readable()]

    def read_again(self) -> None:
        """Use the keys again whose encryption key was put back meanwhile."""
        for row in self.filter(unreadable_at__isnull=False):
            row.is_readable()

    def erase_unused(self) -> int:
        """Erase removed keys that no open task was sent with. Return how many."""
        sent = apps.get_model("generations", "Generation")._default_manager.filter(
            api_key=OuterRef("pk")
        )
        is_needed = Exists(sent.filter(finished_at=None)) | Exists(
            sent.filter(next_poll_at__isnull=False)
        )
        wanted = apps.get_model("generations", "Picture")._default_manager.filter(
            state="wanted", generation__api_key=OuterRef("pk")
        )
        # An earlier attempt in doubt: an admin may still enter the ID of its task.
        in_doubt = apps.get_model("generations", "Submission")._default_manager.filter(
            api_key=OuterRef("pk"),
            outcome__in=("sent", "unanswered"),
            generation__finished_at=None,
        )
        removed = self.filter(removed_at__isnull=False).exclude(encrypted="")
        unused = removed.filter(~is_needed, ~Exists(wanted), ~Exists(in_doubt))
        return unused.update(encrypted="")


class ApiKey(models.Model):
    """One API key. Never deleted: generations refer to it."""

    class Slot(models.TextChoices):
        FIRST = "first", _("First key")
        RESERVE = "reserve", _("Reserve key")

    slot = models.CharField(max_length=8, choices=Slot)
    encrypted = models.TextField(
        blank=True, editable=False, help_text=_("Empty: erased, because nothing needs it any more.")
    )
    last_four = models.CharField(max_length=4, blank=True)
    fingerprint = models.CharField(
        max_length=64, unique=True, editable=False, help_text=_("SHA-256, to recognize the key.")
    )
    added_at = models.DateTimeField(default=timezone.now)
    added_by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+")
    removed_at = models.DateTimeField(null=True, blank=True)
    removed_by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+")
    unreadable_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the encryption key was found not to fit.")
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        constraints = [
            models.UniqueConstraint(
                fields=["slot"], condition=Q(removed_at=None), name="apikey_active_slot_uniq"
            )
        ]

    def __str__(self) -> str:
        """Shown in logs, so without the key."""
        return f"{self.get_slot_display()} …{self.last_four}"

    @property
    def is_active(self) -> bool:
        return self.removed_at is None

    def decrypt(self) -> str:
        """Return the key. Raises CannotDecrypt. Remembers for all processes whether it could."""
        try:
            text = encryption.decrypt(self.encrypted)
        except encryption.CannotDecrypt:
            self._record_readable(False)
            raise
        self._record_readable(True)
        return text

    def is_readable(self) -> bool:
        try:
            self.decrypt()
        except encryption.CannotDecrypt:
            return False
        return True

    def _record_readable(self, is_readable: bool) -> None:
        if is_readable is (self.unreadable_at is not None):
            self.unreadable_at = None if is_readable else timezone.now()
            ApiKey.objects.filter(pk=self.pk).update(unreadable_at=self.unreadable_at)


def fingerprint_of(key: str) -> str:
    return hashlib.sha256(f"klingweb API key {key}".encode()).hexdigest()


def last_four_of(key: str) -> str:
    return key[-4:] if len(key) >= MIN_CHARACTERS_FOR_LAST_FOUR else ""
