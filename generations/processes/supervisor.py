"""Keeps the long-lived processes of `manage.py run` alive."""

import time
from collections.abc import Callable, Iterable

from generations.worker.tasks import MAX_CALL_SECONDS

from .forked import ForkedProcess

STOP_SECONDS = MAX_CALL_SECONDS + 15.0
MAX_RESTART_SECONDS = 30.0
QUIET_SECONDS = 180.0  # a process that ran so long has recovered


class ManagedProcess:
    """A long-lived process that is restarted when it exits.

    The delays grow, and begin anew after `QUIET_SECONDS` without an exit.
    """

    def __init__(self, name: str, target: Callable[[], object]) -> None:
        self.name = name
        self.target = target
        self.process: ForkedProcess | None = None
        self.start_at = 0.0
        self.started_at = 0.0
        self.exits = 0

    def keep_running(self) -> str:
        """Start the process when due. Return a message if it has just exited, else ""."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.start_at:
                self.process = ForkedProcess(self.target)
                self.started_at = now
            return ""
        if self.process.poll() is None:
            return ""
        status = self.process.status
        self.process.kill()  # also the rest of its session
        self.process = None
        self.exits = 1 if now - self.started_at >= QUIET_SECONDS else self.exits + 1
        delay = min(2.0**self.exits, MAX_RESTART_SECONDS)
        self.start_at = now + delay
        return f"{self.name} exited with status {status}; restarting in {delay:.0f} s"

    def stop(self) -> None:
        if self.process:
            self.process.terminate()

    def wait(self, until: float) -> None:
        """Wait for the process until this time of the monotonic clock, then kill it."""
        if self.process:
            self.process.wait(until - time.monotonic())
            self.process.kill()


def keep_running(processes: Iterable[ManagedProcess], report: Callable[[str], object]) -> None:
    """Start or restart what is due, and report each exit. Call it every half second or so."""
    for process in processes:
        if message := process.keep_running():
            report(message)


def stop_in_order(*groups: Iterable[ManagedProcess]) -> None:
    """Stop the processes, one group after the other, within `STOP_SECONDS`."""
    until = time.monotonic() + STOP_SECONDS
    for group in map(list, groups):
        for process in group:
            process.stop()
        for process in group:
            process.wait(until)
