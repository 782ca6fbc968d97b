"""The figures of a month: sums over its comparisons, kept so that a page reads one row."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from generations.models import Team
from generations.models.money import ComparedMonth, Comparison, Window
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

    @property
    def open(self) -> int:
        return sum(self.counts.get(block, 0) for block in OPEN_BLOCKS)


def of(moments: Iterable[datetime], zone: ZoneInfo) -> set[date]:
    """The first days of the months of these moments."""
    days = {moment.astimezone(zone).date() for moment in moments}
    return {day.replace(day=1) for day in days}


def span(month: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    middle = datetime(month.year, month.month, 15, 12, tzinfo=zone)
    return boundaries(Window.MONTH, middle, zone)


def comparisons(month: date, zone: ZoneInfo) -> QuerySet[Comparison]:
    start, end = span(month, zone)
    return Comparison.objects.filter(upstream=current_upstream(), at__gte=start, at__lt=end)


def figures_of(month: date) -> Figures | None:
    """The kept figures; None for a month that no log was compared with."""
    row = ComparedMonth.objects.filter(upstream=current_upstream(), month=month).first()
    return Figures(**row.figures) if row else None


def beside(month: date) -> tuple[date | None, date | None]:
    """The nearest months before and after this one that a log was compared with."""
    days = ComparedMonth.objects.filter(upstream=current_upstream()).values_list("month", flat=True)
    before = days.filter(month__lt=month).order_by("-month").first()
    return before, days.filter(month__gt=month).order_by("month").first()


def update(changed: Iterable[date], at: datetime) -> None:
    """Sum up these months again."""
    zone = Team.objects.current().zone
    for month in sorted(changed):
        values = {"matched_at": at, "figures": asdict(_sum(month, zone))}
        ComparedMonth.objects.update_or_create(
            upstream=current_upstream(), month=month, defaults=values
        )


def _sum(month: date, zone: ZoneInfo) -> Figures:
    rows = comparisons(month, zone).order_by().values("group", "block", "matched")
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
