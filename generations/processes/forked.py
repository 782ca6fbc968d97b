"""Processes of ours: forked, to share our memory, and tied to us, so that none is left behind."""

import contextlib
import ctypes
import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable

from django.db import connections

PR_SET_PDEATHSIG = 1
TICK_SECONDS = 0.05


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Ask the kernel for that signal when the parent dies: no orphan works on (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


class ForkedProcess:
    """`target` in a process of its own, with a session of its own: Ctrl-C reaches only us.

    Only for a process without threads. When we die, however, it is asked to stop.
    """

    def __init__(self, target: Callable[[], object]) -> None:
        connections.close_all()  # a database connection does not survive a fork
        gc.freeze()  # a collection in the child would write to, and so copy, what is shared
        # Blocked until the child has its own handlers, so that no stop is lost in between.
        asked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        self.status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _become(target, os.getppid())
        signal.pthread_sigmask(signal.SIG_SETMASK, asked)

    def poll(self) -> int | None:
        """None while it lives; then its exit status, or minus the signal that ended it."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def wait(self, seconds: float) -> int | None:
        until = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < until:
            time.sleep(TICK_SECONDS)
        return self.status

    def terminate(self) -> None:
        """Ask it, and it alone, to stop: it knows how to end its own children."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it and everything of its session at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait(5)


def _become(target: Callable[[], object], parent: int) -> None:
    """In the child: never returns."""
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        die_with_parent(signal.SIGTERM)
        if os.getppid() != parent:
            return  # it died before the kernel was asked
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        target()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
