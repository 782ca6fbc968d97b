"""Daily roll-ups: sums of the ledger's entries, so that the page of a month reads few rows.

A day is the team's period of one day: an attempt belongs to the day in which it was reserved,
whenever it ends or is corrected. A day is rolled up when it is over and nothing in it is reserved.
Sums that may not be shown are never shown: `DayState.is_rolled_up` compares each day with its
counters and its newest entry, and the days that differ are read from the ledger. So a roll-up that
runs late, twice or never changes no figure, only what a page costs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, models, transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from generations.models.member import Member

from .ledger_entry import LedgerEntry
from .limit import Window
from .period import MAX_LENGTH, Period

# Entries become visible when their transaction ends, not in the order of their times. A day that
# was rolled up sooner after its newest entry is rolled up again.
OVERLAP = timedelta(hours=1)
# In one run of the job, each in a transaction of its own: a first run must not keep a worker busy.
MAX_DAYS_OF_A_RUN = 200


class DaySum(NamedTuple):
    """The sums of one day over the entries that agree in all other columns."""

    day: int  # the key of the team's period of a day
    month: int  # the key of the team's period of a month, whose counter has these entries too
    person: int | None
    engine: str
    model: str
    collection: int | None  # for which the images were requested; it may be deleted
    state: str  # of the generation: a status, `late`, `lost`, or `deleted` without its row
    charged_images: int
    charged_e4: int
    reserved_images: int
    reserved_e4: int
    open_requests: int

    @property
    def figures(self) -> tuple[int, int, int, int, int]:
        """In the order of the fields of `usage.Figures`."""
        return (
            self.charged_images,
            self.charged_e4,
            self.reserved_images,
            self.reserved_e4,
            self.open_requests,
        )

    @property
    def is_charged(self) -> bool:
        return bool(self.charged_images or self.charged_e4)


@dataclass(frozen=True)
class DayState:
    """A day, and what is known of its roll-up."""

    period: Period
    newest_entry_at: datetime | None
    roll_up: "UsageDay | None"

    @property
    def is_rolled_up(self) -> bool:
        """Whether the stored sums are those of the ledger."""
        period, stored, newest = self.period, self.roll_up, self.newest_entry_at
        return (
            stored is not None
            and newest is not None
            and not stored.is_outdated
            and stored.newest_entry_at == newest
            and stored.rolled_up_at >= newest + OVERLAP
            and (stored.charged_e4, stored.charged_images)
            == (period.charged_e4, period.charged_images)
            and self.may_be_rolled_up
        )

    @property
    def may_be_rolled_up(self) -> bool:
        """Whether the day is over, and its generations have a final state."""
        period = self.period
        return period.ends_at <= timezone.now() and period.reserved_images == 0


def states_of(days: "models.QuerySet[Period]") -> list[DayState]:
    """The states of these days, in one query that looks up one entry a day."""
    newest = LedgerEntry.objects.filter(period=OuterRef("pk")).order_by("-at").values("at")[:1]
    rows = days.select_related("usage_day").annotate(newest_entry_at=Subquery(newest))
    return [DayState(row, row.newest_entry_at, getattr(row, "usage_day", None)) for row in rows]


def days_of_the_team() -> "models.QuerySet[Period]":
    """All days, of every upstream."""
    return Period.objects.filter(member=None, window=Window.DAY).order_by("pk")


def roll_up() -> int:
    """Store the sums of the days that have none, or old ones. Return how many days."""
    due = [
        state.period
        for state in states_of(days_of_the_team().filter(ends_at__lte=timezone.now()))
        if state.may_be_rolled_up and not state.is_rolled_up
    ]
    due.sort(key=lambda period: period.starts_at, reverse=True)
    for period in due[:MAX_DAYS_OF_A_RUN]:
        _roll_up_day(period)
    return len(due[:MAX_DAYS_OF_A_RUN])


def _roll_up_day(period: Period) -> None:
    months = months_around([period])
    with transaction.atomic():
        # Two runs at once: the second waits for the row, and reads the entries again.
        UsageDay.objects.get_or_create(pk=period.pk, defaults={"newest_entry_at": timezone.now()})
        [day] = UsageDay.objects.select_for_update().filter(pk=period.pk)
        newest = LedgerEntry.objects.filter(period=period).order_by("-at").values_list("at")[:1]
        day.newest_entry_at = next((at for (at,) in newest), timezone.now())
        sums = [row for row in sums_in_ledger([period], months) if row.is_charged]
        day.sums.all().delete()
        UsageSum.objects.bulk_create(UsageSum.of(row) for row in sums)
        day.charged_e4 = sum(row.charged_e4 for row in sums)
        day.charged_images = sum(row.charged_images for row in sums)
        day.rolled_up_at, day.is_outdated = timezone.now(), False
        day.save()


def mark_outdated(generation_id: int) -> None:
    """The state of this generation has changed without an entry: roll its days up again."""
    periods = LedgerEntry.objects.filter(generation_id=generation_id).values("period")
    UsageDay.objects.filter(period__in=periods).update(is_outdated=True)


def mark_all_outdated() -> None:
    """Read all days from the ledger, until the next runs of the job have rolled them up again."""
    UsageDay.objects.update(is_outdated=True)


def months_around(days: Sequence[Period]) -> list[Period]:
    """The team's months that have a moment of one of these days; of one upstream."""
    if not days:
        return []
    first, end = min(day.starts_at for day in days), max(day.ends_at for day in days)
    months = Period.objects.filter(
        upstream=days[0].upstream,
        member=None,
        window=Window.MONTH,
        starts_at__gt=first - MAX_LENGTH,
        starts_at__lt=end,
        ends_at__gt=first,
    )
    return list(months)


