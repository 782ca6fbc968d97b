"""Tests the key of the gateway's account API, free of charge, and stores and removes it."""

import logging
from contextlib import closing, suppress

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from generations import encryption
from generations.engines.account import AccountClient
from generations.engines.base import EngineError, HoldReason, OnHold, RequestRefused, SlowDown
from generations.engines.gateway import Gateway
from generations.models import AccountKey, AuditAction, AuditEntry, Member, Team
from generations.models.api_key import last_four_of
from generations.models.encrypted import encrypt_new
from klingweb.environment import API_KEY
from klingweb.known_secrets import remember_secret

from .api_key import CONNECT_SECONDS, QUERY_SECONDS, KeyProblem

logger = logging.getLogger(__name__)


def check(key: str) -> None:
    """Ask the account API whose key it is. Raises KeyProblem."""
    remember_secret(key)
    if not API_KEY.fullmatch(key):
        raise KeyProblem(_("A key has no spaces, quotes or accents. Paste the key alone."))
    gateway = Gateway(
        settings.ACCOUNT_URL, key, query_seconds=QUERY_SECONDS, connect_seconds=CONNECT_SECONDS
    )
    problem = ""
    with closing(AccountClient(gateway)) as client:
        try:
            client.check()
        except EngineError as error:
            problem = _problem(error)
    # Outside the except clause, so that no traceback leads to the request and its key.
    if problem:
        raise KeyProblem(problem)


def _problem(error: EngineError) -> str:
    if isinstance(error, SlowDown):
        return _("The account API is busy and did not test the key. Try again in a minute.")
    if isinstance(error, RequestRefused) or (
        isinstance(error, OnHold) and error.reason in (HoldReason.KEY, HoldReason.RIGHTS)
    ):
        return _("The account API refused this key. It is another key than the API key.")
    return _(
        "The account API could not be reached, so the key was not tested. Check the network of "
        "this server and KLINGWEB_ACCOUNT_URL, and try again."
    )


def put(key: str, by: Member) -> AccountKey:
    """Store the key, encrypted. Raises OSError or SettingError; then nothing is changed."""
    with transaction.atomic():
        Team.objects.lock()
        before = _described(AccountKey.objects.stored())
        row, _is_new = AccountKey.objects.update_or_create(
            pk=1,
            defaults={
                "encrypted": encrypt_new(key),
                "last_four": last_four_of(key),
                "added_at": timezone.now(),
                "added_by": by,
            },
        )
        _record(row, by, before, _described(row))
    logger.info("%s was stored by %s", row, by)
    return row


def remove(by: Member) -> None:
    """Forget the key at once: nothing else needs it."""
    with transaction.atomic():
        Team.objects.lock()
        row = AccountKey.objects.stored()
        if row is None:
            return
        AccountKey.objects.filter(pk=row.pk).update(encrypted="")
        _record(row, by, _described(row), {})
    logger.info("%s was removed by %s", row, by)


def check_in_use() -> None:
    """Test the key in use. Raises KeyProblem."""
    key = ""
    with suppress(encryption.CannotDecrypt):
        key = AccountKey.objects.secret()
    if not key:
        raise KeyProblem(_("This key cannot be read: the encryption key does not fit."))
    check(key)


def _record(row: AccountKey, by: Member, before: dict[str, str], after: dict[str, str]) -> None:
    AuditEntry.objects.record(AuditAction.KEY_CHANGED, by, on=row, before=before, after=after)


def _described(row: AccountKey | None) -> dict[str, str]:
    return {"last_four": f"…{row.last_four}"} if row else {}
