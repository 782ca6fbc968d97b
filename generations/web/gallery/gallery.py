"""The gallery: the team's images, newest first, in pages by key, with links to months."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
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
from generations.models.generation import GenerationQuerySet
from generations.web.cards.context import open_generations
from generations.web.counts import Count, counts_of
from generations.web.first_screen import FirstScreen
from generations.web.keyset import after, before, key_of, keyset_page
from generations.web.middleware.access import MemberRequest
from generations.web.tiles import TILE_COLUMNS, Tile, tiles_of

from .filter_choices import filter_choices
from .filters import DONE, STATES, Filter, start_of_day

PICTURES_A_PAGE = 60
ROWS_A_PAGE = 40
# The columns of a generation that the page reads, for `only()`.
ROW_COLUMNS = ("prompt", "n", "owner", "created_at", "is_private", "aspect_ratio", "status")


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


@dataclass(frozen=True)
class ResultPage:
    """One page of generations, newest first. `older` is the key of the next page, or empty."""

    rows: list[Generation]
    older: str
    is_top: bool

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
        "is_selecting": "select" in request.GET,
        "months": months,
        "result": result,
    }
    if request.htmx:
        _count_months(months, result, filter)
        return render(request, "gallery/_items.html", context)
    total, open_count = _count_months(
        months, result, filter, filter.counted(), open_generations(request.user)
    )
    context |= filter_choices() | {
        "total": total,
        "month_nav": _month_nav(filter),
        "open_count": open_count.number,
        "aspect_ratios": offer_for().aspect_ratios,
        "states": STATES,
        "done": DONE,
        "select_all": filter.query_string,
        "suggestion": _suggestion(filter) if not result.rows else None,
        "first_screen": FirstScreen.of(month.tiles for month in months),
    }
    return render(request, "gallery/gallery.html", context)


# --- rows ----------------------------------------------------------------------------------------


def _result_page(request: MemberRequest, filter: Filter) -> ResultPage:
    """`before` and `after` are keys; `month` starts with the newest row of that month."""
    rows = filter.rows()
    params = request.GET
    if "before" in params:
        return _page_from(rows.filter(before(params["before"])), filter, is_top=False)
    if "month" in params:
        end = _end_of_month(params["month"])
        return _page_from(rows.filter(created_at__lt=end), filter, is_top=False)
    if "after" in params:
        newer = rows.filter(after(params["after"])).order_by("created_at", "pk")
        ids = list(newer.values_list("pk", flat=True)[: ROWS_A_PAGE + 1])
        if len(ids) > ROWS_A_PAGE:
            page = _fetch(rows.with_keys(ids[:ROWS_A_PAGE]), filter)
            return ResultPage(page, key_of(page[-1]) if page else "", is_top=False)
    return _page_from(rows, filter, is_top=True)


def _page_from(rows: GenerationQuerySet, filter: Filter, *, is_top: bool) -> ResultPage:
    """Return the first rows, whole generations, up to about `PICTURES_A_PAGE` pictures."""
    found = _fetch(rows[: ROWS_A_PAGE + 1], filter)
    size, pictures = ROWS_A_PAGE, 0
    for count, row in enumerate(found[:ROWS_A_PAGE], start=1):
        pictures += len(row.shown_pictures)
        if pictures >= PICTURES_A_PAGE:
            size = count
            break
    page, older = keyset_page(found, key_of, size)
    return ResultPage(page, older, is_top)


def _fetch(rows: GenerationQuerySet, filter: Filter) -> list[Generation]:
    pictures = filter.filter_pictures(Picture.objects.available())
    return list(
        rows.only(*ROW_COLUMNS).with_pictures_of(
            pictures.with_favourites_of(filter.member).only(*TILE_COLUMNS).order_by("index")
        )
    )


def _months(result: ResultPage, filter: Filter, seen: str) -> list[Month]:
    """Group the page by month.

    `seen` is the last month of the previous page: its heading is not repeated.
    """
    months = [
        Month(first, _tiles(group, filter)) for first, group in groupby(result.rows, key=_month_of)
    ]
    if months and months[0].slug == seen:
        months[0].has_heading = False
    return months


def _tiles(rows: Iterable[Generation], filter: Filter) -> list[Tile]:
    if filter.shows_pictures:
        return tiles_of(rows, filter.member, filter.query_string)
    return [Tile.without_picture(row, filter.member) for row in rows]


def _count_months(
    months: Sequence[Month], result: ResultPage, filter: Filter, *more: QuerySet[Any]
) -> list[Count]:
    """Set the counts of months with a heading and return the counts of `more`, in one statement.

    A month that is completely on the page is counted without a query.
    """
    partial: list[Month] = []
    for position, month in enumerate(months):
        starts_here = position > 0 or result.is_top
        ends_here = position < len(months) - 1 or not result.older
        if starts_here and ends_here:
            month.count = Count(len(month.tiles))
        elif month.has_heading:
            partial.append(month)
    counts = counts_of([*(_in_month(filter, month.first) for month in partial), *more])
    for month, count in zip(partial, counts, strict=False):
        month.count = count
    return counts[len(partial) :]


def _in_month(filter: Filter, first: date) -> QuerySet[Any]:
    return filter.counted().filter(
        created_at__gte=start_of_day(first), created_at__lt=start_of_day(_next_month(first))
    )


# --- links to months -----------------------------------------------------------------------------


@dataclass(frozen=True)
class MonthLink:
    year: int
    slug: str
    short_name: str
    full_name: str

    @classmethod
    def to(cls, first: date) -> "MonthLink":
        return cls(first.year, f"{first:%Y-%m}", date_format(first, "M"), date_format(first, "F Y"))


def _month_nav(filter: Filter) -> str:
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


def _month_of(row: Generation) -> date:
    return timezone.localdate(row.created_at).replace(day=1)


def _previous_month(first: date) -> date:
    return date(first.year - (first.month == 1), (first.month - 2) % 12 + 1, 1)


def _next_month(first: date) -> date:
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)


def _end_of_month(slug: str) -> datetime:
    """`2026-11` -> the start of 1 December 2026. Raises `Http404` for anything else."""
    try:
        return start_of_day(_next_month(datetime.strptime(slug, "%Y-%m").date()))
    except ValueError:
        raise Http404 from None


# --- no results ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class FilterSuggestion:
    """A condition to drop, and how many results there are without it."""

    label: str
    query_string: str
    count: Count
    is_search: bool


def _suggestion(filter: Filter) -> FilterSuggestion | None:
    for name in filter.values:
        if name == "q" and len(filter.values) > 1:
            continue
        query_string = filter.without(name)
        [count] = counts_of([Filter(QueryDict(query_string), filter.member).counted()])
        if count.number:
            label = str(filter.fields[name].label)
            return FilterSuggestion(label, query_string, count, is_search=name == "q")
    return None
