"""What the simulator was asked: every request in order, and cheap counters."""

import itertools
import time
from collections import Counter, deque
from dataclasses import dataclass, fields
from typing import Any

LIMIT = 200_000
"""Entries kept; older ones are dropped, and `Record.dropped` says how many."""


@dataclass(slots=True)
class Entry:
    """One request. `status` is None until it is answered, 0 when the line was cut
    instead of a status line.

    `monotonic` and `wall` are seconds on arrival; `authorization` says whether that header came.
    """

    index: int
    monotonic: float
    wall: float
    kind: str
    task_id: str
    authorization: bool
    remote_port: int
    prompt: str = ""
    scenario: str = ""
    body_keys: tuple[str, ...] = ()
    status: int | None = None


_NAMES = [f.name for f in fields(Entry)]


class Record:
    """The last requests and the counters of all of them."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=LIMIT)
        self._numbers = itertools.count()
        self.kinds: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()

    def arrived(self, kind: str, task_id: str, authorization: bool, remote_port: int) -> Entry:
        """Note a request on its arrival; its answer is noted on the entry later."""
        entry = Entry(
            next(self._numbers),
            time.monotonic(),
            time.time(),
            kind,
            task_id,
            authorization,
            remote_port,
        )
        self._entries.append(entry)
        self.kinds[kind] += 1
        return entry

    def answered(self, entry: Entry, status: int) -> None:
        """Note the answer of a request."""
        entry.status = status
        self.statuses[status] += 1

    @property
    def dropped(self) -> int:
        """How many of the oldest entries are gone."""
        return sum(self.kinds.values()) - len(self._entries)

    def since(self, index: int, kind: str | None) -> list[dict[str, Any]]:
        """Entries from `index` on, oldest first, of one kind or of all."""
        return [
            {name: getattr(entry, name) for name in _NAMES}
            for entry in self._entries
            if entry.index >= index and kind in (None, entry.kind)
        ]
