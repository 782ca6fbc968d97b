"""The ledger of sample data: entries of many finished requests at once, and their removal.

The only code that deletes entries. Rows of real requests pass `ledger.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Sum

from generations.models import append_only
from generations.models.member import Member
from generations.models.team import Team

from .ledger import Quote
from .ledger_entry import LedgerEntry
from .period import COUNTERS, Period

Kind = LedgerEntry.Kind
_COLUMNS = (
    "at", "kind", "key", "period_id", "upstream", "generation_id", "reservation", "engine",
    "model", "option", "person_id", "by_id", "unit_price_e4", "reserved_e4", "charged_e4",
    "granted_e4", "reserved_images", "charged_images", "granted_images", "reason",
)  # fmt: skip
_INSERT = f"""INSERT INTO generations_ledgerentry ({", ".join(_COLUMNS)})
    VALUES ({", ".join(["%s"] * len(_COLUMNS))})"""  # noqa: S608


@dataclass(frozen=True)
class PastRequest:
    """A request that has ended: what it reserved, and how many images were charged."""

    generation_id: int
    member: Member
    quote: Quote
    reserved_at: datetime
    ended_at: datetime
    charged_images: int


class Writer:
    """Writes the entries of requests, oldest first, in the periods of their times."""

    def __init__(self) -> None:
        self._zone = Team.objects.current().zone
        self._periods: dict[tuple[int, date], list[Period]] = {}

    @transaction.atomic
    def write(self, requests: Iterable[PastRequest]) -> None:
        rows: list[tuple[Any, ...]] = []
        charged: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
        for each in requests:
            for period in self._periods_of(each.member, each.reserved_at):
                rows += _entries(each, period)
                amounts = charged[period.pk]
                amounts[0] += (each.quote.unit_e4 or 0) * each.charged_images
                amounts[1] += each.charged_images
        with connection.cursor() as cursor:
            cursor.executemany(_INSERT, rows)
            cursor.executemany(
                """UPDATE generations_period SET charged_e4 = charged_e4 + %s,
                    charged_images = charged_images + %s WHERE id = %s""",
                [(*amounts, pk) for pk, amounts in charged.items()],
            )

    def _periods_of(self, member: Member, at: datetime) -> list[Period]:
        key = (member.pk, at.astimezone(self._zone).date())
        found = self._periods.get(key)
        if found is None or not all(each.starts_at <= at < each.ends_at for each in found):
            found = self._periods[key] = Period.objects.current(member, at)
        return found


def _entries(request: PastRequest, period: Period) -> list[tuple[Any, ...]]:
    """A reservation and its end."""
    quote, key = request.quote, f"g{request.generation_id}.r1"
    total, charged = quote.total_e4, (quote.unit_e4 or 0) * request.charged_images
    at, end = map(connection.ops.adapt_datetimefield_value, (request.reserved_at, request.ended_at))
    common = (
        period.pk, period.upstream, request.generation_id, 1, quote.engine, quote.model,
        quote.option, request.member.pk,
    )  # fmt: skip
    ended = Kind.CHARGE if request.charged_images else Kind.RELEASE
    return [
        (at, Kind.RESERVE.value, f"{key}.reserve", *common, request.member.pk, quote.unit_e4,
         total, 0, 0, quote.n, 0, 0, ""),
        (end, ended.value, f"{key}.end", *common, None, quote.unit_e4,
         -total, charged, 0, -quote.n, request.charged_images, 0, "sample data"),
    ]  # fmt: skip


def remove(generation_ids: Sequence[int]) -> None:
    """Delete the entries of these generations, and the periods that have no others."""
    with transaction.atomic():
        entries = LedgerEntry.objects.filter(generation_id__in=generation_ids).order_by()
        sums = entries.values_list("period").annotate(*(Sum(name) for name in COUNTERS))
        for pk, *values in sums:
            changes = dict(zip(COUNTERS, values, strict=True))
            Period.objects.filter(pk=pk).update(
                **{name: F(name) - value for name, value in changes.items() if value}
            )
        touched = [pk for pk, *_values in sums]
        was_protected = append_only.is_protected(connection)
        if was_protected:
            append_only.unprotect(connection, [append_only.LEDGER])
        entries.delete()
        if was_protected:
            append_only.protect(connection, [append_only.LEDGER])
        Period.objects.filter(pk__in=touched, entries=None).delete()
