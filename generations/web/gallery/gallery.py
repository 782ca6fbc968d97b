"""The gallery: the team's images, newest first, in pages by key, with links to months."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db.models import Q
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from generations.engines.registry import all_aspect_ratios
from generations.models import Generation, Picture
from generations.models.generation import GenerationQuerySet
from generations.web.counts import Count, counts_of
from generations.web.first_screen import FirstScreen
from generations.web.header import header_querysets, store_counts
from generations.web.ids import parse_id
from generations.web.keyset import after, before, key_of, keyset_page
from generations.web.middleware.access import MemberRequest
from generations.web.search import smart_collections
from generations.web.tiles import TILE_COLUMNS, Tile, tiles_of

from .filter_choices import filter_bar, filter_choices, model_choices
from .filters import DONE, RATIO_GROUPS, STATES, Filter, rows_of
from .months import Month, count_months, end_of_month, in_month, month_nav, month_of, parse_month
from .stacks import OpenStack, author_names

PICTURES_A_PAGE = 60
STACKS_A_PAGE = 30
ROWS_A_PAGE = 40
MAX_COUNTED_MONTHS = 24
# The columns of a generation that the page reads, for `only()`.
ROW_COLUMNS = (
    "prompt",
    "n",
    "owner",
    "created_at",
    "is_private",
    "aspect_ratio",
    "status",
    "failure",
)


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
    if "" in request.GET.values():
        return redirect(f"{request.path}?{_without_empty(request.GET)}".rstrip("?"))
    filter = Filter(request.GET, request.user)
    result = _result_page(request, filter)
    choices = {} if request.htmx else filter_choices()
    rows = result.rows if filter.shows_pictures else []
    names = author_names(rows, choices.get("people", []))
    months = _months(result, filter, names, request.GET)
    context: dict[str, Any] = {
        "filter": filter,
        "query": filter.query_string,
        "is_selecting": "select" in request.GET,
        "months": months,
        "result": result,
        "open_stack": _open_stack(result, filter, names, request.GET),
    }
    page = {"is_top": result.is_top, "is_last": not result.older}
    if request.htmx:
        count_months(months, filter, **page)
        return render(request, "gallery/_items.html", context)
    total, *header = count_months(
        months, filter, filter.counted(), *header_querysets(request.user), **page
    )
    store_counts(request, [count.number for count in header])
    context |= filter_bar(choices, filter) | smart_collections.opened(request)
    context |= {
        "collections": choices["collections"],
        "tags": choices["tags"],
        "is_selectable": bool(result.rows) and filter.shows_pictures,
        "total": total,
        "month_nav": month_nav(filter),
        "aspect_ratios": all_aspect_ratios(),
        "models": model_choices(filter),
        "ratio_groups": RATIO_GROUPS,
        "states": STATES,
        "done": DONE,
        "select_all": filter.query_string,
        "suggestion": _suggestion(filter) if not result.rows else None,
        "first_screen": FirstScreen.of(month.tiles for month in months),
    }
    return render(request, "gallery/gallery.html", context)


@require_safe
def counts(request: MemberRequest) -> HttpResponse:
    """Return the counts of a filter, and of those months that the page shows (`shown=2026-11`)."""
    filter = Filter(request.GET, request.user)
    slugs = request.GET.getlist("shown")[:MAX_COUNTED_MONTHS]
    shown = [first for slug in slugs if (first := parse_month(slug))]
    months = [Month(first, []) for first in shown]
    total, *others = counts_of(
        [filter.counted(), *(in_month(filter, month.first) for month in months)]
    )
    for month, count in zip(months, others, strict=True):
        month.count = count
    context = {"filter": filter, "total": total, "months": months}
    return render(request, "gallery/_counts.html", context)


def _without_empty(params: QueryDict) -> str:
    """Return the query string without the fields that a form sent empty."""
    filled = QueryDict(mutable=True)
    for name, values in params.lists():
        filled.setlist(name, [value for value in values if value])
    return filled.urlencode()


# --- rows ----------------------------------------------------------------------------------------


def _result_page(request: MemberRequest, filter: Filter) -> ResultPage:
    """`before` and `after` are keys; `month` starts with the newest row of that month."""
    params = request.GET
    if "before" in params:
        return _page_from(filter, before(params["before"]), is_top=False)
    if "month" in params:
        older = Q(created_at__lt=end_of_month(params["month"]))
        return _page_from(filter, older, is_top=False)
    if "after" in params:
        ids = filter.first_keys(ROWS_A_PAGE + 1, after(params["after"]), oldest_first=True)
        if len(ids) > ROWS_A_PAGE:
            page = _fetch(rows_of(ids[:ROWS_A_PAGE]), filter)
            return ResultPage(page, key_of(page[-1]) if page else "", is_top=False)
    return _page_from(filter, is_top=True)


def _page_from(filter: Filter, *conditions: Q, is_top: bool) -> ResultPage:
    """Return the first rows: whole generations, up to `STACKS_A_PAGE` or about `PICTURES_A_PAGE`.

    A tile of a stack is longer, and stands for more images.
    """
    if filter.member.shows_stacks and filter.shows_pictures:
        size = min(STACKS_A_PAGE, ROWS_A_PAGE)
        page, older = keyset_page(
            _fetch(filter.first_rows(size + 1, *conditions), filter), key_of, size
        )
        return ResultPage(page, older, is_top)
    found = _fetch(filter.first_rows(ROWS_A_PAGE + 1, *conditions), filter)
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


def _months(
    result: ResultPage, filter: Filter, names: dict[int, str], params: QueryDict
) -> list[Month]:
    """Group the page by month.

    `seen` is the last month of the previous page: its heading is not repeated.
    """
    page_query = _page_query(filter, params)
    months = [
        Month(first, _tiles(rows, filter, names, page_query))
        for first, rows in groupby(result.rows, key=month_of)
    ]
    if months and months[0].slug == params.get("seen"):
        months[0].has_heading = False
    return months


def _tiles(
    rows: Iterable[Generation], filter: Filter, names: dict[int, str], page_query: str
) -> list[Tile]:
    if not filter.shows_pictures:
        return [Tile.without_picture(row, filter.member, names[row.owner_id]) for row in rows]
    query = filter.query_string
    if not filter.member.shows_stacks:
        return tiles_of(rows, filter.member, query, names)
    return [
        Tile.of_stack(row, filter.member, query, names[row.owner_id], page_query)
        for row in rows
        if row.shown_pictures
    ]


def _page_query(filter: Filter, params: QueryDict) -> str:
    """Return the query string of this page: the filter and where the page starts."""
    query = QueryDict(filter.query_string, mutable=True)
    for name in ("before", "after", "month", "select"):
        if name in params:
            query[name] = str(params[name])
    return query.urlencode()


def _open_stack(
    result: ResultPage, filter: Filter, names: dict[int, str], params: QueryDict
) -> OpenStack | None:
    """Return the stack that a link without a script has opened (`?stack=` with its request)."""
    pk = parse_id(params.get("stack", ""))
    row = next((row for row in result.rows if row.pk == pk), None)
    if row is None or not filter.shows_pictures:
        return None
    return OpenStack.of(row, filter, names[row.owner_id], _page_query(filter, params))


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
