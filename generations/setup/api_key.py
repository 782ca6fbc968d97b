"""Tests an API key at the gateway, free of charge, and stores, replaces and removes it.

The web layer never calls the upstream, with this one exception: the person who enters a key waits
for the answer.
"""

import logging
from contextlib import closing, suppress
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from generations.encryption import CannotDecrypt
from generations.engines import kling
from generations.engines.base import (
    EngineError,
    HoldReason,
    OnHold,
    SlowDown,
    TaskNotFound,
    Unanswered,
)
from generations.engines.gateway import Gateway
from generations.joining import join_sentences
from generations.models import (
    ApiKey,
    AuditAction,
    AuditEntry,
    Generation,
    KeyInOtherSlot,
    Member,
    Team,
    UpstreamGate,
)
from generations.models.encrypted import unreadable_rows
from klingweb import data_folder
from klingweb.environment import API_KEY, SettingError
from klingweb.known_secrets import remember_secret

logger = logging.getLogger(__name__)

QUERY_SECONDS = 8.0  # the whole call
CONNECT_SECONDS = 5.0
MAX_KEY_CHARACTERS = 500
STORAGE_ERRORS = (OSError, SettingError, KeyInOtherSlot)


class KeyProblem(Exception):
    """The key was not accepted. The text says why, without the key."""


def check(key: str) -> None:
    """Ask for a task that cannot exist: only an accepted key gets "not found".

    An empty account is no problem of the key: the queue page reports it. Raises KeyProblem.
    """
    remember_secret(key)
    if not API_KEY.fullmatch(key):
        raise KeyProblem(_("An API key has no spaces, quotes or accents. Paste the key alone."))
    gateway = Gateway(
        settings.GATEWAY_URL, key, query_seconds=QUERY_SECONDS, connect_seconds=CONNECT_SECONDS
    )
    problem = ""
    with closing(kling.Client(gateway)) as client:
        try:
            client.task(f"klingweb-key-test-{uuid4().hex}")
        except TaskNotFound:
            pass
        except (OnHold, SlowDown, Unanswered) as error:
            problem = _problem(error)
    # Outside the except clause, so that no traceback leads to the request and its key.
    if problem:
        raise KeyProblem(problem)


def _problem(error: EngineError) -> str:
    """Say what to do about it; "" if the key is right. Without texts of the gateway."""
    if isinstance(error, SlowDown):
        return _("The gateway is busy and did not test the key. Try again in a minute.")
    if isinstance(error, OnHold):
        return {
            HoldReason.KEY: _("The gateway refused this key. Check that the whole key was copied."),
            HoldReason.RIGHTS: _("This key may not use Kling’s images. Change its rights there."),
            HoldReason.ADDRESS: _("The gateway blocks this server’s IP address. Allow it there."),
        }.get(error.reason, "")
    if error.http_status is None:
        return _(
            "The gateway could not be reached, so the key was not tested. Check the network of "
            "this server and KLINGWEB_UPSTREAM_URL, and try again."
        )
    return _(
        "The gateway’s answer (HTTP %(status)d) could not be read, so the key was not tested. "
        "Check KLINGWEB_UPSTREAM_URL, or try again later."
    ) % {"status": error.http_status}


# --- stored keys ---------------------------------------------------------------------------------


def is_stored() -> bool:
    """Whether a key was entered: it waits for the restart that ends the demo, or is in use."""
    return data_folder.gateway_mark(settings.DATA_DIR).exists()


def put(slot: ApiKey.Slot, key: str, by: Member | None) -> ApiKey:
    """Store a key, encrypted, in place of the one in this slot. No restart is needed.

    Raises KeyInOtherSlot, OSError or SettingError; then nothing is changed.
    """
    with transaction.atomic():
        old = _lock(slot)
        row = ApiKey.objects.put(slot, key, by)
        if not settings.DEMO:
            UpstreamGate.for_key(row.pk)  # now, so that it takes over a pause
        _record(row, by, before=_described(old), after=_described(row))
        transaction.on_commit(_mark)
    logger.info("%s was stored by %s", row, by)
    return row


def storage_problem(error: Exception) -> str:
    """Say why a key was not stored. The text of a SettingError names the file to put back."""
    if isinstance(error, SettingError):
        return join_sentences([_("Nothing was changed."), error])
    return _("The key could not be stored, and nothing was changed. Check the server’s disk.")


