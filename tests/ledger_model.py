"""A second, plain implementation of the money rules, which the ledger is compared with.

It keeps everything in dictionaries, reads no limit, price or counter from the database, and shares
no code with `generations/models/money/`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

WINDOWS = ("month", "day")
TEAM = 0  # the owner of the team's periods, instead of a member's key


@dataclass
class Reservation:
    """What one press, or one press of "Send again", has reserved and then been charged."""

    n: int
    unit_e4: int
    periods: list[int]
    is_open: bool = True
    charged_e4: int = 0
    charged_images: int = 0
    is_corrected: bool = False  # by a person

    def end(self, images: int) -> None:
        assert self.is_open, "ended twice"
        self.is_open = False
        self.charged_images = images
        self.charged_e4 = self.unit_e4 * images


@dataclass
class KnownPeriod:
    owner: int
    window: str
    starts_at: datetime
    ends_at: datetime
    granted_e4: int = 0
    granted_images: int = 0


@dataclass
class Grant:
    person: int
    amount_e4: int
    images: int
    until: datetime


@dataclass
class Counters:
    reserved_e4: int = 0
    charged_e4: int = 0
    granted_e4: int = 0
    reserved_images: int = 0
    charged_images: int = 0
    granted_images: int = 0


# Money in ten-thousandths, and images; None is no limit.
LimitValues = tuple[int | None, int | None]


@dataclass
class LedgerModel:
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    charges_listed_images: bool = True
    charges_failures: bool = False
    prices: list[tuple[datetime, str, int]] = field(default_factory=list)
    limits: dict[tuple[str, str, int, str], LimitValues] = field(default_factory=dict)
    periods: dict[int, KnownPeriod] = field(default_factory=dict)
    grants: list[Grant] = field(default_factory=list)
    reservations: dict[int, list[Reservation]] = field(default_factory=dict)

    # --- prices and limits -----------------------------------------------------------------------

    def price(self, option: str, at: datetime) -> int | None:
        """The newest price of the option, else of the model; None without one."""
        for wanted in (option, ""):
            valid = [row for row in self.prices if row[1] == wanted and row[0] <= at]
            if valid:
                return max(valid)[2]
        return None

    def limit(self, owner: int, role: str, window: str) -> LimitValues:
        if owner == TEAM:
            return self.limits.get(("team", "", 0, window), (None, None))
        for scope in (("member", "", owner), ("role", role, 0), ("default", "", 0)):
            if (*scope, window) in self.limits:
                return self.limits[(*scope, window)]
        return (None, None)

    # --- periods ---------------------------------------------------------------------------------

    def add_period(self, pk: int, period: KnownPeriod) -> None:
        """A period that the studio has created. It begins with the grants in force."""
        for grant in self._grants_at(period.owner, period.starts_at):
            period.granted_e4 += grant.amount_e4
            period.granted_images += grant.images
        for other in self.periods.values():
            if (other.owner, other.window) == (period.owner, period.window):
                disjoint = other.ends_at <= period.starts_at or period.ends_at <= other.starts_at
                assert disjoint, f"{period} overlaps {other}"
        self.periods[pk] = period

    def grant(self, grant: Grant, at: datetime) -> None:
        self.grants.append(grant)
        for pk in self.current(grant.person, at).values():
            self.periods[pk].granted_e4 += grant.amount_e4
            self.periods[pk].granted_images += grant.images

    def current(self, owner: int, at: datetime) -> dict[str, int]:
        """The keys of the known periods around this time, by window."""
        return {
            period.window: pk
            for pk, period in self.periods.items()
            if period.owner == owner and period.starts_at <= at < period.ends_at
        }

    def _grants_at(self, owner: int, starts_at: datetime) -> list[Grant]:
        return [each for each in self.grants if each.person == owner and each.until > starts_at]

    def _start_of_next_period(self, owner: int, window: str, at: datetime) -> datetime:
        local = at.astimezone(self.zone)
        start = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        start = start.replace(day=1) if window == "month" else start
        before = [
            each.ends_at
            for each in self.periods.values()
            if (each.owner, each.window) == (owner, window) and each.ends_at <= at
        ]
        return max([start.astimezone(UTC), *before])

    # --- requests --------------------------------------------------------------------------------

    def fitting(self, person: int, role: str, n: int, unit_e4: int, at: datetime) -> int:
        """How many images of this price all limits allow, at most `n`."""
        return min(self._fit(*rest, n, unit_e4) for rest in self.left(person, role, at).values())

    def left(self, person: int, role: str, at: datetime) -> dict[tuple[bool, str], LimitValues]:
        """What is left of each limit, negative if more is used; None: no limit of that kind."""
        return {
            (owner == TEAM, window): self._left(owner, role, window, at)
            for owner in (TEAM, person)
            for window in WINDOWS
        }

    @staticmethod
    def _fit(left_e4: int | None, left_images: int | None, n: int, unit_e4: int) -> int:
        if left_images is not None:
            n = min(n, left_images)
        if left_e4 is not None and unit_e4:
            n = min(n, left_e4 // unit_e4)
        return max(n, 0)

    def _left(self, owner: int, role: str, window: str, at: datetime) -> LimitValues:
        money_e4, images = self.limit(owner, role, window)
        pk = self.current(owner, at).get(window)
        if pk is not None:
            used = self.counters()[pk]
        else:
            starts_at = self._start_of_next_period(owner, window, at)
            grants = self._grants_at(owner, starts_at)
            used = Counters(
                granted_e4=sum(each.amount_e4 for each in grants),
                granted_images=sum(each.images for each in grants),
            )
        return (
            None
            if money_e4 is None
            else money_e4 + used.granted_e4 - used.reserved_e4 - used.charged_e4,
            None
            if images is None
            else images + used.granted_images - used.reserved_images - used.charged_images,
        )

    def reserve(self, row: int, person: int, n: int, unit_e4: int, at: datetime) -> None:
        periods = [*self.current(TEAM, at).values(), *self.current(person, at).values()]
        assert len(periods) == 4, "a period of the team and of the person, for month and day"
        self.reservations.setdefault(row, []).append(Reservation(n, unit_e4, periods))

    def end(self, row: int, images: int) -> None:
        """The row is final. Earlier attempts were never confirmed and may have been charged."""
        *earlier, last = self.reservations[row]
        for each in earlier:
            each.end(each.n)
        last.end(images)

    def images_of_results(self, row: int, listed: int) -> int:
        n = self.reservations[row][-1].n
        return min(listed, n) if self.charges_listed_images else n

    def correct_late(self, row: int, listed: int) -> None:
        """Images arrived after a dismissal: they are what counts, unless a person has decided."""
        last = self.reservations[row][-1]
        if last.is_corrected:
            return
        last.charged_images = self.images_of_results(row, listed)
        last.charged_e4 = last.unit_e4 * last.charged_images

    def correct(self, row: int, number: int, amount_e4: int) -> None:
        reservation = self.reservations[row][number - 1]
        reservation.charged_e4 = amount_e4
        reservation.is_corrected = True

    def charged_e4(self, row: int) -> int:
        return sum(each.charged_e4 for each in self.reservations[row])

    def is_open(self, row: int) -> bool:
        return any(each.is_open for each in self.reservations[row])

    # --- what the studio must have ---------------------------------------------------------------

    def counters(self) -> dict[int, Counters]:
        counters = {
            pk: Counters(granted_e4=each.granted_e4, granted_images=each.granted_images)
            for pk, each in self.periods.items()
        }
        for reservation in self._all():
            for pk in reservation.periods:
                if reservation.is_open:
                    counters[pk].reserved_e4 += reservation.unit_e4 * reservation.n
                    counters[pk].reserved_images += reservation.n
                counters[pk].charged_e4 += reservation.charged_e4
                counters[pk].charged_images += reservation.charged_images
        return counters

    def _all(self) -> Iterator[Reservation]:
        for reservations in self.reservations.values():
            yield from reservations


def next_midnight(at: datetime, zone: ZoneInfo, *, of_month: bool) -> datetime:
    local = at.astimezone(zone).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    following = local + timedelta(days=1)
    if of_month:
        following = (local.replace(day=1) + timedelta(days=32)).replace(day=1)
    return following.replace(tzinfo=zone).astimezone(UTC)
