"""Tests of a hold by a query, before a paid POST is risked."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import cast

from django.utils import timezone

from generations.encryption import CannotDecrypt
from generations.engines.base import Task, TaskEngine, TaskNotFound
from generations.engines.registry import ENGINES
from generations.models import ReportSource, UpstreamGate

from . import dispatch
from .upstream import Clients

logger = logging.getLogger(__name__)

UNKNOWN_TASK_ID = "klingweb-connection-test"  # a query for it costs nothing


class HoldTests:
    """The tests of one run. Threads send the queries: a slow answer delays no other engine."""

    def __init__(self, clients: Clients, pool: ThreadPoolExecutor) -> None:
        self.clients, self.pool = clients, pool
        self.pending: dict[int, Future[Task]] = {}  # by the key of the gate
        self._passed: set[int] = set()

    def passed(self, gates: list[UpstreamGate]) -> list[UpstreamGate]:
        """Those through which rows may be sent now. Starts and ends the tests of the others."""
        now = timezone.now()
        to_test = {gate.pk: gate for gate in gates if _must_query(gate, now)}
        self._passed -= {gate.pk for gate in gates} - to_test.keys()
        for gate in to_test.values():
            if gate.pk not in self._passed and gate.pk not in self.pending:
                self._start(gate)
        for gate in gates:
            if gate.pk in self.pending and self.pending[gate.pk].done():
                self._end(gate, self.pending.pop(gate.pk))
        return [gate for gate in gates if gate.pk in self._passed or gate.pk not in to_test]

    def _start(self, gate: UpstreamGate) -> None:
        try:
            client = cast(TaskEngine, self.clients.for_submit(gate.api_key_id, gate.engine))
        except CannotDecrypt as error:
            self._continue(gate, error)
            return
        self.pending[gate.pk] = self.pool.submit(client.task, UNKNOWN_TASK_ID)

    def _end(self, gate: UpstreamGate, query: "Future[Task]") -> None:
        """If the query failed, the next test is later.

        With an empty queue a good response ends a hold that a query has started; otherwise one row
        tests it.
        """
        error = query.exception()
        if error is not None and not isinstance(error, TaskNotFound):
            self._continue(gate, error)
            return
        self._passed.add(gate.pk)
        if not dispatch.has_candidates(gates=UpstreamGate.in_turn(gate.engine)):
            gate.report(None, source=ReportSource.POLL)

    def _continue(self, gate: UpstreamGate, error: BaseException) -> None:
        logger.warning("The hold continues: %s", error)
        gate.probe()


def _must_query(gate: UpstreamGate, now: datetime) -> bool:
    is_for_queries = gate.hold_reason in gate.REASONS_TESTED_BY_QUERIES
    return ENGINES[gate.engine].has_tasks and is_for_queries and gate.can_submit(now)
