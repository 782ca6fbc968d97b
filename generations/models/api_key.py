"""API keys of the gateway, encrypted: the first, the reserve, and those that they replaced.

A task can be queried only with a key of the account that it was sent with: another account answers
"no such task". So each request names the row of its key, and a removed key is kept while anything
may still be fetched with it. The environment's key has a row too, without its text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from django.apps import apps
from django.conf import settings
from django.db import connection, models
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations import encryption
from klingweb.known_secrets import fingerprint_of

from .encrypted import encrypt_new
from .member import Member
from .status import OPEN, SENT

MIN_CHARACTERS_FOR_LAST_FOUR = 12  # of a shorter key, four characters would say too much
# The gateway deletes results after this time at the latest (docs/upstream.md).
RESULTS_KEPT_FOR = timedelta(days=30)
_NOT_STORED = ~Q(state="stored") & ~Q(state="deleted")  # of pictures; an index has this condition


class KeyInOtherSlot(ValueError):
    """The same key is already in use as the other one of the two."""


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def active(self) -> Self:
        return self.filter(removed_at=None)

    def in_order(self) -> list[int | None]:
        """The keys for new requests, by the key of their rows: the first, then the reserve.

        None is the simulator's, in the demo. Empty without a usable key.
        """
        if settings.DEMO:
            return [None]
        own, stored = self._usable()
        if own is None and (row := self.environment()):
            own = row.pk
        keys: list[int | None] = [] if own is None else [own]
        for slot in list(ApiKey.Slot)[len(keys) :]:
            if slot in stored and stored[slot] not in keys:
                keys.append(stored[slot])
        return keys

    def _usable(self) -> tuple[int | None, dict[str, int]]:
        """The environment's row, if it exists, and the readable stored keys, by slot.

        Raw and one statement: every page with cards asks for them.
        """
        fingerprint = fingerprint_of(settings.UPSTREAM_KEY) if settings.UPSTREAM_KEY else ""
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT id, slot, fingerprint, removed_at IS NULL AND unreadable_at IS NULL
                FROM generations_apikey
                WHERE removed_at IS NULL AND unreadable_at IS NULL OR fingerprint = %s""",
                [fingerprint],
            )
            rows = cursor.fetchall()
        own = [pk for pk, _slot, each, _usable in rows if fingerprint and each == fingerprint]
        return next(iter(own), None), {slot: pk for pk, slot, _each, usable in rows if usable}

    def environment(self) -> "ApiKey | None":
        """The row of the key in the environment; creates it. None without such a key.

        It has no text: people choose the environment to keep the key out of the database. The row
        of a key that was also entered in the browser is the same.
        """
        if not settings.UPSTREAM_KEY:
            return None
        fingerprint = fingerprint_of(settings.UPSTREAM_KEY)
        row = self.filter(fingerprint=fingerprint).first()
        if row is None:
            row, _created = self.get_or_create(
                fingerprint=fingerprint,
                defaults={
                    "slot": ApiKey.Slot.FIRST,
                    "is_from_environment": True,
                    "last_four": last_four_of(settings.UPSTREAM_KEY),
                    "removed_at": timezone.now(),  # it takes no slot of the stored keys
                },
            )
        return row

    def is_usable(self, pk: int | None) -> bool:
        """Whether new requests may still be sent with this key."""
        return pk in self.in_order()

    def put(self, slot: "ApiKey.Slot", key: str, by: Member | None) -> "ApiKey":
        """Store the key in place of the one in this slot, in the caller's transaction.

        Where stored keys cannot be read, the new one gets an encryption key of its own, so that a
        backup of the old encryption key can still be put back.

        Lock the team's row first. Raises KeyInOtherSlot, OSError or SettingError; then roll back.
        """
        fingerprint = fingerprint_of(key)
        if self.active().exclude(slot=slot).filter(fingerprint=fingerprint).exists():
            raise KeyInOtherSlot
        if slot != ApiKey.Slot.FIRST and key == settings.UPSTREAM_KEY:
            raise KeyInOtherSlot
        self.check_readable()
        encrypted = encrypt_new(key)
        self.active().filter(slot=slot).exclude(fingerprint=fingerprint).update(
            removed_at=timezone.now(), removed_by=by
        )
        row, _created = self.update_or_create(
            fingerprint=fingerprint,
            defaults={
                "slot": slot,
                "encrypted": encrypted,
                "last_four": last_four_of(key),
                "added_at": timezone.now(),
                "added_by": by,
                "removed_at": None,
                "removed_by": None,
                "unreadable_at": None,
                "is_from_environment": False,
            },
        )
        return row

    def check_readable(self) -> list["ApiKey"]:
        """Mark the keys that the encryption key does not fit, and return them."""
        return [row for row in self.exclude(encrypted="").order_by("pk") if not row.is_readable()]

    def unreadable(self) -> Self:
        return self.filter(unreadable_at__isnull=False).exclude(encrypted="")

    def read_again(self) -> None:
        """Use the keys again whose encryption key was put back meanwhile."""
        for row in self.unreadable():
            row.is_readable()

    def missing(self) -> set[int]:
        """The keys whose tasks cannot be queried, because no key of their account is there."""
        rows = {} if settings.DEMO else self.in_bulk()
        return {pk for pk, row in rows.items() if not row.is_available and not row.stand_ins(rows)}

    def uses(self) -> "dict[int, KeyUses]":
        """What may still be fetched with each key, itself or instead of a missing one."""
        needing: dict[int, set[int]] = {}
        unfinished = _rows("Generation").filter(status__in=SENT, finished_at=None)
        polled = _rows("Generation").filter(next_poll_at__isnull=False)
        wanted = _rows("Picture").filter(_NOT_STORED, state="wanted")
        # An earlier attempt in doubt: an admin may still enter the ID of its task.
        in_doubt = _rows("Submission").filter(
            outcome__in=("sent", "unanswered"),
            generation__in=_rows("Generation").filter(status__in=OPEN, finished_at=None),
        )
        for rows, names in (
            (unfinished, ("api_key", "pk")),
            (polled, ("api_key", "pk")),
            (wanted, ("generation__api_key", "generation")),
            (in_doubt, ("api_key", "generation")),
        ):
            for key, generation in rows.order_by().values_list(*names):
                needing.setdefault(key or 0, set()).add(generation)
        since = timezone.now() - RESULTS_KEPT_FOR
        lost = _rows("Picture").filter(_NOT_STORED, state="lost", generation__finished_at__gt=since)
        by_key = lost.order_by().values_list("generation__api_key")
        last = dict(by_key.annotate(Max("generation__finished_at")))
        keys = self.in_bulk()
        return {pk: self._uses_of([pk, *_missing_for(pk, keys)], needing, last) for pk in keys}

    @staticmethod
    def _uses_of(
        keys: list[int], needing: Mapping[int, set[int]], last: Mapping[int, datetime]
    ) -> "KeyUses":
        lost_at = max((last[key] for key in keys if key in last), default=None)
        count = len(set().union(*(needing.get(key, set()) for key in keys)))
        return KeyUses(count, lost_at and lost_at + RESULTS_KEPT_FOR)

    def erase_unused(self) -> int:
        """Erase removed keys with which nothing can be fetched any more. Return how many.

        One that cannot be read stays: its encryption key may be put back.
        """
        removed = self.filter(removed_at__isnull=False, unreadable_at=None).exclude(encrypted="")
        if not removed.exists():
            return 0
        needed = [pk for pk, uses in self.model.objects.uses().items() if uses.is_needed]
        return removed.exclude(pk__in=needed).update(encrypted="")


