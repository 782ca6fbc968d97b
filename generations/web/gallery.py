"""Everything the team shares, newest first: a page of rows by key, and the months beside it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from itertools import groupby
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from generations import catalog
from generations.models import Generation, Picture
from generations.models.counting import count_up_to
from generations.models.generation_queryset import GenerationQuerySet

from .access import MemberRequest
from .changes import open_of
from .filters import MADE, STATES, Filter
from .menus import menus
from .paging import after, before, key_of
from .tiles import SHOWN, Tile, tiles_of

PICTURES_A_PAGE = 60
ROWS_A_PAGE = 40
MOST_COUNTED = 1000  # beyond that a page says "1,000+"


@dataclass(frozen=True)
class Count:
    """How many there are, as far as they were counted."""

    number: int

    @property
    def is_more(self) -> bool:
        return self.number > MOST_COUNTED

    @property
    def told(self) -> int:
        return min(self.number, MOST_COUNTED)


@dataclass
class Month:
    """What of one month stands on this page."""

    first: date
    tiles: list[Tile]
    has_heading: bool = True
    count: Count | None = None

    @property
    def slug(self) -> str:
        return f"{self.first:%Y-%m}"


@dataclass(frozen=True)
class Stretch:
    """One page's worth of rows, newest first, and whether there are more on either side."""

    rows: list[Generation]
    is_top: bool
    has_older: bool

    @property
    def older(self) -> str:
        return key_of(self.rows[-1]) if self.has_older else ""

    @property
    def newer(self) -> str:
        return "" if self.is_top or not self.rows else key_of(self.rows[0])


@require_safe
def gallery(request: MemberRequest) -> HttpResponse:
    filter = Filter(request.GET, request.user)
    stretch = _stretch(request, filter)
    months = _months(stretch, filter, seen=request.GET.get("seen", ""))
    context: dict[str, Any] = {
        "filter": filter,
        "query": filter.address,
        "selecting": "select" in request.GET,
        "months": months,
        "early_month": None if request.htmx else next(iter(months), None),
        "stretch": stretch,
    }
    if request.htmx:
        _count(months, stretch, filter)
        return render(request, "gallery/_items.html", context)
    total, open_count = _count(months, stretch, filter, filter.counted(), open_of(request.user))
    context |= menus() | {
        "total": Count(total),
        "rail": _rail(filter),
        "open_count": open_count,
        "shapes": catalog.SHAPES,
        "states": STATES,
        "made": MADE,
        "everything": filter.address,
        "way_out": _way_out(filter) if not stretch.rows else None,
    }
    return render(request, "gallery/gallery.html", context)


# --- the rows ------------------------------------------------------------------------------------


def _stretch(request: MemberRequest, filter: Filter) -> Stretch:
    """`before` and `after` are keys; `month` begins with the newest of that month."""
    rows = filter.rows()
    asked = request.GET
    if "before" in asked:
        return _from(rows.filter(before(asked["before"])), filter, is_top=False)
    if "month" in asked:
        return _from(rows.filter(created_at__lt=_end_of(asked["month"])), filter, is_top=False)
    if "after" in asked:
        newer = rows.filter(after(asked["after"])).order_by("created_at", "pk")
        keys = list(newer.values_list("pk", flat=True)[: ROWS_A_PAGE + 1])
        if len(keys) > ROWS_A_PAGE:
            page = _fetch(rows.filter(pk__in=keys[:ROWS_A_PAGE]), filter)
            return Stretch(page, is_top=False, has_older=True)
    return _from(rows, filter, is_top=True)


def _from(rows: GenerationQuerySet, filter: Filter, *, is_top: bool) -> Stretch:
    """Whole generations, until the page is full."""
    found = _fetch(rows[: ROWS_A_PAGE + 1], filter)
    many = 0
    for place, row in enumerate(found[:ROWS_A_PAGE]):
        many += len(row.shown_pictures)
        if many >= PICTURES_A_PAGE:
            return Stretch(found[: place + 1], is_top, has_older=place + 1 < len(found))
    return Stretch(found[:ROWS_A_PAGE], is_top, has_older=len(found) > ROWS_A_PAGE)


