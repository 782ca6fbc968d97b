"""A deadline for a whole HTTP call, from name resolution to the last byte.

HTTP libraries limit single reads only: a server that sends one byte at a time can block a thread
forever.
"""

import math
import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any, Protocol, Self

import requests  # noqa: TID251


class DeadlineExceeded(requests.exceptions.Timeout):
    """The whole call did not finish in time."""


class Connection(Protocol):
    """What a deadline needs of a connection. `deadline` is that of the current call."""

    deadline: "Deadline | None"
    sock: Any


class Deadline:
    """`with Deadline(30) as deadline:` limits one HTTP call of this thread.

    Raises `DeadlineExceeded` when the call was aborted. `was_sent` says whether a byte of a request
    has been sent.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.ends_at = math.inf
        self.was_sent = False
        self.was_aborted = False
        self._connection: Connection | None = None
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        self.ends_at = time.monotonic() + self.seconds
        _local.deadline = self
        _reaper.add(self)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        _local.deadline = None
        _reaper.discard(self)
        self._connection = self._socket = None
        is_late = isinstance(error, OSError) and self.seconds_left() <= 0
        # An aborted response can look complete (without a length), or break its reader.
        if is_late or (self.was_aborted and (error is None or isinstance(error, Exception))):
            raise DeadlineExceeded(f"not finished within {self.seconds:g} s") from error

    def seconds_left(self) -> float:
        return self.ends_at - time.monotonic()

    def limit(self, timeout: float | None) -> float:
        """Return the shorter of `timeout` and the time that is left."""
        left = self.seconds_left() if timeout is None else min(timeout, self.seconds_left())
        return max(left, 0.001)  # 0 would mean "do not block" to a socket

    def attach(self, connection: Connection) -> None:
        with _reaper.lock:
            connection.deadline = self
            self._connection, self._socket = connection, connection.sock

    def abort(self) -> None:
        """End reads and writes of this call, but not those of the socket's next user."""
        self.was_aborted = True
        if self._connection is not None and self._connection.deadline is self and self._socket:
            with suppress(OSError, ValueError):  # already closed
                # Below TLS: SSLSocket.shutdown would remove state that the reading thread uses.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def current_deadline() -> Deadline | None:
    """The deadline of the call that this thread makes now."""
    return _local.deadline


class _Reaper:
    """Aborts overdue calls in one thread: a thread for each call would cost more than the call."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.deadlines: set[Deadline] = set()
        self.wakes_at = math.inf
        self.thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> None:
        with self.lock:
            self.deadlines.add(deadline)
            if self.thread is None:
                thread = threading.Thread(target=self._run, name="reaper", daemon=True)
                thread.start()
                self.thread = thread
            # Rare: calls of equal length end in order, and the thread wakes for the first.
            if deadline.ends_at < self.wakes_at:
                self.wakes_at = deadline.ends_at
                self.lock.notify()

    def discard(self, deadline: Deadline) -> None:
        """Without the lock, for which thousands of calls would wait: one operation of a set."""
        self.deadlines.discard(deadline)

    def _run(self) -> None:
        with self.lock:
            while True:
                now = time.monotonic()
                deadlines = list(self.deadlines)  # a copy: `discard` changes the set meanwhile
                for deadline in deadlines:
                    if deadline.ends_at <= now:
                        self.deadlines.discard(deadline)
                        deadline.abort()
                later = (each.ends_at for each in deadlines if each.ends_at > now)
                self.wakes_at = min(later, default=math.inf)
                self.lock.wait(None if self.wakes_at == math.inf else self.wakes_at - now)


class _Local(threading.local):
    deadline: Deadline | None = None


_local = _Local()
_reaper = _Reaper()


def _replace_reaper() -> None:
    """A forked child has no reaper thread, and its copy of the lock may be held forever."""
    global _reaper
    _reaper = _Reaper()


os.register_at_fork(after_in_child=_replace_reaper)
