"""Lists of tables that grow without end: newest first, in pages that start at a key.

No statement counts such a table. If few rows match one of the filters or the search, they are read
by key; else reading in date order soon fills a page.
"""

from typing import Any

from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest

from generations.models.among import Among
from generations.models.counting import fewest_keys
from generations.web.keyset import before, key_of, keyset_page

from .base import ListAdmin

MAX_ID = 2**63 - 1


class KeysetList(ChangeList):
    is_keyset = True
    model_admin: "KeysetAdmin"

    def __init__(self, request: HttpRequest, *arguments: Any, **options: Any) -> None:
        self.key = request.GET.get(PAGE_VAR, "")
        super().__init__(request, *arguments, **options)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the one order that has an index for each filter."""
        field = self.model_admin.keyset_field
        return [f"-{field}", "-pk"] if field else ["-pk"]

    def get_queryset(self, request: HttpRequest, *arguments: Any) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request, *arguments)
        keys: list[int] | None = None
        if text := self.query.strip():
            rows, keys = self.model_admin.search(request, rows, text)
        if keys is None:
            keys = self._few_keys(request)
        return rows if keys is None else self._with_keys(rows, keys)

    def _few_keys(self, request: HttpRequest) -> list[int] | None:
        """The keys that meet one of several conditions, if they are few."""
        used = [each for each in self.filter_specs if each.used_parameters]
        if len(used) + bool(self.query) < 2:
            return None  # the index of the only condition has the order of the list
        all_keys = self.model._default_manager.values_list("pk", flat=True)
        conditions = [each.queryset(request, all_keys) for each in used]
        fewest = fewest_keys([each for each in conditions if each is not None])
        return fewest[1] if fewest else None

    def _with_keys(self, rows: QuerySet[Any], keys: list[int]) -> QuerySet[Any]:
        """Those of these rows that have one of the keys: see `BaseGenerationQuerySet.with_keys`."""
        matches = rows.order_by().filter(pk=OuterRef("pk"))
        return self._of_keys(keys).filter(Exists(matches)).order_by(*rows.query.order_by)

    def _of_keys(self, keys: list[int]) -> QuerySet[Any]:
        rows: QuerySet[Any] = self.apply_select_related(self.root_queryset)
        return rows.filter(Among(F("pk"), keys))

    def get_results(self, request: HttpRequest) -> None:
        """Read the keys of the page, then its rows.

        An index has all that the first query needs. For whole rows, SQLite may prefer to sort the
        table, where its estimate of the number of rows is far off.
        """
        rows = self.queryset.filter(self._older()) if self.key else self.queryset
        keys = list(rows.values_list("pk", flat=True)[: self.list_per_page + 1])
        self.result_list, self.next_key = keyset_page(
            self._of_keys(keys).order_by(*rows.query.order_by), self._key_of, self.list_per_page
        )
        self.result_count = len(self.result_list)
        self.is_later_page = bool(self.key)
        self.newest_url = self.get_query_string()
        self.full_result_count = self.paginator = None
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = False

    def _key_of(self, row: Model) -> str:
        field = self.model_admin.keyset_field
        return key_of(row, field) if field else str(row.pk)

    def _older(self) -> Q:
        if self.model_admin.keyset_field:
            return before(self.key, self.model_admin.keyset_field)
        if (key := row_id(self.key)) is None:
            raise Http404
        return Q(pk__lt=key)


class KeysetAdmin(ListAdmin):
    """A list that does not become slower with its table. It has one order, and no sorting."""

    keyset_field = "created_at"  # "": ordered by key alone

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return KeysetList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Leave the search to `KeysetList`: Django would look for any part of a text."""
        return queryset, False

    def search(
        self, request: HttpRequest, rows: QuerySet[Any], text: str
    ) -> tuple[QuerySet[Any], list[int] | None]:
        """Return the rows that match, and the keys that contain them if these are few."""
        raise NotImplementedError


def row_id(text: str) -> int | None:
    """Read the id of a row, as typed; None if it is none."""
    text = text.removeprefix("#")
    is_id = text.isascii() and text.isdecimal() and len(text) < 20
    return int(text) if is_id and int(text) <= MAX_ID else None
