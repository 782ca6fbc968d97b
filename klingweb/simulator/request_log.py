"""The requests that the simulator received, in order, and counters."""

import itertools
import time
from collections import Counter, deque
from dataclasses import dataclass, fields
from typing import Any

MAX_ENTRIES = 200_000


@dataclass(slots=True)
class LogEntry:
    """One request.

    `monotonic` and `wall` are the clocks on arrival, in seconds; `authorization` is whether that
    header was sent, and `account` whose key it had, None for an unknown one. `status` is None until
    the response, and 0 if the connection was closed without one.
    """

    index: int
    monotonic: float
    wall: float
    kind: str
    task_id: str
    authorization: bool
    account: int | None
    remote_port: int
    prompt: str = ""
    scenario: str = ""
    body_keys: tuple[str, ...] = ()
    status: int | None = None


_FIELD_NAMES = [f.name for f in fields(LogEntry)]


class RequestLog:
    """The last `MAX_ENTRIES` requests, and counters of all of them."""

    def __init__(self) -> None:
        self._entries: deque[LogEntry] = deque(maxlen=MAX_ENTRIES)
        self._indexes = itertools.count()
        self.kinds: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()

    def log_request(
        self, kind: str, task_id: str, authorization: bool, account: int | None, remote_port: int
    ) -> LogEntry:
        """Add a request on its arrival; `log_response` adds the status later."""
        entry = LogEntry(
            next(self._indexes),
            time.monotonic(),
            time.time(),
            kind,
            task_id,
            authorization,
            account,
            remote_port,
        )
        self._entries.append(entry)
        self.kinds[kind] += 1
        return entry

    def log_response(self, entry: LogEntry, status: int) -> None:
        """Add the status of the response to a logged request."""
        entry.status = status
        self.statuses[status] += 1

    @property
    def dropped(self) -> int:
        """The number of entries that were deleted because the log was full."""
        return sum(self.kinds.values()) - len(self._entries)

    def since(self, index: int, kind: str | None, match: str = "") -> list[dict[str, Any]]:
        """Return the entries from `index` on, oldest first, of one kind or of all.

        `match` is a text that their prompt must contain.
        """
        return [
            {name: getattr(entry, name) for name in _FIELD_NAMES}
            for entry in self._entries
            if entry.index >= index and kind in (None, entry.kind) and match in entry.prompt
        ]