@dataclass(frozen=True)
class KeyUses:
    """What may still be fetched with a key."""

    requests: int  # in progress, in doubt, or with files to download
    lost_until: datetime | None  # until when images that could not be downloaded may be there

    @property
    def is_needed(self) -> bool:
        return bool(self.requests or self.lost_until)


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
    is_from_environment = models.BooleanField(
        default=False, db_default=False, help_text=_("Its text was never stored.")
    )
    same_account_as = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("An owner said so: this key may be asked for the tasks of a missing one."),
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

    @property
    def is_in_environment(self) -> bool:
        """Whether it is the environment's key now."""
        key: str = settings.UPSTREAM_KEY
        return bool(key) and self.fingerprint == fingerprint_of(key)

    @property
    def is_in_use(self) -> bool:
        return self.is_active or self.is_in_environment

    @property
    def is_available(self) -> bool:
        """Whether its text is there, as far as it was tried."""
        return self.is_in_environment or bool(self.encrypted and self.unreadable_at is None)

    @property
    def is_erased(self) -> bool:
        """Whether its text was stored, and nothing needed it any more."""
        return not (self.encrypted or self.is_from_environment or self.is_in_environment)

    def stand_ins(self, rows: "Mapping[int, ApiKey]") -> "list[ApiKey]":
        """The available keys of the same account, as owners said. `rows`: all, by their key."""
        found: dict[int, ApiKey] = {}
        row: ApiKey | None = self
        while row is not None and row.same_account_as_id not in (None, self.pk, *found):
            row = rows.get(row.same_account_as_id or 0)
            if row is not None:
                found[row.pk] = row
        return [each for each in found.values() if each.is_available]

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


def _missing_for(pk: int, rows: "Mapping[int, ApiKey]") -> list[int]:
    """The keys for whose tasks this one may be asked."""
    return [key for key, row in rows.items() if pk in {each.pk for each in row.stand_ins(rows)}]


def _rows(model: str) -> "models.QuerySet[Any]":
    """The rows of a model whose module imports this one."""
    rows: models.QuerySet[Any] = apps.get_model("generations", model)._default_manager.all()
    return rows


def last_four_of(key: str) -> str:
    return key[-4:] if len(key) >= MIN_CHARACTERS_FOR_LAST_FOUR else ""
