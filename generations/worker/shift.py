"""One worker's shift at a slot: how long it may go on, and when it must hand over."""

import multiprocessing
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from generations.models import Slot

RENEW_SECONDS = 5.0

# Shared by every process forked from the cluster's parent, which sets it on SIGTERM. A raw value
# has no lock, so a signal handler may write it at any moment.
stopping = multiprocessing.RawValue("b", 0)


class Shift:
    """`with Shift("pump") as shift: while shift.goes_on(): ...`; not `is_mine` when taken."""

    def __init__(self, slot: str, wake: Callable[[str], None], seconds: float) -> None:
        """`wake(line)` kicks another line, unless somebody works at it already."""
        self.slot = slot
        self.wake = wake
        self.ends_at = time.monotonic() + seconds
        self.renew_at = time.monotonic() + RENEW_SECONDS
        self.parent = os.getppid()
        self.is_mine = False
        self.inherits = False  # from a holder that died: its leases need not run out

    def __enter__(self) -> Self:
        Slot.come(self.slot)
        self.inherits = Slot.is_orphaned(self.slot)
        self.is_mine = Slot.take(self.slot)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_mine:
            Slot.release(self.slot)

    def hand_over(self) -> None:
        """Let the next shift begin while what this one has under way still comes to its end."""
        Slot.release(self.slot)
        self.is_mine = False

    def goes_on(self) -> bool:
        """False at the end of the shift, on a stop, when orphaned, or when the slot is gone."""
        return (
            time.monotonic() < self.ends_at
            and not stopping.value
            and os.getppid() == self.parent
            and self.keep()
        )

    def keep(self) -> bool:
        """Renew the lease when it is time: also while the last calls of a shift drain."""
        if self.is_mine and time.monotonic() >= self.renew_at:
            self.is_mine = Slot.take(self.slot)
            self.renew_at = time.monotonic() + RENEW_SECONDS
        return self.is_mine
