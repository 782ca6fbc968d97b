"""Base classes of the admin: lists, and pages that are read-only."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import ShowFacets
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db import models
from django.forms import Media
from django.http import Http404, HttpRequest
from django.utils.functional import Promise

admin.site.empty_value_display = "–"
DATE_COMPARISONS = ("gte", "lt", "isnull")


class MissingRowMixin(admin.ModelAdmin):
    """The page of a row that does not exist is not found. Django would open the overview."""

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is None:
            raise Http404
        return row


class ListAdmin(MissingRowMixin):
    """A list of rows in our frame, without a statement that counts the table."""

    is_of_diagnostics = False
    list_title: str | Promise = ""  # the heading; without it, the model's plural
    labels: ClassVar[Mapping[str, str | Promise]] = {}  # of columns and fields, by name
    actions = None
    sortable_by = ()
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # a count of the table for each choice of a filter

    def formfield_for_dbfield(
        self, db_field: "models.Field[Any, Any]", request: HttpRequest, **options: Any
    ) -> Any:
        """Without the links to add or change a related row, which need scripts and pop-ups."""
        if isinstance(db_field, models.URLField):
            options["assume_scheme"] = "https"
        field = super().formfield_for_dbfield(db_field, request, **options)
        widget = getattr(field, "widget", None)
        if isinstance(widget, RelatedFieldWidgetWrapper):
            field.widget = widget.widget  # type: ignore[union-attr]
        return field

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Of dates only what the date filter uses: `year` and others fail if out of range."""
        name, _separator, comparison = lookup.partition("__")
        is_date = any(
            field.name == name and isinstance(field, models.DateField)
            for field in self.model._meta.get_fields()
        )
        if is_date and comparison not in DATE_COMPARISONS:
            return False
        return super().lookup_allowed(lookup, value, request)

    @property
    def media(self) -> Media:
        """Nothing: the pages use our stylesheets, and no script."""
        return Media()


def number_column(description: Any) -> Callable[[Callable[..., Any]], Any]:
    """Mark a method as a column of numbers, which is right-aligned."""

    def mark(method: Callable[..., Any]) -> Any:
        column = admin.display(method, description=description)
        column.is_number = True  # type: ignore[attr-defined]
        return column

    return mark


class ReadOnlyMixin(admin.options.BaseModelAdmin):
    """Rows can be viewed, but not added, changed or deleted: only the application writes them."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