def _fetch(rows: GenerationQuerySet, filter: Filter) -> list[Generation]:
    pictures = filter.narrow(Picture.objects.available())
    return list(
        rows.only(
            "prompt", "n", "owner", "created_at", "is_private", "aspect_ratio", "status"
        ).with_pictures_of(
            pictures.with_favourites_of(filter.member).only(*SHOWN).order_by("index")
        )
    )


def _months(stretch: Stretch, filter: Filter, seen: str) -> list[Month]:
    """`seen` is the month that the page before ended with: its heading stands there already."""
    months = [
        Month(first, _tiles(group, filter)) for first, group in groupby(stretch.rows, key=_month_of)
    ]
    if months and months[0].slug == seen:
        months[0].has_heading = False
    return months


def _tiles(rows: Iterable[Generation], filter: Filter) -> list[Tile]:
    if filter.shows_pictures:
        return tiles_of(rows, filter.member, filter.address)
    return [Tile.of_wish(row, filter.member) for row in rows]


def _count(
    months: Sequence[Month], stretch: Stretch, filter: Filter, *more: QuerySet[Any]
) -> list[int]:
    """Count each month whose heading is on the page, and `more`: in one statement.

    A month that lies wholly on the page is counted there.
    """
    asked: list[Month] = []
    for place, month in enumerate(months):
        begins_here = place > 0 or stretch.is_top
        ends_here = place < len(months) - 1 or not stretch.has_older
        if begins_here and ends_here:
            month.count = Count(len(month.tiles))
        elif month.has_heading:
            asked.append(month)
    questions = [*(_of_month(filter, month.first) for month in asked), *more]
    counts = count_up_to(MOST_COUNTED + 1, questions)
    for month, count in zip(asked, counts, strict=False):
        month.count = Count(count)
    return counts[len(asked) :]


def _of_month(filter: Filter, first: date) -> QuerySet[Any]:
    return filter.counted().filter(
        created_at__gte=_midnight(first), created_at__lt=_midnight(_next_month(first))
    )


# --- the months beside it ------------------------------------------------------------------------


@dataclass(frozen=True)
class Jump:
    """One month of the rail."""

    year: int
    slug: str
    short: str
    whole: str

    @classmethod
    def to(cls, first: date) -> "Jump":
        return cls(first.year, f"{first:%Y-%m}", date_format(first, "M"), date_format(first, "F Y"))


def _rail(filter: Filter) -> str:
    """All months back to the first picture, by year; which of them are empty is not asked."""
    rows = Generation.objects.visible_to(filter.member).having_pictures()
    first = rows.order_by("created_at", "pk").values_list("created_at", flat=True).first()
    if first is None:
        return ""
    newest, oldest = timezone.localdate().replace(day=1), timezone.localdate(first).replace(day=1)
    return _drawn(newest, oldest, filter.address, get_language())


@lru_cache(maxsize=512)
def _drawn(newest: date, oldest: date, query: str, _language: str | None) -> str:
    """The same on page after page: to draw it takes longer than to find its pictures."""
    months = [newest]
    while months[-1] > oldest:
        months.append(_month_before(months[-1]))
    jumps = groupby(map(Jump.to, months), key=lambda jump: jump.year)
    years = [(year, list(group)) for year, group in jumps]
    return render_to_string("gallery/_rail.html", {"years": years, "query": query})


def _month_of(row: Generation) -> date:
    return timezone.localdate(row.created_at).replace(day=1)


def _month_before(first: date) -> date:
    return date(first.year - (first.month == 1), (first.month - 2) % 12 + 1, 1)


def _next_month(first: date) -> date:
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)


def _end_of(slug: str) -> datetime:
    """`2026-11` -> the first moment of December."""
    try:
        return _midnight(_next_month(datetime.strptime(slug, "%Y-%m").date()))
    except ValueError:
        raise Http404 from None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


# --- where nothing is found ----------------------------------------------------------------------


@dataclass(frozen=True)
class WayOut:
    """Which one condition to drop, so that something is found, and how much then."""

    label: str
    address: str
    count: Count


def _way_out(filter: Filter) -> WayOut | None:
    for name in filter.values:
        if name == "q" and len(filter.values) > 1:
            continue
        address = filter.without(name)
        [number] = count_up_to(
            MOST_COUNTED + 1, [Filter(QueryDict(address), filter.member).counted()]
        )
        if number:
            return WayOut(str(filter.fields[name].label), address, Count(number))
    return None
