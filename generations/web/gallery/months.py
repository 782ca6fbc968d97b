"""The months of the gallery: the parts of a page, their counts, and links to all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, datetime
from functools import lru_cache
from itertools import groupby
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language

from generations.models import Generation
from generations.web.counts import Count, counts_of
from generations.web.tiles import Tile

from .filters import Filter, start_of_day


@dataclass
class Month:
    """The part of a month that is on the page."""

    first: date
    tiles: list[Tile]
    has_heading: bool = True
    count: Count | None = None

    @property
    def slug(self) -> str:
        return f"{self.first:%Y-%m}"

    @property
    def shown_count(self) -> Count:
        """The count of what is on the page: images, or requests where these are listed."""
        return Count(sum(len(tile.images) or 1 for tile in self.tiles))


def count_months(
    months: Sequence[Month], filter: Filter, *more: QuerySet[Any], is_top: bool, is_last: bool
) -> list[Count]:
    """Set the counts of months with a heading and return the counts of `more`, in one statement.

    `is_top` and `is_last` tell whether the page is the first or the last one: a month that is
    completely on the page is counted without a query.
    """
    partial: list[Month] = []
    for position, month in enumerate(months):
        starts_here = position > 0 or is_top
        ends_here = position < len(months) - 1 or is_last
        if starts_here and ends_here:
            month.count = month.shown_count
        elif month.has_heading:
            partial.append(month)
    counts = counts_of([*(in_month(filter, month.first) for month in partial), *more])
    for month, count in zip(partial, counts, strict=False):
        month.count = count
    return counts[len(partial) :]


def in_month(filter: Filter, first: date) -> QuerySet[Any]:
    start, end = start_of_day(first), start_of_day(_next_month(first))
    return filter.counted(Q(created_at__gte=start, created_at__lt=end))


def month_of(row: Generation) -> date:
    return timezone.localdate(row.created_at).replace(day=1)


def parse_month(slug: str) -> date | None:
    """`2026-11` -> 1 November 2026; None for anything else.

    Also for the first and the last year of dates, which do not begin or end in every time zone.
    """
    try:
        first = datetime.strptime(slug, "%Y-%m").date()
    except ValueError:
        return None
    return first if MINYEAR < first.year < MAXYEAR else None


def end_of_month(slug: str) -> datetime:
    """`2026-11` -> the start of 1 December 2026. Raises `Http404` for anything else."""
    first = parse_month(slug)
    if first is None:
        raise Http404
    return start_of_day(_next_month(first))


def _previous_month(first: date) -> date:
    return date(first.year - (first.month == 1), (first.month - 2) % 12 + 1, 1)


def _next_month(first: date) -> date:
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)


# --- links to months -----------------------------------------------------------------------------


@dataclass(frozen=True)
class MonthLink:
    year: int
    slug: str
    short_name: str
    full_name: str

    @classmethod
    def to(cls, first: date) -> "MonthLink":
        names = date_format(first, "M"), date_format(first, "YEAR_MONTH_FORMAT")
        return cls(first.year, f"{first:%Y-%m}", *names)


def month_nav(filter: Filter) -> str:
    """Render links to all months since the first image, by year. Empty months are included."""
    rows = Generation.objects.visible_to(filter.member).having_pictures()
    first = rows.order_by("created_at", "pk").values_list("created_at", flat=True).first()
    if first is None:
        return ""
    newest, oldest = timezone.localdate().replace(day=1), timezone.localdate(first).replace(day=1)
    return _render_month_nav(newest, oldest, filter.query_string, get_language())


@lru_cache(maxsize=512)
def _render_month_nav(newest: date, oldest: date, query: str, _language: str | None) -> str:
    """Cached: the same on each page of a filter, and slower to render than its query."""
    months = [newest]
    while months[-1] > oldest:
        months.append(_previous_month(months[-1]))
    links = groupby(map(MonthLink.to, months), key=lambda link: link.year)
    years = [(year, list(group)) for year, group in links]
    return render_to_string("gallery/_month_nav.html", {"years": years, "query": query})
