"""Tests an API key at the gateway, free of charge, and stores it.

The web layer never calls the upstream, with this one exception: the person who enters a key waits
for the answer, and no row exists yet that a worker could read.
"""

from contextlib import closing
from uuid import uuid4

from django.conf import settings
from django.utils.translation import gettext as _

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
from klingweb import data_folder
from klingweb.environment import API_KEY, SettingError

QUERY_SECONDS = 8.0  # the whole call
CONNECT_SECONDS = 5.0
MAX_KEY_CHARACTERS = 500


class KeyProblem(Exception):
    """The key was not accepted. The text says why, without the key."""


def check(key: str) -> None:
    """Ask for a task that cannot exist: only an accepted key gets "not found".

    An empty account is no problem of the key: the queue page reports it. Raises KeyProblem.
    """
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


def is_stored() -> bool:
    """Whether a key waits for the restart that uses it, or is in use."""
    try:
        return bool(data_folder.stored_upstream_key(settings.DATA_DIR))
    except SettingError:
        return False


def store(key: str) -> None:
    """`klingweb/settings.py` reads it at the next start. Raises OSError."""
    data_folder.write_private(data_folder.upstream_key_file(settings.DATA_DIR), key)