# --- sums from the ledger ------------------------------------------------------------------------


def sums_in_ledger(days: Sequence[Period], months: Sequence[Period]) -> Iterator[DaySum]:
    """Yield the sums of these days from their entries. `months`: all that are around them.

    After a change of the time zone a day may begin in one month of the team and end in the next.
    """
    month_of: dict[int, int] = {}
    for day in days:
        around = [
            month.pk
            for month in months
            if month.starts_at < day.ends_at and month.ends_at > day.starts_at
        ]
        if len(around) == 1:
            month_of[day.pk] = around[0]
        else:
            for month in around:
                yield from (DaySum(pk, month, *values) for pk, *values in _read([day.pk], month))
    if month_of:
        yield from (DaySum(pk, month_of[pk], *values) for pk, *values in _read(list(month_of)))


def _read(days: Sequence[int], month: int | None = None) -> Iterator[tuple[Any, ...]]:
    """The columns of `DaySum` but `month`, which limits the entries to those it has too."""
    places = ", ".join(["%s"] * len(days))
    of_month = """AND EXISTS (SELECT 1 FROM generations_ledgerentry same
        WHERE same.key = entry.key AND same.period_id = %s)"""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT entry.period_id, entry.person_id, entry.engine, entry.model,
                generation.collection_id,
                CASE WHEN generation.id IS NULL THEN 'deleted'
                    WHEN generation.status <> 'running' THEN generation.status
                    WHEN generation.lost_at IS NOT NULL THEN 'lost'
                    WHEN generation.late_at IS NOT NULL THEN 'late'
                    ELSE generation.status END AS state,
                CAST(SUM(entry.charged_images) AS bigint),
                CAST(SUM(entry.charged_e4) AS bigint),
                CAST(SUM(entry.reserved_images) AS bigint),
                CAST(SUM(entry.reserved_e4) AS bigint),
                CAST(SUM(CASE entry.kind WHEN 'reserve' THEN 1 WHEN 'release' THEN -1
                    WHEN 'charge' THEN -1 ELSE 0 END) AS bigint)
            FROM generations_ledgerentry entry
            LEFT JOIN generations_generation generation ON generation.id = entry.generation_id
            WHERE entry.period_id IN ({places}) {of_month if month else ""}
            GROUP BY entry.period_id, entry.person_id, entry.engine, entry.model,
                generation.collection_id, state""",  # noqa: S608
            [*days, *([month] if month else [])],
        )
        yield from cursor.fetchall()


# --- the tables ----------------------------------------------------------------------------------


class UsageDay(models.Model):
    """A day whose sums are stored."""

    period = models.OneToOneField(
        Period, models.CASCADE, primary_key=True, related_name="usage_day"
    )
    rolled_up_at = models.DateTimeField(default=timezone.now)
    newest_entry_at = models.DateTimeField()
    charged_e4 = models.BigIntegerField(default=0)
    charged_images = models.BigIntegerField(default=0)
    is_outdated = models.BooleanField(default=True)

    def __str__(self) -> str:
        return f"usage, {self.period}"


class UsageSum(models.Model):
    """What was charged on one day, to one person, for one engine, collection and state."""

    day = models.ForeignKey(UsageDay, models.CASCADE, related_name="sums")
    month = models.ForeignKey(Period, models.CASCADE, related_name="+", db_index=False)
    # Plain keys: nothing that is deleted may change a sum.
    person = models.ForeignKey(
        Member, models.DO_NOTHING, null=True, related_name="+", db_constraint=False, db_index=False
    )
    engine = models.CharField(max_length=20, blank=True)
    model = models.CharField(max_length=60, blank=True)
    collection = models.BigIntegerField(null=True)
    state = models.CharField(max_length=12)
    charged_images = models.BigIntegerField()
    charged_e4 = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["month", "person"], name="usagesum_month_person_idx")]

    def __str__(self) -> str:
        return f"{self.person_id}, {self.engine} {self.model}: {self.charged_e4}"

    @classmethod
    def of(cls, row: DaySum) -> "UsageSum":
        return cls(
            day_id=row.day,
            month_id=row.month,
            person_id=row.person,
            engine=row.engine,
            model=row.model,
            collection=row.collection,
            state=row.state,
            charged_images=row.charged_images,
            charged_e4=row.charged_e4,
        )
