"""Every row with encrypted texts: API keys, the account key, second factors."""

from typing import Any, TypeAlias

from django.apps import apps

from generations import encryption

Row: TypeAlias = Any  # ApiKey, AccountKey or Authenticator: their modules import this one
FACTOR_FIELDS = ("secret", "seed")  # of an app, of recovery codes


def stored_rows() -> list[Row]:
    keys = apps.get_model("generations", "ApiKey")._default_manager
    accounts = apps.get_model("generations", "AccountKey")._default_manager
    factors = apps.get_model("mfa", "Authenticator")._default_manager.exclude(type="webauthn")
    stored = [*keys.exclude(encrypted="").order_by("pk"), *accounts.exclude(encrypted="")]
    return [*stored, *factors.order_by("pk")]


def is_factor(row: Row) -> bool:
    return bool(row._meta.label == "mfa.Authenticator")


def tokens(row: Row) -> list[str]:
    """Its texts. Those of a second factor may be of an earlier release, which encrypted none."""
    if not is_factor(row):
        return [row.encrypted] if row.encrypted else []
    single = [row.data[name] for name in FACTOR_FIELDS if name in row.data]
    return [*single, *row.data.get("migrated_codes", ())]


def is_readable(row: Row) -> bool:
    try:
        for token in filter(encryption.is_token, tokens(row)):
            encryption.decrypt(token)
    except encryption.CannotDecrypt:
        return False
    return True


def unreadable_rows() -> list[Row]:
    """Those that the encryption key does not fit. Nothing is written."""
    return [row for row in stored_rows() if not is_readable(row)]


def encrypt_new(text: str) -> str:
    """Encrypt for a row that is stored now, in a transaction with the team's row locked.

    Where stored rows cannot be read, with an encryption key in a second file, so that a backup of
    the first can still be put back, and then both fit. Raises OSError or SettingError.
    """
    if unreadable_rows():
        encryption.keep_for_backup()
    return encryption.encrypt(text)
