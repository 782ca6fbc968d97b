"""Stores the lines of a log, once each, and has them matched."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from generations.models import AuditAction, AuditEntry, Member
from generations.models.money import GatewayLine, GatewayLog
from generations.models.money.price import current_upstream

from .columns import ColumnMapping
from .comparing import compare
from .parsing import LogLine, Parsed

CHUNK = 2000  # lines of one transaction, so that other writers get their turn


@dataclass(frozen=True)
class Imported:
    lines: int
    new_lines: int


def import_log(log: GatewayLog, parsed: Parsed, mapping: ColumnMapping, by: Member) -> Imported:
    """Store the lines that no earlier log had, and compare the time that the log covers.

    Importing a log again, or one that overlaps, stores only what is new. A second press of the same
    draft changes nothing. `parsed` has at least one line.
    """
    lines = parsed.lines
    new = sum(_store(log, lines[start : start + CHUNK]) for start in range(0, len(lines), CHUNK))
    starts_at, ends_at = min(each.at for each in lines), max(each.at for each in lines)
    with transaction.atomic():
        is_first = GatewayLog.objects.filter(pk=log.pk, imported_at=None).update(
            imported_at=timezone.now(),
            mapping=mapping.as_json(),
            lines=len(lines),
            new_lines=new,
            starts_at=starts_at,
            ends_at=ends_at,
        )
        if is_first:
            after = {"lines": len(lines), "new_lines": new}
            AuditEntry.objects.record(AuditAction.RECONCILED, by, on=log, after=after)
    log.refresh_from_db()
    compare(starts_at, ends_at)
    log.file.delete()  # also saves the row
    return Imported(len(lines), new)


@transaction.atomic
def _store(log: GatewayLog, lines: Sequence[LogLine]) -> int:
    """Insert the lines that are not stored yet. Return how many there were."""
    upstream = current_upstream()
    stored = GatewayLine.objects.filter(upstream=upstream, key__in=[each.key for each in lines])
    known = set(stored.values_list("key", flat=True))
    new = [
        GatewayLine(
            upstream=upstream,
            key=each.key,
            log=log,
            at=each.at,
            amount_e4=each.amount_e4,
            task_id=each.task_id,
            model=each.model,
            request_id=each.request_id,
        )
        for each in lines
        if each.key not in known
    ]
    GatewayLine.objects.bulk_create(new, ignore_conflicts=True)  # another import at this moment
    return len(new)
