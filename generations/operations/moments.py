"""Days, times and months as text, in the team's time zone."""

import re
from datetime import UTC, datetime
from typing import Self
from zoneinfo import ZoneInfo

from generations.models.money.month import Month as CalendarMonth

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


class Month(CalendarMonth):
    """A month that a person has typed."""

    @classmethod
    def parse(cls, text: str, zone: ZoneInfo) -> Self:
        """Read `2026-11`. Raises OperationError."""
        match = _MONTH.fullmatch(text.strip())
        if not match:
            raise OperationError("Use a month such as 2026-11.")
        _check_year(int(match["year"]))
        return cls(int(match["year"]), int(match["month"]), zone)
