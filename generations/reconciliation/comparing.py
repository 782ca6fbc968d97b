"""Keeps the comparisons: matches a span of time again, and writes what has changed."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

from django.db import transaction
from django.utils import timezone

from generations.models import Team
from generations.models.money import Comparison
from generations.models.money.price import current_upstream

from . import months, reading
from .matching import Line, Matched, Pair, match

# Lines and charges of the neighbourhood decide which candidate is the only one.
MARGIN = timedelta(hours=1)
WRITTEN_MARGIN = timedelta(minutes=30)  # within which the neighbourhood is complete
CHUNK = 500
MEASURED = (
    "at", "group", "matched", "task_id", "generation_id", "lines", "billed_e4", "recorded_e4",
)  # fmt: skip
DECIDED = ("decision", "decided_by_id", "decided_at", "note", "accepted_e4")
Group, Decision = Comparison.Group, Comparison.Decision
Values = tuple[Any, ...]  # of the columns `MEASURED` and `DECIDED`
Changed = tuple[Comparison, Values]  # a row to write, and its values when it was read


def compare(since: datetime, until: datetime) -> None:
    """Match all lines and charges of this time, and store the result. Decisions are kept.

    A decision whose difference has changed since is taken back: the row asks for another one.
    """
    pairs, since, until = _pairs(since, until)
    since, until = since - WRITTEN_MARGIN, until + WRITTEN_MARGIN
    spans = reading.covered_spans()
    found = {
        _key(pair): pair
        for pair in pairs
        if _is_between(pair, since, until) and _is_listed(pair, spans)
    }
    touched = _write(found, since, until)
    months.update(touched, timezone.now())


def _pairs(since: datetime, until: datetime) -> tuple[list[Pair], datetime, datetime]:
    """Match a span. It grows where a task without a charge has an earlier line."""
    while True:
        first, last = since - MARGIN, until + MARGIN
        lines = {line.pk: line for line in reading.lines_between(first, last)}
        _add_other_lines(lines, {line.task_id for line in lines.values()})
        charges = reading.charges(first, last, {line.task_id for line in lines.values()} - {""})
        _add_other_lines(lines, {task for charge in charges for task in charge.task_ids})
        pairs = match(lines.values(), charges)
        by_lines = [pair.at for pair in pairs if pair.lines and pair.matched != Matched.BY_TASK]
        earliest = min(by_lines, default=since)
        if earliest >= first:
            return pairs, since, until
        since = earliest


def _add_other_lines(lines: dict[int, Line], task_ids: set[str]) -> None:
    """Add the lines of these tasks at other times: a refund may come days later."""
    lines.update((line.pk, line) for line in reading.lines_of_tasks(task_ids - {""}))


def _is_between(pair: Pair, since: datetime, until: datetime) -> bool:
    moments = [line.at for line in pair.lines]
    if pair.charge:
        moments.append(pair.charge.at)
    return any(since <= at <= until for at in moments)


def _is_listed(pair: Pair, spans: Sequence[tuple[datetime, datetime]]) -> bool:
    """False for a charge that no log covers, and for one of nothing."""
    if pair.lines:
        return True
    assert pair.charge
    is_covered = any(start < pair.charge.at < end for start, end in spans)
    return is_covered and bool(pair.charge.amount_e4)


def _comparison(key: str, pair: Pair) -> Comparison:
    row = Comparison(upstream=current_upstream(), key=key)
    _measure(row, pair)
    row.set_block()
    return row


def _measure(row: Comparison, pair: Pair) -> bool:
    """Set the columns that a match decides. False if they have these values already."""
    values = (
        pair.at,
        _group(pair),
        str(pair.matched),
        pair.task_id,
        pair.charge.generation_id if pair.charge else None,
        len(pair.lines),
        pair.billed_e4 if pair.lines else None,
        pair.charge.amount_e4 if pair.charge else None,
    )
    if values == tuple(getattr(row, name) for name in MEASURED):
        return False
    for name, value in zip(MEASURED, values, strict=True):
        setattr(row, name, value)
    return True


def _key(pair: Pair) -> str:
    if pair.charge:
        return f"g{pair.charge.generation_id}"
    return f"t{pair.task_id}" if pair.task_id else f"l{pair.lines[0].pk}"


def _group(pair: Pair) -> str:
    if not pair.lines:
        return Group.MISSING
    if not pair.charge:
        return Group.UNKNOWN if pair.billed_e4 else Group.MATCHED  # refunded in full
    if pair.charge.amount_e4 is None:
        return Group.PROGRESS
    return Group.MATCHED if pair.charge.amount_e4 == pair.billed_e4 else Group.DIFFERENT


# --- writing -------------------------------------------------------------------------------------


def _write(found: dict[str, Pair], since: datetime, until: datetime) -> set[date]:
    """Insert, change and delete rows; empties `found`. Return the months that have changed.

    Of the rows that stay as they are, none is kept in memory.
    """
    own = Comparison.objects.filter(upstream=current_upstream())
    moments = [since + WRITTEN_MARGIN, until - WRITTEN_MARGIN]
    changed, gone = list[Changed](), list[int]()
    for row in own.filter(at__gte=since, at__lte=until).iterator(chunk_size=CHUNK):
        before, pair, as_read = row.at, found.pop(row.key, None), _values(row)
        if _measure(row, pair) if pair else _is_given_back(row):
            changed.append((row, as_read))
            moments += [before, row.at]
        elif not pair and (row.lines or row.decision in ("", Decision.WATCHED)):
            gone.append(row.pk)
            moments.append(before)
    for some in reading.batches(list(found)):
        for row in own.filter(key__in=some):
            moments.append(row.at)
            as_read = _values(row)
            _measure(row, found.pop(row.key))
            changed.append((row, as_read))
    moments += [pair.at for pair in found.values()]
    _save(changed, gone)
    new = (_comparison(key, pair) for key, pair in found.items())
    while some_new := list(islice(new, CHUNK)):
        Comparison.objects.bulk_create(some_new, ignore_conflicts=True)
    return months.of(moments, Team.objects.current().zone)


def _is_given_back(row: Comparison) -> bool:
    """A charge that no log contains was kept, and corrected to nothing elsewhere since."""
    if row.lines or row.decision != Decision.KEPT or not row.recorded_e4:
        return False
    row.recorded_e4, row.group = 0, Group.MATCHED
    return True


def _save(changed: Sequence[Changed], gone: Sequence[int]) -> None:
    """Write the changed rows. Decisions that do not hold any more are taken back."""
    fields = ["block", *MEASURED, *(name.removesuffix("_id") for name in DECIDED)]
    for start in range(0, len(changed), CHUNK):
        chunk = changed[start : start + CHUNK]
        with transaction.atomic():
            locked = Comparison.objects.select_for_update().in_bulk(
                [row.pk for row, _read in chunk]
            )
            # A row that was decided since it was read stays as it is, until the next match.
            rows = [row for row, as_read in chunk if as_read == _values(locked.get(row.pk))]
            for row in rows:
                if not _still_holds(row):
                    blank = Comparison()
                    for name in DECIDED:
                        setattr(row, name, getattr(blank, name))
                row.set_block()
            Comparison.objects.bulk_update(rows, fields)
    for some in reading.batches(gone):
        Comparison.objects.filter(pk__in=some).delete()


def _values(row: Comparison | None) -> Values:
    return tuple(getattr(row, name, None) for name in (*MEASURED, *DECIDED))


def _still_holds(row: Comparison) -> bool:
    if row.decision == Decision.WATCHED:
        return row.group == Group.UNKNOWN
    return row.group == Group.PROGRESS or row.difference_e4 in (0, row.accepted_e4)
