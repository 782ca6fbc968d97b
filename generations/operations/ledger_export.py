"""The ledger as rows: every entry of every period, for bookkeeping and for checks by others.

A request writes one entry for each period that it touches, of the team and of the person, a month
and a day each. So only the entries of one `period_of` and one `window` can be summed up.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from generations.csv_cells import csv_lines
from generations.models.money import LedgerEntry, Period
from generations.models.money.amounts import plain
from generations.models.money.month import Month

from .moments import machine_readable

ROWS_IN_MEMORY = 2000
PERIODS_OF_A_QUERY = 500
# The name of each column, and the field that it shows.
COLUMNS = {
    "id": "pk",
    "at": "at",
    "kind": "kind",
    "key": "key",
    "period_of": "period__member__username",  # None: of the team
    "window": "period__window",
    "period_starts_at": "period__starts_at",
    "upstream": "upstream",
    "generation": "generation_id",
    "reservation": "reservation",
    "engine": "engine",
    "model": "model",
    "option": "option",
    "person": "person__username",
    "by": "by__username",
    "unit_price": "unit_price_e4",
    "reserved": "reserved_e4",
    "charged": "charged_e4",
    "granted": "granted_e4",
    "reserved_images": "reserved_images",
    "charged_images": "charged_images",
    "granted_images": "granted_images",
    "reason": "reason",
}
Row = dict[str, Any]


def export_csv(month: Month | None, zone: ZoneInfo) -> Iterator[str]:
    """Yield lines of CSV, the header first."""
    return csv_lines(COLUMNS, (row.values() for row in rows(month, zone)))


def export_json(month: Month | None, zone: ZoneInfo) -> Iterator[str]:
    """Yield the parts of one JSON document."""
    yield '{"entries": ['
    for index, row in enumerate(rows(month, zone)):
        yield (",\n" if index else "\n") + json.dumps(row)
    yield "]}\n"


def rows(month: Month | None, zone: ZoneInfo) -> Iterator[Row]:
    """Yield all entries of the periods of a month, or of all times; times in this zone."""
    for entries in _parts(month):
        values = entries.values_list(*COLUMNS.values())
        for row in values.iterator(chunk_size=ROWS_IN_MEMORY):
            yield _row(row, zone)


def _parts(month: Month | None) -> Iterator[Any]:
    entries = LedgerEntry.objects.order_by("pk")
    if month is None:
        yield entries
        return
    starts_at, ends_at = month.boundaries
    around = Period.objects.filter(starts_at__lt=ends_at, ends_at__gt=starts_at).order_by("pk")
    periods = around.values_list("pk", "starts_at", "ends_at")
    pks = [pk for pk, *times in periods if month.contains(*times)]
    for index in range(0, len(pks), PERIODS_OF_A_QUERY):
        yield entries.filter(period__in=pks[index : index + PERIODS_OF_A_QUERY])


def _row(values: tuple[Any, ...], zone: ZoneInfo) -> Row:
    return {
        column: _cell(field, value, zone)
        for (column, field), value in zip(COLUMNS.items(), values, strict=True)
    }


def _cell(field: str, value: Any, zone: ZoneInfo) -> Any:
    if isinstance(value, datetime):
        return machine_readable(value, zone)
    return plain(value) if field.endswith("_e4") and value is not None else value
