"""Background loops, each held by at most one process at a time."""

import multiprocessing
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from generations.models import Lease

RENEW_SECONDS = 3.0

# Shared by all processes forked from the cluster's parent, which sets it on SIGTERM. A raw value
# has no lock, so a signal handler may write it at any time.
stopping = multiprocessing.RawValue("b", 0)


class LeasedLoop:
    """One run of a background loop, held by at most one process at a time.

        with LeasedLoop("poll", wake_up, seconds=15) as loop:
            while loop.should_continue():
                ...

    The lease only prevents duplicate work. Correctness rests on the conditional updates of rows.
    """

    def __init__(self, name: str, wake_up: Callable[[str], None], seconds: float) -> None:
        """`wake_up(name)` starts another loop unless its lease is held."""
        self.name = name
        self.wake_up = wake_up
        self.ends_at = time.monotonic() + seconds
        self.renew_at = time.monotonic() + RENEW_SECONDS
        self.parent = os.getppid()
        self.is_held = False
        self.previous_holder_died = False  # then its row leases can be reclaimed at once

    def __enter__(self) -> Self:
        Lease.acknowledge_wake_up(self.name)
        self.previous_holder_died = Lease.holder_has_died(self.name)
        self.is_held = Lease.acquire(self.name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_held:
            Lease.give_back(self.name)

    def release_early(self) -> None:
        """Release the lease while the last calls finish, so that the next run can start."""
        Lease.give_back(self.name)
        self.is_held = False

    def should_continue(self) -> bool:
        """False after the loop's time, on a stop, without the parent, or without the lease."""
        return (
            time.monotonic() < self.ends_at
            and not stopping.value
            and os.getppid() == self.parent
            and self.renew()
        )

    def renew(self) -> bool:
        """Renew the lease when due. Also called while the last calls of a run finish."""
        if self.is_held and time.monotonic() >= self.renew_at:
            self.is_held = Lease.acquire(self.name)
            self.renew_at = time.monotonic() + RENEW_SECONDS
        return self.is_held
