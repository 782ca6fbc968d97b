"""Matches the lines of a log with the charges recorded here. Pure, and the same in every order.

The result is a list of pairs, each with all lines of a task or a single line, or a charge, or both.
Each line and each charge is in exactly one pair.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

NEARBY = timedelta(minutes=5)  # of the submit: a line without a common task may be its charge


class Matched(StrEnum):
    """How the two sides of a pair were found."""

    NOT = ""
    BY_TASK = "task"
    BY_TIME = "time"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log; a refund is negative."""

    pk: int
    at: datetime
    amount_e4: int
    task_id: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Charge:
    """A generation, when it was sent, and what it was charged; None while it is in progress."""

    generation_id: int
    at: datetime
    amount_e4: int | None
    task_ids: frozenset[str] = frozenset()
    model: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """What belongs together. `lines` or `charge` is missing where nothing was found."""

    lines: tuple[Line, ...] = ()
    charge: Charge | None = None
    matched: Matched = Matched.NOT

    @property
    def at(self) -> datetime:
        """The time of the first line, else of the submit."""
        if self.lines:
            return self.lines[0].at
        assert self.charge
        return self.charge.at

    @property
    def billed_e4(self) -> int:
        return sum(line.amount_e4 for line in self.lines)

    @property
    def task_id(self) -> str:
        if self.lines and self.lines[0].task_id:
            return self.lines[0].task_id
        return min(self.charge.task_ids, default="") if self.charge else ""


@dataclass(slots=True)
class _Unit:
    """All lines of a task, or one line without a task."""

    lines: list[Line] = field(default_factory=list)

    @property
    def amount_e4(self) -> int:
        return sum(line.amount_e4 for line in self.lines)


def match(lines: Iterable[Line], charges: Iterable[Charge]) -> list[Pair]:
    """Match by task ID, and then by time, amount and model where exactly one candidate exists."""
    by_task, single = _units(lines)
    pairs, free_charges = list[Pair](), list[Charge]()
    for charge in sorted(charges, key=lambda each: each.generation_id):
        own = [by_task.pop(task) for task in sorted(charge.task_ids) if task in by_task]
        if own:
            pairs.append(_pair([line for unit in own for line in unit.lines], charge))
        else:
            free_charges.append(charge)
    units = [*by_task.values(), *single]
    by_time = _by_time(units, free_charges)
    for index, unit in enumerate(units):
        if index not in by_time:
            pairs.append(Pair(tuple(unit.lines)))
            continue
        charge = free_charges[by_time[index]]
        pairs.append(Pair(tuple(unit.lines), charge, Matched.BY_TIME))
    used = set(by_time.values())
    pairs += [Pair(charge=charge) for index, charge in enumerate(free_charges) if index not in used]
    return pairs


def _units(lines: Iterable[Line]) -> tuple[dict[str, _Unit], list[_Unit]]:
    by_task, single = dict[str, _Unit](), list[_Unit]()
    for line in sorted(lines, key=lambda each: (each.at, each.pk)):
        if line.task_id:
            by_task.setdefault(line.task_id, _Unit()).lines.append(line)
        else:
            single.append(_Unit([line]))
    return by_task, single


def _pair(lines: list[Line], charge: Charge) -> Pair:
    lines.sort(key=lambda each: (each.at, each.pk))
    return Pair(tuple(lines), charge, Matched.BY_TASK)


def _by_time(units: Sequence[_Unit], charges: Sequence[Charge]) -> Mapping[int, int]:
    """The index of the charge of each unit that is its only candidate, and the other way round."""
    times = sorted((charge.at, index) for index, charge in enumerate(charges))
    moments = [at for at, _index in times]
    candidates: dict[int, list[int]] = {}
    wanted: dict[int, list[int]] = {}
    for number, unit in enumerate(units):
        amount_e4, first = unit.amount_e4, unit.lines[0]
        if amount_e4 <= 0:
            continue  # a refund alone, or a task that was charged and refunded
        start = bisect_left(moments, first.at - NEARBY)
        near = times[start : bisect_right(moments, first.at + NEARBY)]
        for _at, index in near:
            if _is_candidate(first, amount_e4, charges[index]):
                candidates.setdefault(number, []).append(index)
                wanted.setdefault(index, []).append(number)
    return {
        number: found[0]
        for number, found in candidates.items()
        if len(found) == 1 and len(wanted[found[0]]) == 1
    }


def _is_candidate(line: Line, amount_e4: int, charge: Charge) -> bool:
    if line.task_id and charge.task_ids:
        return False  # two known tasks that are not the same
    return charge.amount_e4 == amount_e4 and _is_same_model(line.model, charge.model)


def _is_same_model(one: str, other: str) -> bool:
    """Whether the names may mean one model: a missing name, or "*", decides nothing."""
    words = [re.sub(r"[\W_]", "", name.casefold()) for name in (one, other)]
    return not all(words) or words[0] == words[1]
