"""Keeps one django-q2 cluster alive: starts it, listens for its beat, kills and starts it anew.

A killed idle worker or monitor freezes a cluster for good, and no exit code tells it; so every few
seconds a beat goes through the whole of it, from the queue to the acknowledgement.
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
from django.db import Error as DatabaseProblem
from django.db import connection

from generations.models import Lease
from generations.worker import tasks

from .forked import ForkedProcess, die_with_parent

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
RESTART_SECONDS = 1.0


def run_cluster_alone() -> None:
    """What the watchdog starts: the cluster, each of its processes tied to its parent."""
    os.register_at_fork(after_in_child=die_with_parent)
    tasks.create_schedules()
    tasks.run_cluster()


class Watchdog:
    """`Watchdog().run()` returns after SIGTERM or SIGINT, when the cluster has stopped."""

    def __init__(self) -> None:
        self.cluster: ForkedProcess | None = None
        self.stopping = False
        self.heartbeat_key: int | None = None
        self.heartbeat_seen: datetime | None = None
        self.heartbeat_sent_at = self.alive_at = time.monotonic()

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        while not self.stopping:
            self.cluster = ForkedProcess(run_cluster_alone)
            self.alive_at, self.heartbeat_sent_at, self.heartbeat_key = (
                time.monotonic(),
                -math.inf,
                None,
            )
            while not self.stopping and not (trouble := self._trouble()):
                time.sleep(TICK_SECONDS)
            if not self.stopping:
                logger.error("the cluster is started anew: %s", trouble)
                self.cluster.kill()
                time.sleep(RESTART_SECONDS)
        self._let_go()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _trouble(self) -> str:
        """What is wrong with the cluster by now; empty while all is well."""
        assert self.cluster
        if self.cluster.poll() is not None:
            return f"it ended with {self.cluster.status}"
        now = time.monotonic()
        try:
            if self._heartbeat_arrived():
                self.alive_at = now
                if now - self.heartbeat_sent_at >= settings.WATCHDOG_HEARTBEAT_SECONDS:
                    self._send_heartbeat()
                    return self._suspended_process()
        except DatabaseProblem:
            # Who cannot listen must not judge: the cluster may be as well as ever.
            logger.exception("the watchdog cannot look at the queue")
            connection.close()
            self.alive_at = now
        silent = now - self.alive_at
        return (
            f"no heartbeat for {silent:.0f} s" if silent > settings.WATCHDOG_TIMEOUT_SECONDS else ""
        )

    def _send_heartbeat(self) -> None:
        self.heartbeat_seen = Lease.last_heartbeat("worker")
        self.heartbeat_key = tasks.enqueue_heartbeat()
        self.heartbeat_sent_at = time.monotonic()

    def _heartbeat_arrived(self) -> bool:
        """Executed (the heartbeat row moved) and acknowledged (its queue row is gone)."""
        if self.heartbeat_key is None:
            return True  # none is on its way
        if tasks.is_queued(self.heartbeat_key):
            return False
        return Lease.last_heartbeat("worker") != self.heartbeat_seen

    def _suspended_process(self) -> str:
        assert self.cluster
        try:
            parent = psutil.Process(self.cluster.pid)
            members = [parent, *parent.children(recursive=True)]
            stopped = [p.pid for p in members if p.status() == psutil.STATUS_STOPPED]
        except psutil.NoSuchProcess:
            return ""  # it just ended; the next look says so
        return f"process {stopped[0]} is stopped" if stopped else ""

    def _let_go(self) -> None:
        """A clean stop: the parent alone is told, and the calls under way may end."""
        if self.cluster is None:
            return
        self.cluster.terminate()
        if self.cluster.wait(tasks.MAX_CALL_SECONDS) is None:
            logger.error("the cluster did not stop in time")
        self.cluster.kill()
