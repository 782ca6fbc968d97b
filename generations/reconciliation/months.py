"""The figures of a month: sums over its comparisons, kept by day, so that a page adds 31 rows.

A decision sums up one day again, however many lines the month has.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from generations.models import Team
from generations.models.money import ComparedDay, Comparison, Window
from generations.models.money.period import boundaries
from generations.models.money.price import current_upstream

Block, Group = Comparison.Block, Comparison.Group


OPEN_BLOCKS = (Block.UNKNOWN, Block.MISSING, Block.DIFFERENT)


@dataclass
class Figures:
    """`difference_e4` is what is left to decide: billed - recorded - accepted - in progress."""

    difference_e4: int = 0
    billed_e4: int = 0
    lines: int = 0
    recorded_e4: int = 0
    charges: int = 0
    by_task: int = 0
    by_time: int = 0
    refunded: int = 0  # tasks that only the gateway knew, and refunded in full
    progress_e4: int = 0
    accepted_e4: int = 0  # what decisions left: ignored and kept
    counts: dict[str, int] = field(default_factory=dict)  # by block

    @property
    def matched(self) -> int:
        return self.by_task + self.by_time + self.refunded

    def add(self, other: "Figures") -> None:
        for each in fields(self):
            if each.name != "counts":
                setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        self.counts = dict(Counter(self.counts) + Counter(other.counts))

    @property
    def open(self) -> int:
        return sum(self.counts.get(block, 0) for block in OPEN_BLOCKS)


def days_of(moments: Iterable[datetime], zone: ZoneInfo) -> set[date]:
    return {moment.astimezone(zone).date() for moment in moments}


def days_between(since: datetime, until: datetime, zone: ZoneInfo) -> list[date]:
    first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def day_span(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    return boundaries(Window.DAY, datetime(day.year, day.month, day.day, 12, tzinfo=zone), zone)


def span(month: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    middle = datetime(month.year, month.month, 15, 12, tzinfo=zone)
    return boundaries(Window.MONTH, middle, zone)


def comparisons(month: date, zone: ZoneInfo) -> QuerySet[Comparison]:
    start, end = span(month, zone)
    return Comparison.objects.filter(upstream=current_upstream(), at__gte=start, at__lt=end)


def figures_of(month: date) -> Figures | None:
    """The kept figures; None for a month that no log was compared with."""
    parts = list(ComparedDay.objects.of_month(month).values_list("figures", flat=True))
    if not parts:
        return None
    total = Figures()
    for part in parts:
        total.add(Figures(**part))
    return total


def days_due(month: date) -> int:
    """How many days of the month wait for the worker to match them."""
    return ComparedDay.objects.of_month(month).unfinished().count()


def beside(month: date) -> tuple[date | None, date | None]:
    """The nearest months before and after this one that a log was compared with."""
    days = ComparedDay.objects.here().values_list("day", flat=True)
    before = days.filter(day__lt=month).order_by("-day").first()
    after = days.filter(day__gte=_next(month)).order_by("day").first()
    return (before and before.replace(day=1), after and after.replace(day=1))


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def update(changed: Iterable[date], at: datetime) -> None:
    """Sum up these days again."""
    zone = Team.objects.current().zone
    for day in sorted(changed):
        with transaction.atomic():
            # The lock comes first: whoever changes a comparison marks its day before.
            row = ComparedDay.objects.here().select_for_update().get(day=day)
            row.figures, row.matched_at, row.is_stale = asdict(_sum(day, zone)), at, False
            row.save(update_fields=["figures", "matched_at", "is_stale"])


def _sum(day: date, zone: ZoneInfo) -> Figures:
    start, end = day_span(day, zone)
    of_day = Comparison.objects.filter(upstream=current_upstream(), at__gte=start, at__lt=end)
    rows = of_day.order_by().values("group", "block", "matched")
    sums = rows.annotate(
        count=Count("pk"),
        billed=Coalesce(Sum("billed_e4"), 0),
        recorded=Coalesce(Sum("recorded_e4"), 0),
        number_of_lines=Coalesce(Sum("lines"), 0),
        charges=Count("pk", filter=Q(recorded_e4__gt=0)),
    )
    figures = Figures()
    for each in sums:
        _add(figures, dict(each))
    return figures


def _add(figures: Figures, part: dict[str, Any]) -> None:
    group, block, count = part["group"], part["block"], part["count"]
    difference = part["billed"] - part["recorded"]
    figures.billed_e4 += part["billed"]
    figures.recorded_e4 += part["recorded"]
    figures.lines += part["number_of_lines"]
    figures.charges += part["charges"]
    figures.counts[block] = figures.counts.get(block, 0) + count
    if group == Group.MATCHED:
        name = {"task": "by_task", "time": "by_time"}.get(part["matched"], "refunded")
        setattr(figures, name, getattr(figures, name) + count)
    if group == Group.PROGRESS:
        figures.progress_e4 += difference
    elif block == Block.DECIDED:
        figures.accepted_e4 += difference
    else:
        figures.difference_e4 += difference
