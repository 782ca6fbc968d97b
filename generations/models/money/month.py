"""Calendar months in the team's time zone."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from django.utils import timezone

from .limit import Window
from .period import boundaries

FIRST_YEAR, LAST_YEAR = 2000, 2999  # far from the ends of the calendar, where sums of times fail
_TEXT = re.compile(r"(?P<year>[0-9]{4})-(?P<month>0[1-9]|1[0-2])")


@dataclass(frozen=True)
class Month:
    year: int
    month: int
    zone: ZoneInfo

    @classmethod
    def around(cls, moment: datetime, zone: ZoneInfo) -> Self:
        local = moment.astimezone(zone)
        return cls(local.year, local.month, zone)

    @classmethod
    def current(cls, zone: ZoneInfo) -> Self:
        return cls.around(timezone.now(), zone)

    @classmethod
    def parse(cls, text: str, zone: ZoneInfo) -> Self:
        """Read `2026-11`. Raises ValueError."""
        match = _TEXT.fullmatch(text)
        if not match or not FIRST_YEAR <= int(match["year"]) <= LAST_YEAR:
            raise ValueError(f"no month from {FIRST_YEAR}-01 to {LAST_YEAR}-12")
        return cls(int(match["year"]), int(match["month"]), zone)

    @property
    def first_day(self) -> date:
        return date(self.year, self.month, 1)

    @property
    def boundaries(self) -> tuple[datetime, datetime]:
        middle = datetime(self.year, self.month, 15, tzinfo=self.zone)
        return boundaries(Window.MONTH, middle, self.zone)

    @property
    def days(self) -> list[date]:
        first = self.first_day
        count = ((first + timedelta(days=31)).replace(day=1) - first).days
        return [first + timedelta(days=number) for number in range(count)]

    @property
    def previous(self) -> Self:
        return self.around(self.boundaries[0] - timedelta(days=1), self.zone)

    @property
    def next(self) -> Self:
        return self.around(self.boundaries[1] + timedelta(days=1), self.zone)

    def contains(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether the middle of a period is in this month.

        Periods from before a change of the time zone begin and end some hours beside the month.
        """
        first, end = self.boundaries
        return first <= starts_at + (ends_at - starts_at) / 2 < end

    def __str__(self) -> str:
        return f"{self.year}-{self.month:02}"
