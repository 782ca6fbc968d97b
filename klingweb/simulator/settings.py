"""Settings that can change while the simulator runs."""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Settings:
    """Durations are in seconds.

    `key` is the only accepted API key. `seconds` is the shortest and the longest duration of a
    task. `submit_seconds` and `query_seconds` are response times. `concurrency_limit` is the
    number of images in progress at once; 0 means no limit.
    """

    key: str = "demo"
    seconds: tuple[float, float] = (4.0, 9.0)
    submit_seconds: float = 0.05
    query_seconds: float = 0.0
    concurrency_limit: int = 0

    def updated(self, values: dict[str, Any]) -> "Settings":
        """Return a copy with other values; raises ValueError or TypeError if one is invalid."""
        merged = replace(self, **values)
        low, high = merged.seconds
        return Settings(
            key=str(merged.key),
            seconds=(float(low), float(high)),
            submit_seconds=float(merged.submit_seconds),
            query_seconds=float(merged.query_seconds),
            concurrency_limit=int(merged.concurrency_limit),
        )
