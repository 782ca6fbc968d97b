"""Reads what is matched: lines of imported logs, and the charges recorded here."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db.models import Q, QuerySet

from generations.models import Generation, Submission
from generations.models.money import GatewayLine, GatewayLog, LedgerEntry
from generations.models.money.price import current_upstream

from .matching import Charge, Line

BATCH = 800  # keys of one statement
MAX_WAIT = timedelta(days=7)  # in the queue: a charge is found by when it was requested


def batches(keys: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    rest = iter(keys)
    while some := tuple(islice(rest, BATCH)):
        yield some


def lines_between(since: datetime, until: datetime) -> list[Line]:
    return _lines(_own_lines().filter(at__gte=since, at__lte=until))


def count_lines(since: datetime, until: datetime) -> int:
    return _own_lines().filter(at__gte=since, at__lt=until).count()


def lines_of_tasks(task_ids: Iterable[str], *, outside: tuple[datetime, datetime]) -> list[Line]:
    """The lines of these tasks before and after a span."""
    other = _own_lines().exclude(at__gte=outside[0], at__lte=outside[1])
    return [line for some in batches(task_ids) for line in _lines(other.filter(task_id__in=some))]


def _own_lines() -> QuerySet[GatewayLine]:
    return GatewayLine.objects.filter(upstream=current_upstream())


def _lines(rows: QuerySet[GatewayLine]) -> list[Line]:
    columns = rows.order_by().values_list("pk", "at", "amount_e4", "task_id", "model")
    return [Line(*values) for values in columns.iterator()]


def covered_spans() -> list[tuple[datetime, datetime]]:
    """The times that imported logs cover, in order; spans that overlap are one."""
    logs = GatewayLog.objects.here().imported()
    spans: list[tuple[datetime, datetime]] = []
    for log in logs.order_by("starts_at").only("starts_at", "ends_at"):
        start, end = log.starts_at, log.ends_at
        assert start and end  # set by every import
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    return spans


# --- charges -------------------------------------------------------------------------------------

_COLUMNS = (
    "pk", "created_at", "submitted_at", "finished_at", "charged_e4", "upstream_task_id", "attempt",
)  # fmt: skip


def charges(since: datetime, until: datetime, task_ids: Collection[str]) -> list[Charge]:
    """The generations that were charged and sent in this time, and those with one of the tasks."""
    own = Generation.objects.filter(upstream=current_upstream())
    answered = Q(submitted_at__gte=since, submitted_at__lte=until)
    unanswered = Q(
        submitted_at=None, created_at__gte=since - MAX_WAIT, created_at__lte=until
    )  # when it was sent, its submission says
    rows = {
        row["pk"]: row
        for span in (answered, unanswered)
        for row in own.filter(span, charged_e4__gt=0).order_by().values(*_COLUMNS).iterator()
    }
    found = {row["upstream_task_id"] for row in rows.values()}
    for some in batches(task for task in task_ids if task not in found):
        for row in own.filter(upstream_task_id__in=some).values(*_COLUMNS):
            rows[row["pk"]] = row
        sent = Submission.objects.filter(
            upstream_task_id__in=some, generation__upstream=current_upstream()
        )
        missing = set(sent.values_list("generation", flat=True)) - rows.keys()
        for row in own.filter(pk__in=missing).values(*_COLUMNS):
            rows[row["pk"]] = row
    return _charges(rows, set(task_ids), since, until)


def _charges(
    rows: dict[int, dict[str, Any]], in_log: set[str], since: datetime, until: datetime
) -> list[Charge]:
    """Add the tasks of earlier attempts, the time of the submit, and the model where it decides."""
    tasks = {pk: {row["upstream_task_id"]} - {""} for pk, row in rows.items()}
    sent_at = {pk: row["submitted_at"] for pk, row in rows.items()}
    repeated = [pk for pk, row in rows.items() if row["attempt"] > 1 or not row["submitted_at"]]
    for some in batches(repeated):
        sent = Submission.objects.filter(generation__in=some).order_by("attempt")
        for pk, task_id, at in sent.values_list("generation", "upstream_task_id", "sent_at"):
            tasks[pk] |= {task_id} - {""}
            if not rows[pk]["submitted_at"]:
                sent_at[pk] = at
    models = _models(pk for pk, own in tasks.items() if not own & in_log)
    found = [
        Charge(
            generation_id=pk,
            at=sent_at[pk] or row["created_at"],
            amount_e4=amount(row["charged_e4"], row["finished_at"]),
            task_ids=frozenset(tasks[pk]),
            model=models.get(pk, ""),
        )
        for pk, row in rows.items()
    ]
    return [each for each in found if since <= each.at <= until or each.task_ids & in_log]


def amount(charged_e4: int | None, finished_at: datetime | None) -> int | None:
    """None while it is in progress; 0 for one that ended before there was a ledger."""
    return 0 if charged_e4 is None and finished_at else charged_e4


def has_task(task_id: str) -> bool:
    """Whether a generation here has this task, or an earlier attempt of one."""
    own = Generation.objects.filter(upstream=current_upstream(), upstream_task_id=task_id)
    sent = Submission.objects.filter(
        upstream_task_id=task_id, generation__upstream=current_upstream()
    )
    return own.exists() or sent.exists()


def _models(generation_ids: Iterable[int]) -> dict[int, str]:
    return {
        pk or 0: model
        for some in batches(generation_ids)
        for pk, model in LedgerEntry.objects.filter(
            generation_id__in=some, kind=LedgerEntry.Kind.RESERVE
        ).values_list("generation_id", "model")
    }
