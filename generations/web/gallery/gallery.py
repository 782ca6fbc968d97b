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

from generations.engines.registry import offer_for
from generations.models import Generation, Picture
from generations.models.counting import count_up_to
from generations.models.generation_queryset import GenerationQuerySet
from generations.web.cards.changes import open_generations
from generations.web.keyset import after, before, key_of
from generations.web.middleware.access import MemberRequest
from generations.web.tiles import SHOWN, Tile, tiles_of

from .filter_choices import filter_choices
from .filters import DONE, STATES, Filter

PICTURES_A_PAGE = 60
ROWS_A_PAGE = 40
MAX_COUNT = 1000  # beyond that a page says "1,000+"


@dataclass(frozen=True)
class Count:
    """How many there are, as far as they were counted."""

    number: int

    @property
    def is_more(self) -> bool:
        return self.number > MAX_COUNT

    @property
    def label(self) -> int:
        return min(self.number, MAX_COUNT)


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
class ResultPage:
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
    result = _result_page(request, filter)
    months = _months(result, filter, seen=request.GET.get("seen", ""))
    context: dict[str, Any] = {
        "filter": filter,
        "query": filter.query_string,
        "selecting": "select" in request.GET,
        "months": months,
        "eager_month": None if request.htmx else next(iter(months), None),
        "result": result,
    }
    if request.htmx:
        _count(months, result, filter)
        return render(request, "gallery/_items.html", context)
    total, open_count = _count(
        months, result, filter, filter.counted(), open_generations(request.user)
    )
    context |= filter_choices() | {
        "total": Count(total),
        "month_nav": _month_nav(filter),
        "open_count": open_count,
        "aspect_ratios": offer_for().aspect_ratios,
        "states": STATES,
        "made": DONE,
        "select_all": filter.query_string,
        "suggestion": _suggestion(filter) if not result.rows else None,
    }
    return render(request, "gallery/gallery.html", context)


# --- the rows ------------------------------------------------------------------------------------


def _result_page(request: MemberRequest, filter: Filter) -> ResultPage:
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
            return ResultPage(page, is_top=False, has_older=True)
    return _from(rows, filter, is_top=True)


def _from(rows: GenerationQuerySet, filter: Filter, *, is_top: bool) -> ResultPage:
    """Whole generations, until the page is full."""
    found = _fetch(rows[: ROWS_A_PAGE + 1], filter)
    many = 0
    for place, row in enumerate(found[:ROWS_A_PAGE]):
        many += len(row.shown_pictures)
        if many >= PICTURES_A_PAGE:
            return ResultPage(found[: place + 1], is_top, has_older=place + 1 < len(found))
    return ResultPage(found[:ROWS_A_PAGE], is_top, has_older=len(found) > ROWS_A_PAGE)


def _fetch(rows: GenerationQuerySet, filter: Filter) -> list[Generation]:
    pictures = filter.filter_pictures(Picture.objects.available())
    return list(
        rows.only(
            "prompt", "n", "owner", "created_at", "is_private", "aspect_ratio", "status"
        ).with_pictures_of(
            pictures.with_favourites_of(filter.member).only(*SHOWN).order_by("index")
        )
    )


def _months(result: ResultPage, filter: Filter, seen: str) -> list[Month]:
    """`seen` is the month that the page before ended with: its heading stands there already."""
    months = [
        Month(first, _tiles(group, filter)) for first, group in groupby(result.rows, key=_month_of)
    ]
    if months and months[0].slug == seen:
        months[0].has_heading = False
    return months


def _tiles(rows: Iterable[Generation], filter: Filter) -> list[Tile]:
    if filter.shows_pictures:
        return tiles_of(rows, filter.member, filter.query_string)
    return [Tile.of_wish(row, filter.member) for row in rows]


def _count(
    months: Sequence[Month], result: ResultPage, filter: Filter, *more: QuerySet[Any]
) -> list[int]:
    """Count each month whose heading is on the page, and `more`: in one statement.

    A month that lies wholly on the page is counted there.
    """
    asked: list[Month] = []
    for place, month in enumerate(months):
        begins_here = place > 0 or result.is_top
        ends_here = place < len(months) - 1 or not result.has_older
        if begins_here and ends_here:
            month.count = Count(len(month.tiles))
        elif month.has_heading:
            asked.append(month)
    questions = [*(_of_month(filter, month.first) for month in asked), *more]
    counts = count_up_to(MAX_COUNT + 1, questions)
    for month, count in zip(asked, counts, strict=False):
        month.count = Count(count)
    return counts[len(asked) :]


def _of_month(filter: Filter, first: date) -> QuerySet[Any]:
    return filter.counted().filter(
        created_at__gte=_midnight(first), created_at__lt=_midnight(_next_month(first))
    )


# --- the months beside it ------------------------------------------------------------------------


@dataclass(frozen=True)
class MonthLink:
    """One month of the rail."""

    year: int
    slug: str
    short: str
    whole: str

    @classmethod
    def to(cls, first: date) -> "MonthLink":
        return cls(first.year, f"{first:%Y-%m}", date_format(first, "M"), date_format(first, "F Y"))


def _month_nav(filter: Filter) -> str:
    """All months back to the first picture, by year; which of them are empty is not asked."""
    rows = Generation.objects.visible_to(filter.member).having_pictures()
    first = rows.order_by("created_at", "pk").values_list("created_at", flat=True).first()
    if first is None:
        return ""
    newest, oldest = timezone.localdate().replace(day=1), timezone.localdate(first).replace(day=1)
    return _rendered(newest, oldest, filter.query_string, get_language())


@lru_cache(maxsize=512)
def _rendered(newest: date, oldest: date, query: str, _language: str | None) -> str:
    """The same on page after page: to draw it takes longer than to find its pictures."""
    months = [newest]
    while months[-1] > oldest:
        months.append(_month_before(months[-1]))
    jumps = groupby(map(MonthLink.to, months), key=lambda jump: jump.year)
    years = [(year, list(group)) for year, group in jumps]
    return render_to_string("gallery/_month_nav.html", {"years": years, "query": query})


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
class FilterSuggestion:
    """Which one condition to drop, so that something is found, and how much then."""

    label: str
    query_string: str
    count: Count


def _suggestion(filter: Filter) -> FilterSuggestion | None:
    for name in filter.values:
        if name == "q" and len(filter.values) > 1:
            continue
        query_string = filter.without(name)
        [number] = count_up_to(
            MAX_COUNT + 1, [Filter(QueryDict(query_string), filter.member).counted()]
        )
        if number:
            return FilterSuggestion(str(filter.fields[name].label), query_string, Count(number))
    return None
