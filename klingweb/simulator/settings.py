"""What may be changed while the simulator runs."""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Settings:
    """`units` are the account's slots, n per task, 0 for no limit; all else is seconds.

    `seconds` are the bounds of a task's life, `submit_seconds` and `query_seconds` how long an
    answer takes. `key` is the only API key that is accepted.
    """

    key: str = "demo"
    seconds: tuple[float, float] = (4.0, 9.0)
    submit_seconds: float = 0.05
    query_seconds: float = 0.0
    units: int = 0

    def changed(self, values: dict[str, Any]) -> "Settings":
        """A copy with other values; ValueError or TypeError when they make no sense."""
        wished = replace(self, **values)
        low, high = wished.seconds
        return Settings(
            key=str(wished.key),
            seconds=(float(low), float(high)),
            submit_seconds=float(wished.submit_seconds),
            query_seconds=float(wished.query_seconds),
            units=int(wished.units),
        )
