"""One worker's shift at a slot: how long it may go on, and when it must hand over."""

import multiprocessing
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from generations.models import Lease

RENEW_SECONDS = 5.0

# Shared by every process forked from the cluster's parent, which sets it on SIGTERM. A raw value
# has no lock, so a signal handler may write it at any moment.
stopping = multiprocessing.RawValue("b", 0)


class LeasedLoop:
    """`with Shift("poll") as shift: while shift.goes_on(): ...`; not `is_mine` when taken."""

    def __init__(self, lease_name: str, wake_up: Callable[[str], None], seconds: float) -> None:
        """`wake(line)` kicks another line, unless somebody works at it already."""
        self.lease_name = lease_name
        self.wake_up = wake_up
        self.ends_at = time.monotonic() + seconds
        self.renew_at = time.monotonic() + RENEW_SECONDS
        self.parent = os.getppid()
        self.is_held = False
        self.previous_holder_died = False  # from a holder that died: its leases need not run out

    def __enter__(self) -> Self:
        Lease.acknowledge_wake_up(self.lease_name)
        self.previous_holder_died = Lease.holder_has_died(self.lease_name)
        self.is_held = Lease.acquire(self.lease_name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_held:
            Lease.release(self.lease_name)

    def release_early(self) -> None:
        """Let the next shift begin while what this one has under way still comes to its end."""
        Lease.release(self.lease_name)
        self.is_held = False

    def should_continue(self) -> bool:
        """False at the end of the shift, on a stop, when orphaned, or when the slot is gone."""
        return (
            time.monotonic() < self.ends_at
            and not stopping.value
            and os.getppid() == self.parent
            and self.renew()
        )

    def renew(self) -> bool:
        """Renew the lease when it is time: also while the last calls of a shift drain."""
        if self.is_held and time.monotonic() >= self.renew_at:
            self.is_held = Lease.acquire(self.lease_name)
            self.renew_at = time.monotonic() + RENEW_SECONDS
        return self.is_held
