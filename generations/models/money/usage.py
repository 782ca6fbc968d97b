"""What was generated and charged in a month: the sums that pages and commands show.

A request belongs to the month in which it was reserved, so a month that is over may still move
while `Figures.open_requests` is not 0. Days that are rolled up are read from the roll-up, all
others from the ledger.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import QuerySet, Sum
from django.utils import timezone

from generations.models.member import Member

from .limit import Window
from .month import Month
from .period import MAX_LENGTH, Period
from .price import current_upstream
from .usage_day import (
    DayState,
    DaySum,
    UsageSum,
    days_of_the_team,
    months_around,
    states_of,
    sums_in_ledger,
)

# Open requests of these states may be charged without an image.
STATES_AT_RISK = ("unconfirmed", "late", "lost")
# The columns by which the figures of a month are grouped.
GROUPINGS = {
    "people": ("person",),
    "models": ("engine", "model"),
    "collections": ("collection",),
    "states": ("state",),
}
MIN_ELAPSED_FOR_FORECAST = timedelta(days=1)


@dataclass
class Figures:
    """Images and amounts. What is reserved may still be charged."""

    charged_images: int = 0
    charged_e4: int = 0
    reserved_images: int = 0
    reserved_e4: int = 0
    open_requests: int = 0

    def add(self, *figures: int) -> None:
        """Add figures in the order of the fields. Those that are left out are 0."""
        for each, value in zip(fields(self), figures, strict=False):
            setattr(self, each.name, getattr(self, each.name) + value)

    @property
    def used_e4(self) -> int:
        return self.charged_e4 + self.reserved_e4


Groups = dict[Any, Figures]


@dataclass
class Usage:
    """The figures of a month, in total and by column; the highest amounts first."""

    total: Figures = field(default_factory=Figures)
    days: dict[date, Figures] = field(default_factory=dict)  # in order, without empty days
    people: dict[int | None, Figures] = field(default_factory=dict)
    models: dict[tuple[str, str], Figures] = field(default_factory=dict)  # engine, model
    collections: dict[int | None, Figures] = field(default_factory=dict)
    states: dict[str, Figures] = field(default_factory=dict)

    @property
    def at_risk(self) -> Figures:
        """What is reserved by requests without an answer, or without an answer in time."""
        risk = Figures()
        for state in STATES_AT_RISK:
            if figures := self.states.get(state):
                risk.add(0, 0, figures.reserved_images, figures.reserved_e4, figures.open_requests)
        return risk


class UsageLine(NamedTuple):
    """The figures of one day that agree in all columns."""

    day: date
    person: int | None
    engine: str
    model: str
    collection: int | None
    state: str
    figures: Figures


def usage_of(month: Month, person: Member | None = None) -> Usage:
    """Return the figures of a month, of one person or of the whole team."""
    source = _Source(month, person)
    usage = Usage()
    for name, columns in GROUPINGS.items():
        setattr(usage, name, _highest_first(source.grouped_by(*columns)))
    for key, figures in source.grouped_by("day").items():
        day = usage.days.setdefault(source.date_of[key], Figures())
        for sums in (day, usage.total):
            sums.add(*vars(figures).values())
    usage.days = dict(sorted(usage.days.items()))
    return usage


def lines_of(month: Month, person: Member | None = None) -> Iterator[UsageLine]:
    """Yield the figures of a month with all their columns, day by day."""
    source = _Source(month, person)
    columns = ("day", "person", "engine", "model", "collection", "state")
    groups = source.grouped_by(*columns)
    lines = [
        UsageLine(source.date_of[day], person_id, engine, model, collection, state, figures)
        for (day, person_id, engine, model, collection, state), figures in groups.items()
    ]
    yield from sorted(lines, key=lambda line: (line.day, *map(str, line[1:-1])))


def forecast_e4(figures: Figures, month: Month) -> int | None:
    """Where the amount of the running month ends at this pace; None for other months.

    None on its first day, too: a pace of a few hours says nothing.
    """
    (start, end), now = month.boundaries, timezone.now()
    if not start + MIN_ELAPSED_FOR_FORECAST <= now < end:
        return None
    return pace_e4(figures.used_e4, start, end, now)


def pace_e4(used_e4: int, start: datetime, end: datetime, now: datetime) -> int:
    """What a period costs if the rest of it is like its beginning, of a day at least."""
    elapsed = max(now - start, min(MIN_ELAPSED_FOR_FORECAST, end - start))
    return round(used_e4 * ((end - start) / elapsed))


class _Source:
    """The rows of the roll-up and the sums from the ledger that make up a month."""

    def __init__(self, month: Month, person: Member | None) -> None:
        self._month, self._person = month, person
        start, end = month.boundaries
        around = Period.objects.filter(
            upstream=current_upstream(),
            member=None,
            window=Window.MONTH,
            starts_at__gt=start - MAX_LENGTH,
            starts_at__lt=end,
            ends_at__gt=start,
        )
        # One, or several where the time zone was changed.
        self._months = [each for each in around if month.contains(each.starts_at, each.ends_at)]
        self._states = self._days()
        self.date_of = {state.period.pk: self._date(state.period) for state in self._states}

    def _days(self) -> list[DayState]:
        if not self._months:
            return []
        start = min(each.starts_at for each in self._months)
        end = max(each.ends_at for each in self._months)
        days = days_of_the_team().filter(
            upstream=current_upstream(),
            starts_at__gt=start - MAX_LENGTH,
            starts_at__lt=end,
            ends_at__gt=start,
        )
        return states_of(days)

    def _date(self, period: Period) -> date:
        """The date of the middle of a day, in this month."""
        middle = period.starts_at + (period.ends_at - period.starts_at) / 2
        days = self._month.days
        return min(max(middle.astimezone(self._month.zone).date(), days[0]), days[-1])

    @cached_property
    def _from_ledger(self) -> list[DaySum]:
        days = [state.period for state in self._states if not state.is_rolled_up]
        months = {month.pk for month in self._months}
        return [
            row
            for row in sums_in_ledger(days, months_around(days))
            if row.month in months
            and (self._person is None or row.person == self._person.pk)
            and (row.is_charged or row.open_requests)
        ]

    @cached_property
    def _rolled_up(self) -> QuerySet[UsageSum]:
        rows = UsageSum.objects.filter(month__in=[month.pk for month in self._months])
        if self._person is not None:
            rows = rows.filter(person=self._person)
        days = [state.period.pk for state in self._states if not state.is_rolled_up]
        return rows.exclude(day__in=days) if days else rows

    def grouped_by(self, *columns: str) -> Groups:
        """Return figures by the values of these columns; by the value itself if it is one."""
        groups: defaultdict[Any, Figures] = defaultdict(Figures)
        for row in self._from_ledger:
            key = tuple(getattr(row, column) for column in columns)
            groups[key].add(*row.figures)
        if self._months:
            sums = self._rolled_up.order_by().values_list(*columns)
            for *values, images, amount_e4 in sums.annotate(
                Sum("charged_images"), Sum("charged_e4")
            ):
                groups[tuple(values)].add(images, amount_e4)
        return {key if len(key) > 1 else key[0]: figures for key, figures in groups.items()}


def _highest_first(groups: Groups) -> Groups:
    def rank(item: tuple[Any, Figures]) -> tuple[int, int, str]:
        key, figures = item
        return -figures.used_e4, -figures.charged_images, str(key)

    return dict(sorted(groups.items(), key=rank))
