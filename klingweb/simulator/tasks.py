"""The tasks the simulator was given; where a task stands is a function of the time alone."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields

from klingweb.simulator.envelopes import FAILED, PROCESSING, SUBMITTED, SUCCEED
from klingweb.simulator.journal import Journal

Param = float | str


@dataclass(slots=True)
class Task:
    """A task as it was planned when it was accepted. Moments are Unix seconds.

    `seconds` is the time from acceptance to the end, None for a task that never ends;
    `fails_with` is the reason of a task that fails, None for one that succeeds. A task that
    succeeds does not say so before `drawn_at`, the moment its last picture was there.
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
    params: dict[str, Param] = field(default_factory=dict)
    drawn_at: float | None = None
    polls: int = 0
    told_done: int = 0
    downloads: Counter[int] = field(default_factory=Counter)
    answers: dict[tuple[str, str], bytes] = field(default_factory=dict)

    @property
    def needs_pictures(self) -> bool:
        """Whether the task will succeed some day."""
        return self.fails_with is None and self.seconds is not None

    @property
    def done_at(self) -> float | None:
        """When the task ends or ended; None while that is not known."""
        if self.seconds is None:
            return None
        planned = self.created_at + self.seconds
        if self.fails_with is not None:
            return planned
        return None if self.drawn_at is None else max(planned, self.drawn_at)

    def status(self, now: float) -> str:
        """Kling's word for where the task stands at `now`."""
        if now < self.created_at + self.submitted_seconds:
            return SUBMITTED
        done_at = self.done_at
        if done_at is None or now < done_at:
            return PROCESSING
        return SUCCEED if self.fails_with is None else FAILED

    def updated_at(self, status: str) -> float:
        """The moment the task came to `status`."""
        if status == SUBMITTED:
            return self.created_at
        if status == PROCESSING:
            return self.created_at + self.submitted_seconds
        return self.done_at or self.created_at

    def number(self, name: str, otherwise: float = 0) -> float:
        """A parameter of the scenario as a number."""
        return float(self.params.get(name, otherwise))

    def is_disturbed(self, now: float, ahead: int = 0) -> bool:
        """Whether the scenario still answers in place of the task; a poll is counted before.

        `ahead` of 1 asks the same of the next poll.
        """
        return self.polls + ahead <= self.number("polls") or (
            now < self.created_at + self.number("for_seconds")
        )

    def is_withheld(self, index: int) -> bool:
        """Whether the scenario still answers in place of a file; counts the download."""
        self.downloads[index] += 1
        return self.number("only", index) == index and self.downloads[index] <= self.number(
            "downloads", self.downloads[index]
        )


# What a restart may forget: it is counted, or found again on the disk.
_FORGOTTEN = {"drawn_at", "polls", "told_done", "downloads", "answers"}
_KEPT = [f.name for f in fields(Task) if f.name not in _FORGOTTEN]


class Store:
    """All tasks, oldest first. With a journal they survive a restart, also a hard one."""

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal
        self._tasks: dict[str, Task] = {}
        self._by_external_id: dict[str, Task] = {}
        self._open: list[Task] = []
        for line in journal.lines() if journal else []:
            self._remember(Task(**{name: v for name, v in line.items() if name in _KEPT}))

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks.values())

    def _remember(self, task: Task) -> None:
        self._tasks[task.task_id] = task
        if task.external_task_id:
            self._by_external_id[task.external_task_id] = task
        self._open.append(task)

    def add(self, task: Task) -> None:
        """Take a task; when this returns it would outlive the process."""
        if self._journal:
            self._journal.append({name: getattr(task, name) for name in _KEPT})
        self._remember(task)

    def get(self, task_id: str) -> Task | None:
        """The task with this id, or with this external id."""
        return self._tasks.get(task_id) or self._by_external_id.get(task_id)

    def knows_external_id(self, external_task_id: str) -> bool:
        """Whether an external id is taken; it must be unique (the upstream notes, 2.3)."""
        return external_task_id in self._by_external_id

    def page(self, number: int, size: int, is_listed: Callable[[Task], bool]) -> list[Task]:
        """One page of the list, newest first; numbers start at 1."""
        newest = filter(is_listed, reversed(self._tasks.values()))
        return list(itertools.islice(newest, (number - 1) * size, number * size))

    def units(self, now: float) -> int:
        """Slots taken at `now`: an image task holds n of them until it ends (section 3.2)."""
        self._open = [task for task in self._open if task.status(now) in (SUBMITTED, PROCESSING)]
        return sum(task.n for task in self._open)

    def clear(self) -> None:
        """Forget every task, in the journal too."""
        self._tasks.clear()
        self._by_external_id.clear()
        self._open.clear()
        if self._journal:
            self._journal.clear()
