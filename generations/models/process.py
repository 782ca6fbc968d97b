"""Identifies processes across machines, and tells whether one is certainly dead."""

import os
import socket
from functools import lru_cache
from pathlib import Path

import psutil

ZOMBIE = "Z"  # killed, but not yet reaped by its parent


def this_process() -> str:
    """Return a unique name of this process. A reused process id does not match it."""
    return _identity(os.getpid())


def is_dead(holder: str) -> bool:
    """Whether this process is certainly dead. False for one on another machine."""
    host, pid, started = holder.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    return _started(int(pid)) != started


@lru_cache(maxsize=1)
def _identity(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}:{_started(pid)}"


def _started(pid: int) -> str:
    """Return when the process started; empty when there is none.

    In ticks since boot where the kernel has them. psutil's value is a clock time, and a clock
    change would make every live process look like another.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        fields = stat.rpartition(")")[2].split()
        return "" if fields[0] == ZOMBIE else fields[19]
    except FileNotFoundError:
        pass
    except (OSError, IndexError):
        return ""
    if Path("/proc/self/stat").exists():
        return ""
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.NoSuchProcess:
        return ""
