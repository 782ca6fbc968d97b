"""Keeps the comparisons: matches a span of time again, and writes what has changed."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

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


def compare(since: datetime, until: datetime) -> None:
    """Match all lines and charges of this time, and store the result. Decisions are kept.

    A decision whose difference has changed since is taken back: the row asks for another one.
    """
    pairs, since, until = _pairs(since, until)
    since, until = since - WRITTEN_MARGIN, until + WRITTEN_MARGIN
    spans = reading.covered_spans()
    found = {
        row.key: row
        for pair in pairs
        if _is_between(pair, since, until) and (row := _comparison(pair, spans))
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


def _comparison(pair: Pair, spans: Sequence[tuple[datetime, datetime]]) -> Comparison | None:
    """The row of a pair. None for a charge that no log covers, and for one of nothing."""
    charge, recorded_e4 = pair.charge, pair.charge.amount_e4 if pair.charge else None
    if not pair.lines:
        assert charge
        if not recorded_e4 or not any(start < charge.at < end for start, end in spans):
            return None
    row = Comparison(
        upstream=current_upstream(),
        key=_key(pair),
        at=pair.at,
        group=_group(pair),
        matched=str(pair.matched),
        task_id=pair.task_id,
        generation_id=charge.generation_id if charge else None,
        lines=len(pair.lines),
        billed_e4=pair.billed_e4 if pair.lines else None,
        recorded_e4=recorded_e4,
    )
    row.set_block()
    return row


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


def _write(found: dict[str, Comparison], since: datetime, until: datetime) -> set[date]:
    """Insert, change and delete rows. Return the months whose sums have changed."""
    own = Comparison.objects.filter(upstream=current_upstream())
    stored = {row.key: row for row in own.filter(at__gte=since, at__lte=until).iterator()}
    for some in reading.batches(found.keys() - stored.keys()):
        stored |= {row.key: row for row in own.filter(key__in=some)}
    new = [row for key, row in found.items() if key not in stored]
    changed, moments = list[Comparison](), [row.at for row in new]
    for key, row in stored.items():
        if key in found and _differs(row, found[key]):
            moments += [row.at, found[key].at]
            changed.append(_changed(row, found[key]))
    # What was refunded here and is in no log stays listed as decided.
    gone = [
        row
        for key, row in stored.items()
        if key not in found and (not row.decision or row.lines or _is_undecided(row))
    ]
    moments += [row.at for row in gone]
    for start in range(0, len(new), CHUNK):
        Comparison.objects.bulk_create(new[start : start + CHUNK], ignore_conflicts=True)
    fields = ["block", *MEASURED, *(name.removesuffix("_id") for name in DECIDED)]
    for start in range(0, len(changed), CHUNK):
        with transaction.atomic():
            Comparison.objects.bulk_update(changed[start : start + CHUNK], fields)
    for some in reading.batches(row.pk for row in gone):
        Comparison.objects.filter(pk__in=some).delete()
    zone = Team.objects.current().zone
    return months.of([*moments, since + WRITTEN_MARGIN, until - WRITTEN_MARGIN], zone)


def _differs(row: Comparison, found: Comparison) -> bool:
    return any(getattr(row, name) != getattr(found, name) for name in MEASURED)


def _changed(row: Comparison, found: Comparison) -> Comparison:
    for name in MEASURED:
        setattr(row, name, getattr(found, name))
    if not _still_holds(row):
        blank = Comparison()
        for name in DECIDED:
            setattr(row, name, getattr(blank, name))
    row.set_block()
    return row


def _still_holds(row: Comparison) -> bool:
    if row.decision == Decision.WATCHED:
        return row.group == Group.UNKNOWN
    return row.group == Group.PROGRESS or row.difference_e4 in (0, row.accepted_e4)


def _is_undecided(row: Comparison) -> bool:
    return row.decision in ("", Decision.WATCHED)
