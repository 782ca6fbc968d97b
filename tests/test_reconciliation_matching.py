"""Matching a log with the charges: each line and each charge once, and only what is certain."""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from generations.reconciliation.matching import Charge, Line, Matched, Pair, match

START = datetime(2026, 11, 1, tzinfo=UTC)
MODELS = ("", "kling-v1", "kling-v2")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def line(pk: int, minutes: float, amount: int = 4800, task: str = "", model: str = "") -> Line:
    return Line(pk, at(minutes), amount, task, model)


def charge(
    pk: int, minutes: float, amount: int | None = 4800, *tasks: str, model: str = ""
) -> Charge:
    return Charge(pk, at(minutes), amount, frozenset(tasks), model)


def found(pairs: Sequence[Pair]) -> set[tuple[tuple[int, ...], int, str]]:
    """The keys of the lines, that of the generation (0: none), and how they were matched."""
    return {
        (
            tuple(each.pk for each in pair.lines),
            pair.charge.generation_id if pair.charge else 0,
            str(pair.matched),
        )
        for pair in pairs
    }


def test_lines_of_one_task_are_summed() -> None:
    lines = [line(1, 0, 4800, "a"), line(2, 9, -4800, "a"), line(3, 10, 2400, "a")]
    [pair] = match(lines, [charge(7, 5000, 4800, "a")])
    assert pair.billed_e4 == 2400
    assert pair.at == at(0)
    assert found([pair]) == {((1, 2, 3), 7, "task")}


def test_generation_that_was_sent_twice_has_two_tasks() -> None:
    lines = [line(1, 0, 4800, "b"), line(2, 9, 4800, "a")]
    pairs = match(lines, [charge(7, 0, 9600, "a", "b")])
    assert found(pairs) == {((1, 2), 7, "task")}


def test_one_candidate_on_both_sides_is_matched_by_time() -> None:
    assert found(match([line(1, 5)], [charge(7, 0)])) == {((1,), 7, "time")}
    assert found(match([line(1, 0)], [charge(7, 5)])) == {((1,), 7, "time")}


@pytest.mark.parametrize(
    ("lines", "charges"),
    [
        ([line(1, 5.01)], [charge(7, 0)]),  # too late
        ([line(1, 0, 4800)], [charge(7, 0, 4700)]),  # another amount
        ([line(1, 0, model="kling-v1")], [charge(7, 0, model="kling-v2")]),
        ([line(1, 0, task="a")], [charge(7, 0, 4800, "b")]),  # two known tasks
        ([line(1, 0)], [charge(7, 0), charge(8, 1)]),  # two charges
        ([line(1, 0), line(2, 1)], [charge(7, 0)]),  # two lines
        ([line(1, 0)], [charge(7, 0, None)]),  # in progress: no amount yet
        ([line(1, 0, -4800)], [charge(7, 0, 4800)]),  # a refund is no charge
    ],
)
def test_what_is_not_certain_is_not_matched(lines: list[Line], charges: list[Charge]) -> None:
    pairs = match(lines, charges)
    assert all(not pair.matched for pair in pairs)
    assert len(pairs) == len(lines) + len(charges)


def test_task_comes_before_time() -> None:
    """The line of another task at the same time does not make a match by task uncertain."""
    pairs = match([line(1, 0, task="a"), line(2, 0)], [charge(7, 0, 4800, "a"), charge(8, 0)])
    assert found(pairs) == {((1,), 7, "task"), ((2,), 8, "time")}


def test_names_of_a_model_may_be_written_differently() -> None:
    pairs = match([line(1, 0, model="Kling_V1")], [charge(7, 0, model="kling-v1")])
    assert found(pairs) == {((1,), 7, "time")}
    pairs = match([line(1, 0, model="kling-v1")], [charge(7, 0, model="*")])
    assert found(pairs) == {((1,), 7, "time")}


def random_month(seed: int) -> tuple[list[Line], list[Charge]]:
    """A month with all kinds of lines, crowded enough for ambiguous times."""
    chance = random.Random(seed)
    lines, charges = list[Line](), list[Charge]()
    for number in range(chance.randint(1, 40)):
        minutes, amount = chance.uniform(0, 120), chance.choice((1200, 2400, 4800))
        task, model = f"task-{chance.randint(0, 40)}", chance.choice(MODELS)
        kind = chance.random()
        taken = {each for other in charges for each in other.task_ids}
        if kind < 0.8:
            tasks = (task,) if task not in taken and chance.random() < 0.7 else ()
            recorded = chance.choice((amount, amount, 0, None))
            charges.append(charge(number, minutes, recorded, *tasks, model=model))
        for _copy in range(chance.choice((0, 1, 1, 1, 2))):
            shown = task if chance.random() < 0.6 else ""
            sign = chance.choice((1, 1, 1, -1))
            late = minutes + chance.uniform(-6, 6)
            lines.append(line(len(lines), late, sign * amount, shown, model))
    return lines, charges


@pytest.mark.parametrize("block", range(10))
def test_random_months(block: int) -> None:
    """1,000 months: nothing is matched twice, nothing is lost, and the order does not matter."""
    by_time = 0
    for seed in range(100 * block, 100 * block + 100):
        lines, charges = random_month(seed)
        pairs = match(lines, charges)
        assert Counter(each.pk for pair in pairs for each in pair.lines) == Counter(
            each.pk for each in lines
        )
        assert Counter(pair.charge.generation_id for pair in pairs if pair.charge) == Counter(
            each.generation_id for each in charges
        )
        assert sum(pair.billed_e4 for pair in pairs) == sum(each.amount_e4 for each in lines)
        for pair in pairs:
            _assert_pair_is_certain(pair, pairs)
            by_time += pair.matched == Matched.BY_TIME
        mixed_lines, mixed_charges = lines[:], charges[:]
        random.Random(seed).shuffle(mixed_lines)
        random.Random(seed).shuffle(mixed_charges)
        assert found(match(mixed_lines, mixed_charges)) == found(pairs)
    assert by_time > 10


def _assert_pair_is_certain(pair: Pair, pairs: Sequence[Pair]) -> None:
    tasks = {each.task_id for each in pair.lines}
    if pair.matched == Matched.BY_TASK:
        assert pair.charge
        assert tasks <= pair.charge.task_ids
        return
    if pair.matched != Matched.BY_TIME:
        assert not (pair.lines and pair.charge)
        return
    assert pair.charge
    others = [each for each in pairs if each is not pair and each.matched != Matched.BY_TASK]
    rivals = [each for each in others if each.charge and _fits(pair, each.charge)]
    rivals += [each for each in others if each.lines and _fits(each, pair.charge)]
    assert _fits(pair, pair.charge)
    assert rivals == []


def _fits(pair: Pair, charge: Charge) -> bool:
    """A second statement of the rule, in other words."""
    first = pair.lines[0]
    models = {first.model, charge.model} - {""}
    return (
        abs((first.at - charge.at).total_seconds()) <= 300
        and charge.amount_e4 == pair.billed_e4 > 0
        and len(models) < 2
        and (not first.task_id or not charge.task_ids)
    )
