"""Encrypts API keys and second factors again with a new key. Safe to interrupt at any step.

The new encryption key is durable before a row uses it, and the old ones go when no row needs them.
So each row can be read after every step, and another run continues where one was interrupted.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from generations import encryption
from generations.models import ApiKey, AuditAction, AuditEntry, Team
from generations.models.audit_entry import ENCRYPTED_AGAIN
from generations.models.encrypted import (
    FACTOR_FIELDS,
    Row,
    is_factor,
    is_readable,
    stored_rows,
    tokens,
    unreadable_rows,
)


@dataclass(frozen=True)
class Rotation:
    """How many rows were encrypted again, and which could not be read and were left as they are."""

    rows: int  # of API keys
    unreadable: tuple[str, ...]
    factors: int = 0


def rotate() -> Rotation:
    """Encrypt every row with a new key, and forget the old keys if no row needs them any more.

    With KLINGWEB_ENCRYPTION_KEY, its first key is the new one, and nothing is forgotten: it is the
    admin's. Raises OSError or SettingError.
    """
    if not settings.ENCRYPTION_KEYS:
        with transaction.atomic():
            Team.objects.lock()
            ApiKey.objects.check_readable()
            if not unreadable_rows():
                encryption.join_key_files()
            if not _needs_old_keys():  # else an earlier run was interrupted: this one ends it
                encryption.add_key()
    done, unreadable = {True: 0, False: 0}, []
    for stored in stored_rows():
        with transaction.atomic():
            Team.objects.lock()
            rows: Any = type(stored)._default_manager
            # A recovery code that is used at this moment must not become unused again.
            row: Row | None = rows.select_for_update().filter(pk=stored.pk).first()
            if row is None or all(encryption.is_current(token) for token in tokens(row)):
                continue
            try:
                _encrypt_again(row)
            except encryption.CannotDecrypt:
                unreadable.append(_name(row))
                continue
            done[is_factor(row)] += 1
    if not settings.ENCRYPTION_KEYS:
        _forget_old_keys()
    return Rotation(done[False], tuple(unreadable), factors=done[True])


def stored_tokens() -> list[str]:
    """Every encrypted text of the database."""
    return [token for row in stored_rows() for token in tokens(row) if encryption.is_token(token)]


def _forget_old_keys() -> None:
    """Under the lock, because a key that is entered now may be encrypted with an old one."""
    with transaction.atomic():
        Team.objects.lock()
        if not _needs_old_keys():
            encryption.forget_old_keys()
            AuditEntry.objects.record(AuditAction.KEY_CHANGED, None, note=ENCRYPTED_AGAIN)


def _needs_old_keys() -> bool:
    """Whether a row can be read, but not with the newest encryption key alone."""
    return any(
        is_readable(row)
        and any(
            encryption.is_token(token) and not encryption.is_current(token) for token in tokens(row)
        )
        for row in stored_rows()
    )


def _encrypt_again(row: Row) -> None:
    """Raises CannotDecrypt."""
    if not is_factor(row):
        row.encrypted = encryption.encrypt_again(row.encrypted)
        row.save(update_fields=["encrypted"])
        return
    for name in FACTOR_FIELDS:
        if name in row.data:
            row.data[name] = _factor_again(row.data[name])
    if "migrated_codes" in row.data:
        row.data["migrated_codes"] = [_factor_again(code) for code in row.data["migrated_codes"]]
    row.save(update_fields=["data"])


def _factor_again(text: str) -> str:
    is_token = encryption.is_token(text)
    return encryption.encrypt_again(text) if is_token else encryption.encrypt(text)


def _name(row: Row) -> str:
    return f"{row} of {row.user}" if is_factor(row) else str(row)
