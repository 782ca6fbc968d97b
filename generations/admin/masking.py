"""Masking of private rows of other members."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import label_for_field, lookup_field
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .base import ReadOnlyMixin
from .keyset_list import KeysetAdmin
from .table import is_number, related_text, value_text


class MaskedAdmin(ReadOnlyMixin, KeysetAdmin):
    """Read-only pages of rows that may be private to another member.

    Everything is masked by default: of a private row of another member, lists and detail pages show
    `unmasked_fields` only, and only `find_unmasked` finds it. A new field, column or filter stays
    masked until it is added there. Querysets annotate each row with `is_hidden`, which depends on
    who is looking.
    """

    unmasked_fields: tuple[str, ...] = ()
    field_groups: tuple[tuple[str | Promise, tuple[str, ...]], ...] = ()  # the rest comes last
    readonly_fields: ClassVar[tuple[str, ...]] = ("private",)

    def hidden_rows(self, request: HttpRequest) -> Q:
        """Return the condition for rows that are private to another member."""
        raise NotImplementedError

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        annotated: QuerySet[Any] = rows.annotate(is_hidden=self.hidden_rows(request))
        return annotated

    def get_list_display(self, request: HttpRequest) -> Any:
        return [
            name if name in self.unmasked_fields else self._masked_column(name)
            for name in super().get_list_display(request)
        ]

    def _masked_column(self, name: Any) -> Callable[[Any], Any]:
        """Return a list column that shows hidden rows as "private".

        The column cannot be sorted: the order would tell something about the hidden values.
        """

        def column(row: Any) -> Any:
            if row.is_hidden:
                return gettext("private")
            field, _attribute, value = lookup_field(name, row, self)
            if field is not None and field.many_to_one:
                return related_text(getattr(row, field.name), self.get_empty_value_display())
            return value_text(field, value, self.get_empty_value_display())

        column.__name__ = str(name)
        column.is_number = is_number(self, name)  # type: ignore[attr-defined]
        label: str = label_for_field(name, self.model, self)  # type: ignore[assignment]
        return admin.display(column, description=label)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow unmasked filters only: Django would accept any column in the query string.

        A filter of our own shows its choices itself.
        """
        if any(lookup == getattr(each, "parameter_name", None) for each in self.list_filter):
            return True
        name = lookup.partition("__")[0]
        filters = {each[0] if isinstance(each, tuple) else each for each in self.list_filter}
        return (
            name in filters
            and name in self.unmasked_fields
            and super().lookup_allowed(lookup, value, request)
        )

    def search(
        self, request: HttpRequest, rows: QuerySet[Any], text: str
    ) -> tuple[QuerySet[Any], list[int] | None]:
        """Find hidden rows by what is shown of them only: any other hit would reveal it."""
        if (condition := self.find_unmasked(text)) is not None:
            return rows.filter(condition), None
        return self.find_masked(rows.filter(~self.hidden_rows(request)), text)

    def find_unmasked(self, text: str) -> Q | None:
        """Return the condition of the rows that this text names by what is never hidden.

        It has an index in the order of the list. None if there is no such row.
        """
        raise NotImplementedError

    def find_masked(self, rows: QuerySet[Any], text: str) -> tuple[QuerySet[Any], list[int] | None]:
        """`search` in the rows that are not hidden."""
        raise NotImplementedError

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        if obj and obj.is_hidden:
            return [name for name in fields if name == "private" or name in self.unmasked_fields]
        return [name for name in fields if name != "private"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The fields that are shown, by `field_groups`."""
        fields = list(self.get_fields(request, obj))
        grouped = {name for _heading, names in self.field_groups for name in names}
        groups = [
            (heading, [name for name in names if name in fields])
            for heading, names in self.field_groups
        ]
        rest = [name for name in fields if name not in grouped]
        if obj and not self.has_change_permission(request, obj):  # empty values are not shown
            rest = [name for name in rest if getattr(obj, name, None) not in (None, "")]
        groups.append((_("More"), rest))
        return [(heading, {"fields": names}) for heading, names in groups if names]

    @admin.display(description=_("prompt, reference image and images"))
    def private(self, _row: Any) -> str:
        return gettext("private")


class MaskedInline(ReadOnlyMixin, admin.TabularInline):
    """Rows below a `MaskedAdmin` page: `unmasked_fields` only where that page is hidden."""

    unmasked_fields: tuple[str, ...] = ()
    labels: ClassVar[Mapping[str, str | Promise]] = {}  # of columns, by name

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        if obj and obj.is_hidden:
            return [name for name in fields if name in self.unmasked_fields]
        return fields
