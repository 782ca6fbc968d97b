"""Which process holds something, and whether it is surely gone."""

import os
import socket
from functools import lru_cache
from pathlib import Path

import psutil

ZOMBIE = "Z"  # killed, and its parent has not looked yet


def this_process() -> str:
    """Names this process for good: a number used again by another process does not match."""
    return _identity(os.getpid())


def is_dead(holder: str) -> bool:
    """Whether that process is surely gone. Of another machine nobody can say: False."""
    host, pid, started = holder.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    return _started(int(pid)) != started


@lru_cache(maxsize=1)
def _identity(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}:{_started(pid)}"


def _started(pid: int) -> str:
    """When it began; empty when there is no such process.

    In ticks since the boot where the kernel tells them: what psutil tells is a time of the clock,
    and a clock that jumps would make every living process a stranger.
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
