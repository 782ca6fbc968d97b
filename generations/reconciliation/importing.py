"""Imports a log: checks its lines, stores each once, and has the days that it covers matched.

`GatewayLog.state` and `done_lines` say what is done, and change in the transaction that does it. So
whoever comes next, the page that started it or a worker after a kill, continues where it was.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from generations.models import AuditAction, AuditEntry, Member, Team
from generations.models.money import ComparedDay, GatewayLine, GatewayLog
from generations.models.money.price import current_upstream

from . import comparing, months
from .columns import ColumnMapping
from .inserting import insert
from .parsing import LogLine, Problem, Table, Tally, parse, read_table

BATCH = 1000  # lines of one transaction, so that other writers get their turn
SMALL_LINES = 300  # the press itself imports so many
State = GatewayLog.State
_LINE_COLUMNS = (
    "upstream", "key", "log_id", "at", "amount_e4", "task_id", "model", "request_id",
)  # fmt: skip


def table_of(log: GatewayLog) -> Table:
    """The stored file of a log. Raises Problem, and OSError or ValueError if there is no file."""

    path = Path(log.file.path)
    return read_table(lambda: path.open(encoding="utf-8", newline=""))


def start(log: GatewayLog, mapping: ColumnMapping, by: Member) -> bool:
    """Begin to import a draft. False if somebody else has begun.

    Call it in the transaction that also wakes up the worker.
    """
    values = {"mapping": mapping.as_json(), "by": by, "problem": None}
    return log.advance(State.READING, **values)


def start_fetch(month: date, by: Member) -> GatewayLog:
    """Have the worker fetch the log of a month, unless that is in progress: then return this one.

    Call it in the transaction that also wakes up the worker.
    """
    name = f"gateway-log-{uuid4()}.csv"
    row = GatewayLog(month=month, by=by, state=State.FETCHING, file=name)
    GatewayLog.objects.bulk_create([row], ignore_conflicts=True)
    return GatewayLog.objects.here().open().get(month=month)


def cancel(log: GatewayLog) -> bool:
    """Stop an import, and have its lines removed. False once all of them are stored."""
    rows = GatewayLog.objects.filter(pk=log.pk, state__in=GatewayLog.CANCELABLE)
    return bool(rows.update(state=State.CANCELING))


def run(log: GatewayLog, should_continue: Callable[[], bool]) -> None:
    """Go on until the import has ended or should not continue. Fetching is up to the worker."""
    steps = {
        State.READING: _check,
        State.STORING: _store,
        State.MATCHING: _match,
        State.CANCELING: _remove,
    }
    while should_continue():
        log.refresh_from_db()
        step = steps.get(State(log.state))
        if step is None or not step(log, should_continue):
            return


def _check(log: GatewayLog, should_continue: Callable[[], bool]) -> bool:
    """Read all lines, and store none. One that cannot be read makes the log a draft again."""
    tally, first, last = Tally(), None, None
    try:
        for line in _lines(log, tally):
            first, last = min(first or line.at, line.at), max(last or line.at, line.at)
            if tally.lines % BATCH == 0 and not (
                log.update(done_lines=tally.rows) and should_continue()
            ):
                return False
    except Problem as problem:
        return _give_back(log, {"code": problem.code, "number": problem.number})
    except (OSError, ValueError):
        return _give_back(log, {"code": "gone"})
    if tally.failed:
        errors = [[error.number, error.column, error.cell] for error in tally.errors]
        return _give_back(log, {"code": "cells", "number": tally.failed, "errors": errors})
    if not tally.lines and not log.month:
        return _give_back(log, {"code": "no-amounts"})
    return log.advance(
        State.STORING,
        total_lines=tally.lines,
        lines=tally.lines,
        skipped_lines=tally.skipped,
        repeated_lines=tally.repeated,
        starts_at=first,
        ends_at=last,
    )


def _give_back(log: GatewayLog, problem: dict[str, object]) -> bool:
    """Say what is wrong: an uploaded log can be corrected, a fetched one only be fetched again."""
    if log.month:
        log.advance(State.FAILED, problem=problem, ended_at=timezone.now())
        log.file.delete(save=False)
    else:
        log.advance(State.DRAFT, problem=problem)
    return False


def _lines(log: GatewayLog, tally: Tally) -> Iterator[LogLine]:
    mapping = ColumnMapping.from_json(log.mapping)
    return parse(table_of(log), mapping, ZoneInfo(mapping.time_zone), tally)


def _store(log: GatewayLog, should_continue: Callable[[], bool]) -> bool:
    """Store the lines after those that are stored already. Then the days are due to be matched."""
    try:
        rest = islice(_lines(log, Tally()), log.done_lines, None)
        while batch := list(islice(rest, BATCH)):
            if not _store_batch(log, batch) or not should_continue():
                return False
    except (OSError, ValueError):  # its file was damaged after it was checked
        log.advance(State.CANCELING, problem={"code": "gone"})
        return True
    with transaction.atomic():
        if not log.advance(State.MATCHING, imported_at=timezone.now()):
            return False
        if log.starts_at and log.ends_at:
            comparing.mark_due(log.starts_at, log.ends_at)
        after = {"lines": log.lines, "new_lines": log.new_lines}
        AuditEntry.objects.record(AuditAction.RECONCILED, log.by, on=log, after=after)
    log.file.delete(save=False)
    return log.update(file="")


@transaction.atomic
def _store_batch(log: GatewayLog, lines: Sequence[LogLine]) -> bool:
    """Insert the lines that are not stored yet, and count them. False: another one has done it."""
    done = log.done_lines + len(lines)
    own = GatewayLog.objects.filter(pk=log.pk, state=State.STORING, done_lines=log.done_lines)
    if own.select_for_update().first() is None:
        return False
    new = insert(
        GatewayLine,
        _LINE_COLUMNS,
        [(log.upstream, each.key, log.pk, each.at, each.amount_e4, *each.texts) for each in lines],
    )
    own.update(done_lines=done, new_lines=F("new_lines") + new)
    log.done_lines, log.new_lines = done, log.new_lines + new
    return True


def _match(log: GatewayLog, should_continue: Callable[[], bool]) -> bool:
    """Match the days that are due, and end the import when its own are done."""
    if days_due(log):
        return comparing.match_due_day(should_continue)
    return log.advance(State.DONE, ended_at=timezone.now())


def days_due(log: GatewayLog) -> int:
    """How many days of the log wait to be matched."""
    if not (log.starts_at and log.ends_at):
        return 0
    days = covered_days(log)
    return ComparedDay.objects.here().filter(is_due=True, day__range=(days[0], days[-1])).count()


def covered_days(log: GatewayLog) -> list[date]:
    if not (log.starts_at and log.ends_at):
        return []
    return months.days_between(log.starts_at, log.ends_at, Team.objects.current().zone)


def _remove(log: GatewayLog, should_continue: Callable[[], bool]) -> bool:
    """Delete the lines of a canceled import, and match again what they were compared with."""
    while True:
        some = list(log.gateway_lines.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not some:
            break
        GatewayLine.objects.filter(pk__in=some).delete()
        if not should_continue():
            return False
    ComparedDay.objects.here().filter(day__in=covered_days(log)).update(is_due=True)
    if log.file:
        log.file.delete(save=False)
    return log.advance(State.CANCELED, ended_at=timezone.now(), new_lines=0, file="")


def work_left() -> bool:
    """Whether the worker has to import, match or sum up something."""
    return GatewayLog.objects.here().open().exists() or ComparedDay.objects.unfinished().exists()


def next_log() -> GatewayLog | None:
    return GatewayLog.objects.filter(upstream=current_upstream()).open().first()
