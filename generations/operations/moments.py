"""Days, times and months as text, in the team's time zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from generations.models.money.month import FIRST_YEAR, LAST_YEAR, Month

from .errors import OperationError


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


def parse_month(text: str, zone: ZoneInfo) -> Month:
    """Read `2026-11`. Raises OperationError."""
    try:
        return Month.parse(text.strip(), zone)
    except ValueError:
        raise OperationError(
            f"Use a month such as 2026-11, from {FIRST_YEAR} to {LAST_YEAR}."
        ) from None
