"""The engine clients of this install, one for each API key."""

import logging
import time

from django.conf import settings

from generations.encryption import CannotDecrypt
from generations.engines import kling
from generations.engines.base import (
    Engine,
    EngineError,
    HoldReason,
    OnHold,
    Task,
    TaskNotFound,
    Unanswered,
)
from generations.engines.gateway import Gateway
from generations.models import ApiKey

logger = logging.getLogger(__name__)

RELOAD_SECONDS = 1.0  # how soon a loop sees a change of the keys; a claim checks it itself


def make_client(key: str = "") -> Engine:
    """Return a client with this key, else the environment's or the simulator's.

    The caller closes it.
    """
    gateway = Gateway(
        settings.UPSTREAM_URL,
        key or settings.UPSTREAM_KEY or settings.SIMULATOR_KEY,
        submit_seconds=settings.SUBMIT_DEADLINE_SECONDS,
    )
    return kling.Client(gateway, profile=settings.UPSTREAM_PROFILE)


class TaskQueries:
    """Queries for a task, with the key that it was sent with.

    A key that was replaced is often revoked, too, while the new one belongs to the same account. So
    where the old one is refused, erased or gone from the environment, those in use are asked. That
    they do not know the task proves nothing: they may belong to another account.
    """

    def __init__(self, own: Engine | None, others: list[Engine]) -> None:
        self._own, self._others = own, others

    def task(self, upstream_task_id: str) -> Task:
        """See `Engine.task`. Thread-safe."""
        refusal: EngineError = Unanswered("the API key of this task is gone, and no other knows it")
        if self._own is not None:
            try:
                return self._own.task(upstream_task_id)
            except OnHold as error:
                if error.reason not in (HoldReason.KEY, HoldReason.RIGHTS):
                    raise
                refusal = error
        for other in self._others:
            try:
                return other.task(upstream_task_id)
            except TaskNotFound:
                continue
            except EngineError as error:
                refusal = error
        raise refusal


class Clients:
    """The clients of one run of a loop, by the key of the API key's row; None: the environment's.

    Keys may change at any time, so their rows are read again every second. Only the main thread
    calls these methods; the clients that they return are for all threads.
    """

    def __init__(self) -> None:
        self._clients: dict[int | None, Engine] = {}
        self._rows: dict[int, ApiKey] = {}
        self._in_order: list[int | None] = []
        self._unreadable: set[int] = set()
        self._reload_at = 0.0

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def for_submit(self, api_key: int | None) -> Engine:
        """Raises CannotDecrypt."""
        client = self._client(api_key)
        if client is None:
            raise CannotDecrypt("The encryption key does not fit, or the API key was erased.")
        return client

    def for_queries(self, api_key: int | None) -> TaskQueries | None:
        """What to query the tasks with that were sent with this key; None: nothing for now."""
        self._reload()
        row, own = self._rows.get(api_key or 0), self._client(api_key)
        if own is None and row is not None and row.encrypted:
            return None  # unreadable for now: another key would know nothing of its tasks
        is_in_use = own is not None and (row is None or row.is_active)
        others = [] if is_in_use else [self._client(key) for key in self._in_order]
        known = [other for other in others if other is not None]
        return TaskQueries(own, known) if own or known else None

    def for_lookups(self, api_key: int | None) -> Engine | None:
        """The client of the key alone: only its account proves that a task does not exist."""
        self._reload()
        return self._client(api_key)

    def without_client(self) -> set[int | None]:
        """The keys whose tasks cannot be queried for now."""
        self._reload()
        return {key for key in (None, *self._rows) if self.for_queries(key) is None}

    def _reload(self) -> None:
        if time.monotonic() < self._reload_at:
            return
        self._reload_at = time.monotonic() + RELOAD_SECONDS
        self._unreadable.clear()
        self._in_order = ApiKey.objects.in_order()
        self._rows = {} if settings.DEMO else ApiKey.objects.in_bulk()

    def _client(self, api_key: int | None) -> Engine | None:
        """Return the client; None if the key is erased or cannot be read for now."""
        if api_key not in self._clients:
            key = self._key(api_key)
            if not key:
                return None
            self._clients[api_key] = make_client(key)
        return self._clients[api_key]

    def _key(self, api_key: int | None) -> str:
        if api_key is None:
            key: str = settings.UPSTREAM_KEY
            return key or (settings.SIMULATOR_KEY if settings.DEMO else "")
        row = self._rows.get(api_key) or ApiKey.objects.get(pk=api_key)
        if not row.encrypted or api_key in self._unreadable:
            return ""
        try:
            return row.decrypt()
        except CannotDecrypt:
            self._unreadable.add(api_key)
            logger.error("%s cannot be read: the encryption key does not fit", row)
            return ""
