"""Periods: the counters of one day or month, of one person or of the team."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection, models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from generations.models.member import Member
from generations.models.team import Team

from .limit import Window
from .price import current_upstream

# In this order everywhere, so that two transactions never wait for each other. One that changes
# periods of several moments locks them first: see `PeriodQuerySet.lock`.
ORDER: tuple[tuple[bool, str], ...] = (
    (True, Window.MONTH),
    (True, Window.DAY),
    (False, Window.MONTH),
    (False, Window.DAY),
)
MAX_LENGTH = timedelta(days=50)  # of a month with a rest of the one before, see `new_period`
COUNTERS = (
    "reserved_e4",
    "charged_e4",
    "granted_e4",
    "reserved_images",
    "charged_images",
    "granted_images",
)


def boundaries(window: Window | str, at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return start and end of the local day or month around `at`. A day may have 23 or 25 hours."""
    local = at.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if window == Window.DAY:
        next_day = (midnight.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
        return midnight, next_day
    first = midnight.replace(day=1)
    middle_of_next = first.replace(tzinfo=None) + timedelta(days=45)
    return first, middle_of_next.replace(day=1, tzinfo=zone)


class PeriodQuerySet(models.QuerySet["Period"]):
    def lock(self) -> list["Period"]:
        """Lock these periods, of any moments, in the order of all transactions: as in `ORDER`."""
        owner = models.F("member").asc(nulls_first=True)
        return list(self.select_for_update().order_by(owner, "-window", "starts_at"))

    def current(self, member: Member, at: datetime, *, create: bool = True) -> list["Period"]:
        """Return the periods of the team and of this member around `at`, in `ORDER`.

        Those that do not exist yet are `is_new`, and created if `create`. There is no gap and no
        overlap: after a change of the time zone the running period ends as it was planned.
        """
        found = self._around(member, at)
        missing = [kind for kind in ORDER if kind not in found]
        neighbours = self._neighbours(member, at) if missing else {}
        new = [
            new_period(kind, member, at, neighbours.get(kind, NO_NEIGHBOURS)) for kind in missing
        ]
        if new and create:
            self.bulk_create(new, ignore_conflicts=True)  # another request may create the same
            found = self._around(member, at)
        else:
            found |= {row.kind: row for row in new}
        for kind in missing:
            found[kind].is_new = True
        return [found[kind] for kind in ORDER]

    def current_of(
        self, members: Sequence[Member], at: datetime, windows: Sequence[Window | str]
    ) -> dict[tuple[int | None, str], "Period"]:
        """Return the periods of these members and of the team, by (member's key, window).

        Two statements. Those that do not exist yet are `is_new`, and have the boundaries of the
        calendar also when the time zone has just changed. Writes nothing.
        """
        around = self.filter(
            upstream=current_upstream(),
            window__in=windows,
            starts_at__gt=at - MAX_LENGTH,
            starts_at__lte=at,
            ends_at__gt=at,
        ).order_by()
        rows = [*around.filter(member__isnull=True), *around.filter(member__in=members)]
        found = {(row.member_id, str(row.window)): row for row in rows}
        zone = Team.objects.current().zone
        for window in windows:
            starts_at, ends_at = boundaries(window, at, zone)
            for key in (None, *(member.pk for member in members)):
                if (key, str(window)) not in found:
                    row = Period(member_id=key, window=window, starts_at=starts_at, ends_at=ends_at)
                    row.is_new = True
                    found[key, str(window)] = row
        return found

    def team_month(self, at: datetime) -> "Period | None":
        """The month of the team around this moment; longer after a change of the time zone."""
        months = self.filter(upstream=current_upstream(), member=None, window=Window.MONTH)
        newest = months.filter(starts_at__lte=at).order_by("-starts_at").first()
        return newest if newest and newest.ends_at > at else None

    def exists_before(self, at: datetime) -> bool:
        """Whether the team has a month that began before this moment."""
        months = self.filter(upstream=current_upstream(), member=None, window=Window.MONTH)
        return months.filter(starts_at__lt=at).exists()

    def _around(self, member: Member, at: datetime) -> dict[tuple[bool, str], "Period"]:
        """The periods around `at` that exist. A union: each half has an index of its own."""
        since, now = (connection.ops.adapt_datetimefield_value(t) for t in (at - MAX_LENGTH, at))
        recent = """SELECT * FROM generations_period
            WHERE upstream = %s AND member_id {owner} AND "window" IN ('day', 'month')
                AND starts_at > %s AND starts_at <= %s AND ends_at > %s"""
        times = [since, now, now]
        rows = self.raw(
            f"{recent.format(owner='IS NULL')} UNION ALL {recent.format(owner='= %s')}",
            [current_upstream(), *times, current_upstream(), member.pk, *times],
        )
        return {row.kind: row for row in rows}

    def _neighbours(self, member: Member, at: datetime) -> dict[tuple[bool, str], "Neighbours"]:
        """The ends of the gap around `at`, by kind. Those without a period nearby are left out.

        Raw and one statement: who has no period yet may read what is left many times.
        """
        adapt = connection.ops.adapt_datetimefield_value
        near = """SELECT {is_team}, "window", MAX(CASE WHEN ends_at <= %s THEN ends_at END),
                MIN(CASE WHEN starts_at > %s THEN starts_at END)
            FROM generations_period
            WHERE upstream = %s AND member_id {owner} AND "window" IN ('day', 'month')
                AND starts_at > %s
            GROUP BY "window"
        """
        team, own = (
            near.format(is_team=is_team, owner=owner)
            for is_team, owner in ((1, "IS NULL"), (0, "= %s"))
        )
        now, since = adapt(at), adapt(at - 2 * MAX_LENGTH)
        key = [now, now, current_upstream()]
        with connection.cursor() as cursor:
            cursor.execute(
                f"{team} UNION ALL {own}",
                [*key, since, *key, member.pk, since],
            )
            return {
                (bool(is_team), window): Neighbours(_aware(ends_at), _aware(starts_at))
                for is_team, window, ends_at, starts_at in cursor.fetchall()
            }


class Neighbours(NamedTuple):
    """The end of the period before, and the start of the one after. None: there is none."""

    before_ends_at: datetime | None
    after_starts_at: datetime | None


NO_NEIGHBOURS = Neighbours(None, None)


def _aware(value: datetime | str | None) -> datetime | None:
    """SQLite returns the times of an aggregate as text in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


def new_period(
    kind: tuple[bool, str], member: Member, at: datetime, neighbours: Neighbours
) -> "Period":
    """Return the period around `at`, which touches its neighbours. Not saved."""
    is_team, window = kind
    starts_at, ends_at = boundaries(window, at, Team.objects.current().zone)
    before_ends_at, after_starts_at = neighbours
    if before_ends_at and before_ends_at > starts_at:  # the time zone has changed
        if ends_at - before_ends_at < (ends_at - starts_at) / 2:
            # A rest of a few hours gets no budget of its own.
            ends_at = boundaries(window, ends_at, Team.objects.current().zone)[1]
        starts_at = before_ends_at
    return Period(
        upstream=current_upstream(),
        member=None if is_team else member,
        window=window,
        starts_at=starts_at,
        ends_at=min(ends_at, after_starts_at) if after_starts_at else ends_at,
    )


class Period(models.Model):
    """What is reserved, charged and granted in one period: sums over its ledger entries.

    Only `ledger.py` writes the counters, each time together with an entry.
    """

    is_new = False  # created by the query that returned it

    upstream = models.CharField(max_length=20, default=current_upstream)
    member = models.ForeignKey(
        Member, models.PROTECT, null=True, related_name="periods", help_text=_("Empty: the team.")
    )
    window = models.CharField(max_length=5, choices=Window)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reserved_e4 = models.BigIntegerField(default=0)
    charged_e4 = models.BigIntegerField(default=0)
    granted_e4 = models.BigIntegerField(default=0)
    reserved_images = models.BigIntegerField(default=0)
    charged_images = models.BigIntegerField(default=0)
    granted_images = models.BigIntegerField(default=0)

    objects = PeriodQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_at", "pk"]
        constraints = (
            models.UniqueConstraint(
                fields=["upstream", "window", "starts_at"],
                condition=Q(member__isnull=True),
                name="period_team_window_starts_uniq",
            ),
            models.UniqueConstraint(
                fields=["upstream", "member", "window", "starts_at"],
                condition=Q(member__isnull=False),
                name="period_member_window_starts_uniq",
            ),
            models.CheckConstraint(
                name="period_ends_at_check", condition=Q(ends_at__gt=models.F("starts_at"))
            ),
            *(
                models.CheckConstraint(
                    name=f"period_{name}_check", condition=Q((f"{name}__gte", 0))
                )
                for name in COUNTERS
            ),
        )

    def __str__(self) -> str:
        whose = self.member or "team"
        return f"{whose}, {self.window} from {self.starts_at:%Y-%m-%d}"

    @property
    def kind(self) -> tuple[bool, str]:
        """(is the team's, window), the key of its limit."""
        return (self.member_id is None, self.window)

    @property
    def used_e4(self) -> int:
        return self.charged_e4 + self.reserved_e4

    @property
    def used_images(self) -> int:
        return self.charged_images + self.reserved_images
