"""Forked processes, which share the memory of their parent and end with it."""

import contextlib
import ctypes
import gc
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from django.db import connections

from generations.database_errors import explain, is_unavailable

PR_SET_PDEATHSIG = 1
WAIT_STEP_SECONDS = 0.05
EXIT_SECONDS = 10.0  # from the result of a process to its exit


class ForkError(Exception):
    """A forked process ended without a result."""


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Ask the kernel for this signal when the parent dies (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


class ForkedProcess:
    """Runs `target` in a forked process with its own session: Ctrl-C reaches the parent only.

    The parent must have no threads. The fork gets SIGTERM when the parent dies.
    """

    def __init__(self, target: Callable[[], object]) -> None:
        connections.close_all()  # a database connection does not survive a fork
        gc.freeze()  # garbage collection in the fork would copy the shared memory
        # Blocked until the fork has its own handlers, so that no signal is lost.
        previous_mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        self.status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _run_in_fork(target, os.getppid())
        signal.pthread_sigmask(signal.SIG_SETMASK, previous_mask)

    def poll(self) -> int | None:
        """Return None while it runs, then its exit status; negative: the signal that ended it."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def wait(self, seconds: float) -> int | None:
        """Wait up to that long for its exit, and return what `poll` returns."""
        until = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < until:
            time.sleep(WAIT_STEP_SECONDS)
        return self.status

    def terminate(self) -> None:
        """Send SIGTERM to this process only: it stops its own children."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill the process and everything in its session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait(5)


def call_in_fork(target: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the result of `target`, which may contain what JSON can.

    The memory that `target` needs is released with its process. Raises ForkError if it failed;
    the process has then printed the reason.
    """
    reader, writer = os.pipe()

    def send_result() -> None:
        with os.fdopen(writer, "w", encoding="utf-8") as pipe:
            json.dump(target(), pipe)

    process = ForkedProcess(send_result)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        result = pipe.read()
    if process.wait(EXIT_SECONDS) != 0:
        raise ForkError(f"exit status {process.status}")
    return json.loads(result)  # type: ignore[no-any-return]


def _run_in_fork(target: Callable[[], object], parent: int) -> None:
    """Run `target` in the forked process. Never returns."""
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        die_with_parent(signal.SIGTERM)
        if os.getppid() != parent:
            return  # the parent died before `die_with_parent`
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        target()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        if is_unavailable(error):
            print(explain(error), file=sys.stderr)
        else:
            traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
