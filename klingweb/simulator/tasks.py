"""The tasks of the simulator. A task's state is computed from the time: there are no timers."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from klingweb.simulator.journal import Journal

Json = dict[str, Any]
Parameter = float | str

SUBMITTED = "submitted"
PROCESSING = "processing"
SUCCEED = "succeed"
FAILED = "failed"


@dataclass(slots=True)
class Task:
    """A task as planned when it was accepted. Times are Unix seconds.

    `submitted_seconds` is the time in state `submitted`. `seconds` is the time from acceptance
    to the end, None for a task that never ends. `fails_with` is the reason of a failure, None
    for a task that succeeds. A task succeeds no earlier than `drawn_at`, when its last picture
    was drawn. `polls`, `successes_reported` and `downloads` count responses; `downloads` is by
    image index. Only keys of its `account` find it. `cached_responses` holds query responses by
    state and host.
    """

    task_id: str
    prompt: str
    n: int
    aspect_ratio: str
    created_at: float
    submitted_seconds: float
    seconds: float | None
    fails_with: str | None = None
    model: str = ""
    external_task_id: str = ""
    scenario: str = "normal"
    params: dict[str, Parameter] = field(default_factory=dict)
    account: int = 0
    drawn_at: float | None = None
    polls: int = 0
    successes_reported: int = 0
    downloads: Counter[int] = field(default_factory=Counter)
    cached_responses: dict[tuple[str, str], bytes] = field(default_factory=dict)

    @property
    def will_succeed(self) -> bool:
        """Whether the task ends with pictures."""
        return self.fails_with is None and self.seconds is not None

    @property
    def done_at(self) -> float | None:
        """When the task ends or ended; None if that is unknown."""
        if self.seconds is None:
            return None
        planned = self.created_at + self.seconds
        if self.fails_with is not None:
            return planned
        return None if self.drawn_at is None else max(planned, self.drawn_at)

    def state(self, now: float) -> str:
        """Return the state at `now`."""
        if now < self.created_at + self.submitted_seconds:
            return SUBMITTED
        done_at = self.done_at
        if done_at is None or now < done_at:
            return PROCESSING
        return SUCCEED if self.fails_with is None else FAILED

    def updated_at(self, state: str) -> float:
        """Return when the task entered `state`."""
        if state == SUBMITTED:
            return self.created_at
        if state == PROCESSING:
            return self.created_at + self.submitted_seconds
        return self.done_at or self.created_at

    def number(self, name: str, default: float = 0) -> float:
        """Return a parameter of the scenario as a number."""
        return float(self.params.get(name, default))

    def is_query_replaced(self, now: float, next_polls: int = 0) -> bool:
        """Whether the scenario's response replaces that of the current poll, already counted.

        With `next_polls` 1: whether it will replace that of the next poll.
        """
        return self.polls + next_polls <= self.number("polls") or (
            now < self.created_at + self.number("for_seconds")
        )

    def count_download(self, index: int) -> bool:
        """Count a download, and return whether the scenario's fault applies to it."""
        self.downloads[index] += 1
        return self.number("only", index) == index and self.downloads[index] <= self.number(
            "downloads", self.downloads[index]
        )


@dataclass(frozen=True)
class TaskSnapshot:
    """A task at one moment, independent of any response format. Times are Unix seconds.

    `images` are `{"index": int, "url": str}`, empty unless the state is `succeed`. `reason` is
    empty unless the state is `failed`.
    """

    task_id: str
    state: str
    created_at: float
    updated_at: float
    n: int
    model: str
    external_task_id: str = ""
    reason: str = ""
    images: tuple[Json, ...] = ()


# Not in the journal: counters, caches, and what can be found on disk again.
_VOLATILE_FIELDS = {"drawn_at", "polls", "successes_reported", "downloads", "cached_responses"}
_STORED_FIELDS = [f.name for f in fields(Task) if f.name not in _VOLATILE_FIELDS]


class TaskStore:
    """All tasks, oldest first. With a journal they survive a restart or a kill."""

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal
        self._tasks: dict[str, Task] = {}
        self._by_external_id: dict[str, Task] = {}
        self._unfinished: list[Task] = []
        for line in journal.lines() if journal else []:
            self._index(Task(**{name: v for name, v in line.items() if name in _STORED_FIELDS}))

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks.values())

    def _index(self, task: Task) -> None:
        self._tasks[task.task_id] = task
        if task.external_task_id:
            self._by_external_id[task.external_task_id] = task
        self._unfinished.append(task)

    def add(self, task: Task) -> None:
        """Store a task, in the journal first."""
        if self._journal:
            self._journal.append({name: getattr(task, name) for name in _STORED_FIELDS})
        self._index(task)

    def get(self, task_id: str) -> Task | None:
        """Return the task with this id or this external id."""
        return self._tasks.get(task_id) or self._by_external_id.get(task_id)

    def has_external_id(self, external_task_id: str) -> bool:
        """Whether a task has this external id."""
        return external_task_id in self._by_external_id

    def page(self, number: int, size: int, is_listed: Callable[[Task], bool]) -> list[Task]:
        """Return one page of the tasks that are listed, newest first; numbers start at 1."""
        newest = filter(is_listed, reversed(self._tasks.values()))
        return list(itertools.islice(newest, (number - 1) * size, number * size))

    def images_in_progress(self, now: float) -> int:
        """Return the sum of `n` over all unfinished tasks."""
        self._unfinished = [
            task for task in self._unfinished if task.state(now) in (SUBMITTED, PROCESSING)
        ]
        return sum(task.n for task in self._unfinished)

    def clear(self) -> None:
        """Delete every task, in the journal too."""
        self._tasks.clear()
        self._by_external_id.clear()
        self._unfinished.clear()
        if self._journal:
            self._journal.clear()
