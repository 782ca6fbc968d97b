"""Identifies processes across machines and containers, and tells whether one is certainly dead."""

import os
import secrets
import signal
import socket
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import psutil

ZOMBIE = "Z"  # killed, but not yet reaped by its parent
PROC = Path("/proc")


class Place(NamedTuple):
    """Where process ids are unique: one PID namespace of one boot.

    Containers may share a host name, but not a namespace. Without /proc (macOS) only the host name
    is known. `namespace` is empty where /proc belongs to another namespace than this process.
    """

    host: str
    boot: str
    namespace: str

    def has_processes_of(self, other: "Place") -> bool:
        """Whether process ids mean the same here and there, so that /proc shows those of both."""
        if not self.namespace:
            return False
        # A host name can change while a machine runs; a boot id cannot.
        return self[1:] == other[1:] if self.boot else self == other


class ProcessId(NamedTuple):
    """A process, as stored in rows. A reused process id does not match it."""

    place: Place
    pid: int
    started: str
    token: str  # random: unique even where nothing else is known

    def __str__(self) -> str:
        return ":".join([*self.place, str(self.pid), self.started, self.token])

    @classmethod
    def parse(cls, holder: str) -> "ProcessId | None":
        """Read a stored identity. None for one of an earlier release, or of no process."""
        match holder.split(":"):
            case [host, boot, namespace, pid, started, token] if pid.isdigit():
                return cls(Place(host, boot, namespace), int(pid), started, token)
        return None


def this_process() -> str:
    """Return a unique name of this process, also among containers with one host name."""
    return _own_id(os.getpid())


def is_dead(holder: str) -> bool:
    """Whether this process is certainly dead.

    False for a process that cannot be seen from here: on another machine, in another container, or
    before a restart of the machine (its id in /etc/machine-id may be a copy). Then only its lease
    or its deadline tells.
    """
    process = ProcessId.parse(holder)
    if process is None or not this_place().has_processes_of(process.place):
        return False
    return _started(process.pid) != process.started and not _is_hidden(process.pid)


def kill(holder: str) -> bool:
    """Kill this process at once, as a crash would. False if it is not certainly one that runs here.

    Never the calling process. A process id that is used again has another start time.
    """
    process = ProcessId.parse(holder)
    if process is None or process.pid == os.getpid():
        return False
    if not this_place().has_processes_of(process.place):
        return False
    if not process.started or _started(process.pid) != process.started:
        return False
    try:
        os.kill(process.pid, signal.SIGKILL)
    except OSError:
        return False
    return True


@lru_cache(maxsize=1)
def _own_id(pid: int) -> str:
    """Cached by process id: a forked child is another process."""
    return identity(pid)


def identity(pid: int, *, place: Place | None = None, started: str | None = None) -> str:
    """Return a name of this process, as stored in rows; of one here that runs, by default."""
    started = _started(pid) if started is None else started
    return str(ProcessId(place or this_place(), pid, started, secrets.token_hex(4)))


def this_place() -> Place:
    host = socket.gethostname().replace(":", "-")
    if not (PROC / "self" / "stat").exists():
        return Place(host, "", "-")
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = str((PROC / "self/ns/pid").stat().st_ino)
        is_ours = str((PROC / "self").readlink()) == str(os.getpid())
    except OSError:
        return Place(host, "", "")
    return Place(host, boot, namespace if is_ours else "")


def _is_hidden(pid: int) -> bool:
    """Whether the process lives, and /proc does not show it: mounted with `hidepid`."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return not os.access(PROC / str(pid) / "stat", os.R_OK)
    except (OSError, OverflowError):
        pass
    return False


def _started(pid: int) -> str:
    """Return when the process started; empty when there is none.

    In ticks since boot where the kernel has them. psutil's value is a clock time, and a clock
    change would make every live process look like another.
    """
    try:
        stat = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
        fields = stat.rpartition(")")[2].split()
        return "" if fields[0] == ZOMBIE else fields[19]
    except FileNotFoundError:
        pass
    except (OSError, IndexError):
        return ""
    if (PROC / "self" / "stat").exists():
        return ""
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.NoSuchProcess:
        return ""
