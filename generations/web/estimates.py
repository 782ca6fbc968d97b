"""How long it usually takes, as people say it."""

import math
from dataclasses import dataclass

from generations.models import durations


@dataclass(frozen=True)
class Estimate:
    """A range as people say it: half end by `low` seconds, nine of ten by `high`."""

    low: int
    high: int

    @classmethod
    def of(cls, told: durations.Range | None) -> "Estimate | None":
        return cls(_said(told.low), _said(told.high)) if told else None

    @property
    def span(self) -> int:
        """Of the scale that shows it: some room is left behind the range."""
        return max(self.high * 5 // 4, 1)

    @property
    def start(self) -> int:
        """Where the thick part begins, of 200."""
        return 200 * self.low // self.span

    @property
    def width(self) -> int:
        return max(200 * (self.high - self.low) // self.span, 2)


def _said(seconds: float) -> int:
    """Rounded up to what sounds like an estimate: 7, 35, 90, 330."""
    step = next(step for below, step in ((20, 1), (60, 5), (180, 10), (math.inf, 30))
                if seconds <= below)  # fmt: skip
    return max(math.ceil(seconds / step) * step, 1)