def remove(slot: ApiKey.Slot, by: Member) -> None:
    """Send nothing more with the key in this slot. Its open tasks are still queried with it."""
    with transaction.atomic():
        row = _lock(slot)
        if row is None:
            return
        ApiKey.objects.filter(pk=row.pk).update(removed_at=timezone.now(), removed_by=by)
        _record(row, by, before=_described(row), after={})
        if not settings.DEMO:
            UpstreamGate.for_engine()  # without another key, generation is on hold for that
    logger.info("%s was removed by %s", row, by)


def use_instead(missing: ApiKey, other: ApiKey, by: Member) -> None:
    """Ask another key for the tasks of a missing one: `by` says that it is of the same account.

    If that is wrong, nothing is lost: its "no such task" proves nothing. Raises KeyProblem.
    """
    with transaction.atomic():
        Team.objects.lock()
        if missing.pk not in ApiKey.objects.missing() or not other.is_available:
            raise KeyProblem(_("The keys have changed. Here is their current state."))
        ApiKey.objects.filter(pk=missing.pk).update(same_account_as=other)
        before, after = _described(missing), _described(other)
        AuditEntry.objects.record(
            AuditAction.KEY_CHANGED, by, on=missing, before=before, after=after
        )
        Generation.objects.mark_keys(ApiKey.objects.missing())
    logger.info("%s is of the same account as %s, says %s", missing, other, by)


def check_stored(row: ApiKey) -> None:
    """Test a stored key. Raises KeyProblem."""
    key = ""
    with suppress(CannotDecrypt):
        key = row.decrypt()
    if not key:
        raise KeyProblem(_("This key cannot be read: the encryption key does not fit."))
    check(key)


def _lock(slot: ApiKey.Slot) -> ApiKey | None:
    """Exclude other changes, and claims of the worker, and return the key in this slot."""
    Team.objects.lock()
    UpstreamGate.lock_all()
    return ApiKey.objects.active().filter(slot=slot).first()


def _record(
    row: ApiKey, by: Member | None, *, before: dict[str, str], after: dict[str, str]
) -> None:
    ApiKey.objects.erase_unused()
    AuditEntry.objects.record(AuditAction.KEY_CHANGED, by, on=row, before=before, after=after)


def _described(row: ApiKey | None) -> dict[str, str]:
    return {"last_four": f"…{row.last_four}"} if row else {}


# --- the start -----------------------------------------------------------------------------------


def prepare() -> str:
    """At a start: take over what an earlier start or release has left behind.

    Returns a sentence about keys that cannot be read; else "". Raises OSError or SettingError.
    """
    _take_over_old_file()
    if ApiKey.objects.active().exists():
        _mark()
    unreadable = ApiKey.objects.check_readable()
    others = [row for row in unreadable_rows() if not isinstance(row, ApiKey)]
    if not unreadable and not others:
        return ""
    if not unreadable:
        return (
            "The encryption key does not fit second factors or the account key "
            f"({len(others)} stored). Nothing is lost. Put back the right "
            f"{_source_of_encryption_key()}, or remove these in the browser and set them up again."
        )
    return (
        f"The encryption key does not fit the stored API keys ({', '.join(map(str, unreadable))}), "
        "so nothing is sent with them, and nothing is lost. Put back the right "
        f"{_source_of_encryption_key()}, or enter the API keys again in the browser."
    )


def _source_of_encryption_key() -> str:
    if settings.ENCRYPTION_KEYS:
        return "KLINGWEB_ENCRYPTION_KEY"
    return str(data_folder.encryption_key_file(settings.DATA_DIR))


def _take_over_old_file() -> None:
    """Encrypt the key that an earlier release stored in a file; then delete the file.

    Open generations were sent with it, unless the environment has a key, which wins.
    """
    key = data_folder.old_upstream_key(settings.DATA_DIR)
    if not key:
        return
    with transaction.atomic():
        if _lock(ApiKey.Slot.FIRST) is None:
            row = ApiKey.objects.put(ApiKey.Slot.FIRST, key, None)
            _record(row, None, before={}, after=_described(row))
            if not settings.UPSTREAM_KEY:
                open_rows = Generation.objects.filter(
                    Q(finished_at=None) | Q(next_poll_at__isnull=False),
                    api_key=None,
                    upstream=Generation.Upstream.LIVE,
                )
                open_rows.update(api_key=row)
    _mark()
    data_folder.old_upstream_key_file(settings.DATA_DIR).unlink(missing_ok=True)


def _mark() -> None:
    """Let `klingweb/settings.py`, which cannot read the database, know that there is a key.

    If it fails, the next start tries again.
    """
    try:
        data_folder.gateway_mark(settings.DATA_DIR).touch(mode=data_folder.FILE_MODE)
    except OSError:
        logger.exception("The demo goes on, because the data folder cannot be written to")
