"""Encrypts the stored API keys again with a new encryption key. Safe to interrupt at any step.

The new encryption key is durable before a row uses it, and the old ones go when no row needs them.
So each row can be read after every step, and another run continues where one was interrupted.
"""

from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from generations import encryption
from generations.models import ApiKey, AuditAction, AuditEntry, Team


@dataclass(frozen=True)
class Rotation:
    """How many rows were encrypted again, and which could not be read and were left as they are."""

    rows: int
    unreadable: tuple[str, ...]


def rotate() -> Rotation:
    """Encrypt every row with a new key, and forget the old keys if no row needs them any more.

    With KLINGWEB_ENCRYPTION_KEY, its first key is the new one, and nothing is forgotten: it is the
    admin's. Raises OSError or SettingError.
    """
    if not settings.ENCRYPTION_KEYS:
        with transaction.atomic():
            Team.objects.lock()
            if not _needs_old_keys():  # else an earlier run was interrupted: this one ends it
                encryption.add_key()
    rows, unreadable = 0, []
    for pk in ApiKey.objects.exclude(encrypted="").order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            Team.objects.lock()
            row = ApiKey.objects.get(pk=pk)
            if not row.encrypted or encryption.is_current(row.encrypted):
                continue
            try:
                row.encrypted = encryption.encrypt_again(row.encrypted)
            except encryption.CannotDecrypt:
                unreadable.append(str(row))
                continue
            row.save(update_fields=["encrypted"])
            rows += 1
    if not settings.ENCRYPTION_KEYS:
        _forget_old_keys()
    return Rotation(rows, tuple(unreadable))


def _forget_old_keys() -> None:
    """Under the lock, because a key that is entered now may be encrypted with an old one."""
    with transaction.atomic():
        Team.objects.lock()
        if not _needs_old_keys():
            encryption.forget_old_keys()
            AuditEntry.objects.record(
                AuditAction.KEY_CHANGED, None, note="Encrypted again with a new encryption key"
            )


def _needs_old_keys() -> bool:
    """Whether a row can be read, but not with the newest encryption key alone."""
    stored = ApiKey.objects.exclude(encrypted="")
    return any(row.is_readable() and not encryption.is_current(row.encrypted) for row in stored)
