"""The engine clients of this install, one for each API key."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from django.conf import settings

from generations.encryption import CannotDecrypt
from generations.engines import registry
from generations.engines.base import (
    Engine,
    HoldReason,
    OnHold,
    Task,
    TaskEngine,
    TaskNotFound,
    Unanswered,
)
from generations.engines.gateway import Gateway
from generations.engines.registry import ENGINES
from generations.models import DEFAULT_ENGINE, ApiKey, UpstreamGate, known_keys

logger = logging.getLogger(__name__)

REFUSED_KEY = (HoldReason.KEY, HoldReason.RIGHTS)
RELOAD_SECONDS = 1.0  # how soon a loop sees a change of the keys; a claim checks it itself


def submit_seconds(engine: str) -> float:
    """How long one submit may take."""
    return ENGINES[engine].submit_seconds or float(settings.SUBMIT_DEADLINE_SECONDS)


def make_client(key: str = "", engine: str = DEFAULT_ENGINE) -> Engine:
    """Return a client with this key, else the environment's or the simulator's.

    The caller closes it.
    """
    gateway = Gateway(
        settings.UPSTREAM_URL,
        key or settings.UPSTREAM_KEY or settings.SIMULATOR_KEY,
        submit_seconds=submit_seconds(engine),
    )
    return registry.make_client(engine, gateway, settings.UPSTREAM_PROFILE)


@dataclass(frozen=True)
class QueryResult:
    """The outcome of a query, and what each key that was used answered, for its own gate."""

    outcome: Task | Exception
    reports: tuple[tuple[int | None, Exception | None], ...]


class TaskQueries:
    """Queries for a task, with the key that it was sent with.

    A key that was replaced is often revoked, too, while the new one belongs to the same account. So
    where the old one is refused, or stands for one that is gone, the others are asked. That they
    do not know the task proves nothing: they may belong to another account.
    """

    def __init__(
        self,
        own: tuple[int | None, TaskEngine] | None,
        others: Iterable[tuple[int | None, TaskEngine]] = (),
        *,
        is_replaced: bool = False,
    ) -> None:
        """Each client with the key of its API key's row.

        `is_replaced`: nothing is sent with the own key any more, so a refusal of it holds nothing.
        """
        self._own, self._others, self._is_replaced = own, tuple(others), is_replaced

    def query(self, upstream_task_id: str) -> QueryResult:
        """See `Engine.task`, whose errors are the outcome. Thread-safe."""
        outcome: Task | Exception
        outcome = Unanswered("the API key of this task is gone, and no other knows it")
        if self._own is not None:
            key, client = self._own
            outcome = _ask(client, upstream_task_id)
            is_refused = isinstance(outcome, OnHold) and outcome.reason in REFUSED_KEY
            if not (is_refused and self._is_replaced):
                return QueryResult(outcome, ((key, _error_of(outcome)),))
        reports = []
        for key, client in self._others:
            answer = _ask(client, upstream_task_id)
            reports.append((key, _error_of(answer)))
            if isinstance(answer, Task):
                return QueryResult(answer, tuple(reports))
            if not isinstance(answer, TaskNotFound):
                outcome = answer
        return QueryResult(outcome, tuple(reports))


def _ask(client: TaskEngine, upstream_task_id: str) -> Task | Exception:
    try:
        return client.task(upstream_task_id)
    except Exception as error:
        return error


def _error_of(outcome: Task | Exception) -> Exception | None:
    return outcome if isinstance(outcome, Exception) else None


class Clients:
    """The clients of one run of a loop, by engine and by the key of the API key's row.

    None: the simulator's key.

    Keys may change at any time, so their rows are read again every second. Only the main thread
    calls these methods; the clients that they return are for all threads.
    """

    def __init__(self) -> None:
        self._clients: dict[tuple[str, int | None], Engine] = {}
        self._rows: dict[int, ApiKey] = {}
        self._in_order: list[int | None] = []
        self._silent: dict[str, set[int | None]] = {}
        self._unreadable: set[int] = set()
        self._reload_at = 0.0

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def for_submit(self, api_key: int | None, engine: str = DEFAULT_ENGINE) -> Engine:
        """Raises CannotDecrypt."""
        client = self._client(api_key, engine)
        if client is None:
            raise CannotDecrypt("The encryption key does not fit, or the API key was erased.")
        return client

    def for_reading(self, api_key: int | None, engine: str) -> Engine:
        """A client for an answer that was received with this key, which it removes from texts."""
        return self._client(api_key, engine) or make_client("", engine)

    def for_queries(self, api_key: int | None, engine: str = DEFAULT_ENGINE) -> TaskQueries | None:
        """What to query the tasks with that were sent with this key; None: nothing for now.

        A foreign key is asked only where it may be of the same account: instead of a removed key
        that the gateway refuses, of one that an owner named, and of the unknown one of an earlier
        release.
        """
        self._reload()
        row, own = self._rows.get(api_key or 0), self._task_client(api_key, engine)
        if own is not None and (row is None or row.is_in_use):
            return TaskQueries((api_key, own))
        stand_ins: list[int | None] = []
        if row is not None:
            stand_ins += [each.pk for each in row.stand_ins(self._rows)]
        if own is not None or row is None:
            stand_ins += self._in_order
        silent = self._silent_keys(engine)
        clients = {key: self._task_client(key, engine) for key in stand_ins if key not in silent}
        known = [(key, client) for key, client in clients.items() if client is not None]
        if own is not None:
            return TaskQueries((api_key, own), known, is_replaced=True)
        return TaskQueries(None, known) if known else None

    def for_lookups(
        self, api_key: int | None, engine: str = DEFAULT_ENGINE
    ) -> tuple[int | None, TaskEngine] | None:
        """The key to search with, and its client. Only the account of `api_key` proves anything."""
        self._reload()
        row = self._rows.get(api_key or 0)
        stand_ins = [each.pk for each in row.stand_ins(self._rows)] if row else self._in_order
        for key in (api_key, *stand_ins):
            client = self._task_client(key, engine)
            if client is not None:
                return key, client
        return None

    def without_client(self, engine: str = DEFAULT_ENGINE) -> set[int | None]:
        """The keys whose tasks cannot be queried for now."""
        self._reload()
        return {key for key in (None, *self._rows) if self.for_queries(key, engine) is None}

    def _reload(self) -> None:
        if time.monotonic() < self._reload_at:
            return
        self._reload_at = time.monotonic() + RELOAD_SECONDS
        self._unreadable.clear()
        self._in_order = ApiKey.objects.in_order()
        self._rows = {} if settings.DEMO else ApiKey.objects.in_bulk()
        self._silent.clear()
        known_keys.refresh()

    def _silent_keys(self, engine: str) -> set[int | None]:
        if engine not in self._silent:
            self._silent[engine] = UpstreamGate.silent_keys(engine)
        return self._silent[engine]

    def _task_client(self, api_key: int | None, engine: str) -> TaskEngine | None:
        """Return the client of an engine with tasks; the rows of others are never asked about."""
        return cast(TaskEngine | None, self._client(api_key, engine))

    def _client(self, api_key: int | None, engine: str) -> Engine | None:
        """Return the client; None if the key is erased or cannot be read for now."""
        if (engine, api_key) not in self._clients:
            key = self._key(api_key)
            if not key:
                return None
            self._clients[engine, api_key] = make_client(key, engine)
        return self._clients[engine, api_key]

    def _key(self, api_key: int | None) -> str:
        key: str = settings.UPSTREAM_KEY
        if api_key is None:
            return (key or settings.SIMULATOR_KEY) if settings.DEMO else ""
        row = self._rows.get(api_key) or ApiKey.objects.get(pk=api_key)
        if row.is_in_environment:
            return key
        if not row.encrypted or api_key in self._unreadable:
            return ""
        try:
            return row.decrypt()
        except CannotDecrypt:
            self._unreadable.add(api_key)
            logger.error("%s cannot be read: the encryption key does not fit", row)
            return ""
