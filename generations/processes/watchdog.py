"""Keeps one django-q2 cluster alive: starts it, checks its heartbeat, restarts it.

A killed idle worker or monitor freezes a cluster for good, and no exit code shows it. So every few
seconds a heartbeat task goes through the whole cluster, from the queue to the acknowledgement.
"""

import logging
import math
import os
import signal
import time
from datetime import datetime
from types import FrameType

import psutil
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from generations.database_errors import explain
from generations.models import Lease, UpstreamGate
from generations.worker import tasks

from .forked import ForkedProcess, die_with_parent

logger = logging.getLogger(__name__)

CHECK_SECONDS = 1.0
RESTART_SECONDS = 1.0


def run_cluster_alone() -> None:
    """Run the cluster without a watchdog; each of its processes dies with its parent."""
    os.register_at_fork(after_in_child=die_with_parent)
    tasks.create_schedules()
    for gate in UpstreamGate.of_all_engines():
        gate.forget_answers()
    tasks.run_cluster()


class Watchdog:
    """`Watchdog().run()` returns after SIGTERM or SIGINT, when the cluster has stopped."""

    def __init__(self) -> None:
        self.cluster: ForkedProcess | None = None
        self.stopping = False
        self.database_fault = ""
        self.heartbeat_key: int | None = None
        self.previous_heartbeat_at: datetime | None = None
        self.heartbeat_sent_at = self.alive_at = time.monotonic()

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        while not self.stopping:
            self.cluster = ForkedProcess(run_cluster_alone)
            self.alive_at = time.monotonic()
            self.heartbeat_sent_at, self.heartbeat_key = -math.inf, None
            while not self.stopping and not (fault := self._find_fault()):
                time.sleep(CHECK_SECONDS)
            if not self.stopping:
                logger.error("Restarting the cluster: %s", fault)
                self.cluster.kill()
                time.sleep(RESTART_SECONDS)
        self._stop_cluster()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _find_fault(self) -> str:
        """Return what is wrong with the cluster, or ""."""
        assert self.cluster
        if self.cluster.poll() is not None:
            return f"it exited with status {self.cluster.status}"
        now = time.monotonic()
        try:
            if self._heartbeat_arrived():
                self.alive_at = now
                if now - self.heartbeat_sent_at >= settings.WATCHDOG_HEARTBEAT_SECONDS:
                    self._send_heartbeat()
                    return self._suspended_process()
            self._log_database("")
        except DatabaseError as error:
            # Without the database the heartbeat cannot be read: do not restart.
            self._log_database(explain(error))
            connection.close()
            self.alive_at = now
        silent = now - self.alive_at
        is_silent = silent > settings.WATCHDOG_TIMEOUT_SECONDS
        return f"no heartbeat for {silent:.0f} s" if is_silent else ""

    def _log_database(self, fault: str) -> None:
        """Log a fault once and not at every check."""
        if fault and not self.database_fault:
            logger.error("The watchdog waits for the database: %s", fault)
        elif self.database_fault and not fault:
            logger.info("The database can be used again")
        self.database_fault = fault

    def _send_heartbeat(self) -> None:
        self.previous_heartbeat_at = Lease.last_heartbeat("worker")
        self.heartbeat_key = tasks.enqueue_heartbeat()
        self.heartbeat_sent_at = time.monotonic()

    def _heartbeat_arrived(self) -> bool:
        """Whether the last heartbeat was executed (it is newer) and acknowledged (not queued)."""
        if self.heartbeat_key is None:
            return True  # none has been sent
        if tasks.is_queued(self.heartbeat_key):
            return False
        return Lease.last_heartbeat("worker") != self.previous_heartbeat_at

    def _suspended_process(self) -> str:
        """Return which process of the cluster is suspended, or ""."""
        assert self.cluster
        try:
            parent = psutil.Process(self.cluster.pid)
            members = [parent, *parent.children(recursive=True)]
            suspended = [p.pid for p in members if p.status() == psutil.STATUS_STOPPED]
        except psutil.NoSuchProcess:
            return ""  # it has just exited; the next check reports it
        return f"process {suspended[0]} is suspended" if suspended else ""

    def _stop_cluster(self) -> None:
        """Stop cleanly: only the parent gets the signal, so that calls in progress can finish."""
        if self.cluster is None:
            return
        self.cluster.terminate()
        if self.cluster.wait(tasks.MAX_CALL_SECONDS) is None:
            logger.error("The cluster did not stop in time")
        self.cluster.kill()
