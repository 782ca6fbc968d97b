"""Keeps the comparisons: matches a span of time again, and writes what has changed."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from generations.models import Team
from generations.models.money import ComparedDay, Comparison
from generations.models.money.price import current_upstream

from . import months, reading
from .inserting import insert
from .matching import Matched, Pair, match

# Lines and charges of the neighbourhood decide which candidate is the only one.
MARGIN = timedelta(minutes=45)
WRITTEN_MARGIN = timedelta(minutes=15)  # within which the neighbourhood is complete
CHUNK = 500
MAX_LINES_AT_ONCE = 10_000
MAX_SLICES = 24  # of a day: shorter ones would have more neighbourhood than lines
MEASURED = (
    "at", "group", "matched", "task_id", "generation_id", "lines", "billed_e4", "recorded_e4",
)  # fmt: skip
DECIDED = ("decision", "decided_by_id", "decided_at", "note", "accepted_e4")
_COLUMNS = ("upstream", "key", "block", *MEASURED, "decision", "note", "accepted_e4")
Group, Decision = Comparison.Group, Comparison.Decision
Values = tuple[Any, ...]  # of the columns `MEASURED` and `DECIDED`
Changed = tuple[Comparison, Values]  # a row to write, and its values when it was read


def compare(since: datetime, until: datetime) -> None:
    """Match all lines and charges of this time, and store the result. Decisions are kept.

    A decision whose difference has changed since is taken back: the row asks for another one. Kept
    in memory as a whole, so long spans are compared by `match_due_day`.
    """
    zone = Team.objects.current().zone
    days = set(months.days_between(since, max(since, until - timedelta.resolution), zone))
    pairs, since, until = _pairs(since, until)
    since, until = since - WRITTEN_MARGIN, until + WRITTEN_MARGIN
    spans = reading.covered_spans()
    found = {
        _key(pair): pair
        for pair in pairs
        if _is_between(pair, since, until) and _is_listed(pair, spans)
    }
    touched = _write(found, since, until) | days
    ComparedDay.objects.mark(touched)
    months.update(touched, timezone.now())


def mark_due(since: datetime, until: datetime) -> None:
    """Have the worker match this time again, day by day."""
    days = months.days_between(since, until, Team.objects.current().zone)
    ComparedDay.objects.mark(days, is_due=True)


def match_due_day(should_continue: Callable[[], bool]) -> bool:
    """Match the first day that is due, and sum up days that were left behind. False without one.

    A day stays due until it is matched to its end, so one that was cut short is matched again.
    """
    unfinished = ComparedDay.objects.unfinished().order_by("day")
    row = unfinished.filter(is_due=True).first()
    if row is None:
        stale = set(unfinished.values_list("day", flat=True))
        months.update(stale, timezone.now())
        return bool(stale)
    start, end = months.day_span(row.day, Team.objects.current().zone)
    for since, until in _slices(start, end):
        if not should_continue():
            return True
        compare(since, until)
    ComparedDay.objects.filter(pk=row.pk).update(is_due=False)
    return True


def _slices(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Divide a day with many lines, which are in memory together, into spans of some hours."""
    lines = reading.count_lines(start, end)
    number = min(max(1, -(-lines // MAX_LINES_AT_ONCE)), MAX_SLICES)
    length = (end - start) / number
    return [(start + length * n, start + length * (n + 1)) for n in range(number)]


def _pairs(since: datetime, until: datetime) -> tuple[list[Pair], datetime, datetime]:
    """Match a span. It grows where a task without a charge has an earlier line."""
    while True:
        first, last = since - MARGIN, until + MARGIN
        lines = reading.lines_between(first, last)
        tasks = {line.task_id for line in lines} - {""}
        # Lines of these tasks at other times: a refund may come days later.
        lines += reading.lines_of_tasks(tasks, outside=(first, last))
        charges = reading.charges(first, last, tasks)
        others = {task for charge in charges for task in charge.task_ids} - tasks
        lines += reading.lines_of_tasks(others, outside=(first, last))
        pairs = match(lines, charges)
        by_lines = [pair.at for pair in pairs if pair.lines and pair.matched != Matched.BY_TASK]
        earliest = min(by_lines, default=since)
        if earliest >= first:
            return pairs, since, until
        since = earliest


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
    """Insert, change and delete rows; empties `found`. Return the days that have changed.

    Of the rows that stay as they are, none is kept in memory.
    """
    own = Comparison.objects.filter(upstream=current_upstream())
    zone, touched = Team.objects.current().zone, set[date]()
    changed, gone = list[Changed](), list[Comparison]()
    for row in own.filter(at__gte=since, at__lte=until).iterator(chunk_size=CHUNK):
        pair, as_read = found.pop(row.key, None), _values(row)
        if _measure(row, pair) if pair else _is_given_back(row):
            changed.append((row, as_read))
        elif not pair and (row.lines or row.decision in ("", Decision.WATCHED)):
            gone.append(row)
    for some in reading.batches(list(found)):
        for row in own.filter(key__in=some):
            as_read = _values(row)
            _measure(row, found.pop(row.key))
            changed.append((row, as_read))
    for start in range(0, len(changed), CHUNK):
        touched |= _save(changed[start : start + CHUNK], zone)
    for start in range(0, len(gone), CHUNK):
        touched |= _delete(gone[start : start + CHUNK], zone)
    new = iter(found.items())
    while some_new := list(islice(new, CHUNK)):
        touched |= _insert([_comparison(key, pair) for key, pair in some_new], zone)
    return touched


@transaction.atomic
def _insert(rows: Sequence[Comparison], zone: ZoneInfo) -> set[date]:
    days = months.days_of((row.at for row in rows), zone)
    ComparedDay.objects.mark(days, is_stale=True)
    # Another one may have compared the same at this moment: its rows stay.
    insert(Comparison, _COLUMNS, [[getattr(row, name) for name in _COLUMNS] for row in rows])
    return days


@transaction.atomic
def _delete(rows: Sequence[Comparison], zone: ZoneInfo) -> set[date]:
    days = months.days_of((row.at for row in rows), zone)
    ComparedDay.objects.mark(days, is_stale=True)
    for some in reading.batches([row.pk for row in rows]):
        Comparison.objects.filter(pk__in=some).delete()
    return days


def _is_given_back(row: Comparison) -> bool:
    """A charge that no log contains was kept, and corrected to nothing elsewhere since."""
    if row.lines or row.decision != Decision.KEPT or not row.recorded_e4:
        return False
    row.recorded_e4, row.group = 0, Group.MATCHED
    return True


@transaction.atomic
def _save(chunk: Sequence[Changed], zone: ZoneInfo) -> set[date]:
    """Write the changed rows. Decisions that do not hold any more are taken back.

    The days are marked first: whoever sums them up meanwhile waits for this transaction.
    """
    moments = [as_read[MEASURED.index("at")] for _row, as_read in chunk]
    days = months.days_of([*moments, *(row.at for row, _read in chunk)], zone)
    ComparedDay.objects.mark(days, is_stale=True)
    locked = Comparison.objects.select_for_update().in_bulk([row.pk for row, _read in chunk])
    # A row that was decided since it was read stays as it is, until the next match.
    rows = [row for row, as_read in chunk if as_read == _values(locked.get(row.pk))]
    for row in rows:
        if not _still_holds(row):
            blank = Comparison()
            for name in DECIDED:
                setattr(row, name, getattr(blank, name))
        row.set_block()
    fields = ["block", *MEASURED, *(name.removesuffix("_id") for name in DECIDED)]
    Comparison.objects.bulk_update(rows, fields)
    return days


def _values(row: Comparison | None) -> Values:
    return tuple(getattr(row, name, None) for name in (*MEASURED, *DECIDED))


def _still_holds(row: Comparison) -> bool:
    if row.decision == Decision.WATCHED:
        return row.group == Group.UNKNOWN
    return row.group == Group.PROGRESS or row.difference_e4 in (0, row.accepted_e4)
