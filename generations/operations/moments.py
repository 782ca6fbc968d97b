"""Days, times and months as text, in the team's time zone."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.utils import timezone

from generations.models.money import Window
from generations.models.money.period import boundaries

from .errors import OperationError

FIRST_YEAR, LAST_YEAR = 2000, 2999  # far from the ends of the calendar, where sums of times fail
_MONTH = re.compile(r"(?P<year>[0-9]{4})-(?P<month>0[1-9]|1[0-2])")


def parse_moment(text: str, zone: ZoneInfo) -> datetime:
    """Read a day (its first moment) or an ISO date and time; without an offset in this zone."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise OperationError(
            "Use a date such as 2026-12-01, or with a time such as 2026-12-01T08:00."
        ) from None
    _check_year(moment.year)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)


def formatted(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def machine_readable(moment: datetime, zone: ZoneInfo) -> str:
    """Write a time that `parse_moment` reads without a loss."""
    return moment.astimezone(zone).isoformat()


def _check_year(year: int) -> None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise OperationError(f"Use a year from {FIRST_YEAR} to {LAST_YEAR}.")


@dataclass(frozen=True)
class Month:
    """A calendar month in the team's time zone."""

    year: int
    month: int
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, zone: ZoneInfo) -> "Month":
        match = _MONTH.fullmatch(text.strip())
        if not match:
            raise OperationError("Use a month such as 2026-11.")
        _check_year(int(match["year"]))
        return cls(int(match["year"]), int(match["month"]), zone)

    @classmethod
    def current(cls, zone: ZoneInfo) -> "Month":
        now = timezone.now().astimezone(zone)
        return cls(now.year, now.month, zone)

    @property
    def boundaries(self) -> tuple[datetime, datetime]:
        middle = datetime(self.year, self.month, 15, tzinfo=self.zone)
        return boundaries(Window.MONTH, middle, self.zone)

    def contains(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether the middle of a period is in this month.

        Periods from before a change of the time zone begin and end some hours beside the month.
        """
        first, end = self.boundaries
        return first <= starts_at + (ends_at - starts_at) / 2 < end

    def __str__(self) -> str:
        return f"{self.year}-{self.month:02}"
