"""Base classes of the admin: read-only pages, and the masking of private rows."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import display_for_field, label_for_field, lookup_field
from django.core.paginator import Paginator
from django.db import models, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generations.models import AuditAction, AuditEntry, Member
from generations.models.counting import count_up_to

MAX_LISTED_ROWS = 5000  # a filter shows older ones


class ReadOnlyMixin(admin.options.BaseModelAdmin):
    """Rows can be viewed, but not added, changed or deleted: only the application writes them."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AuditedMixin(admin.ModelAdmin):
    """Records changes on Django's own pages in the audit log, with the values before and after."""

    audit_action: AuditAction

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        names = form.changed_data if change else list(form.cleaned_data)
        with transaction.atomic():
            stored = type(obj)._base_manager.filter(pk=obj.pk).first() if change else None
            before = _values(stored, names) if stored else {}
            super().save_model(request, obj, form, change)
            if names:
                assert isinstance(request.user, Member)
                AuditEntry.objects.record(
                    self.audit_action,
                    request.user,
                    on=obj,
                    before=before,
                    after=_values(obj, names),
                )


def _values(obj: models.Model, names: list[str]) -> dict[str, Any]:
    """The values of these columns, as JSON has them; empty ones are left out."""
    columns = {name: getattr(obj, name) for name in names}
    return {
        name: value if isinstance(value, int | float) else str(value)
        for name, value in columns.items()
        if value not in (None, "")
    }


class BoundedPaginator(Paginator):
    """Counts up to `MAX_LISTED_ROWS`, so that a list does not slow down with its table."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        [count] = count_up_to(MAX_LISTED_ROWS, [rows])
        return count


class MaskedAdmin(ReadOnlyMixin, admin.ModelAdmin):
    """Read-only pages of rows that may be private to another member.

    Everything is masked by default: of a private row of another member, lists and detail pages show
    `unmasked_fields` only, and only `unmasked_search_fields` can find it. A new field, column,
    filter or search field stays masked until it is added there. Querysets annotate each row with
    `is_hidden`, which depends on who is looking.
    """

    owner_path = ""  # lookup from the row to the member it belongs to
    private_path = ""  # lookup from the row to the flag that makes it private
    unmasked_fields: tuple[str, ...] = ()
    unmasked_search_fields: tuple[str, ...] = ()
    paginator = BoundedPaginator
    show_full_result_count = False
    readonly_fields = ("private",)

    def hidden_rows(self, request: HttpRequest) -> Q:
        """Return the condition for rows that are private to another member."""
        return Q((self.private_path, True)) & ~Q((self.owner_path, request.user))

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
            empty = self.get_empty_value_display()
            return value if field is None else display_for_field(value, field, empty)

        column.__name__ = str(name)
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

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find hidden rows by unmasked fields only: a hit by any other field would reveal it."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if search_term:
            by_unmasked = Q(pk__in=())
            for field in self.unmasked_search_fields:
                by_unmasked |= Q((f"{field}__icontains", search_term.strip()))
            found = found.filter(~self.hidden_rows(request) | by_unmasked)
        return found, may_repeat

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        if obj and obj.is_hidden:
            return [name for name in fields if name == "private" or name in self.unmasked_fields]
        return [name for name in fields if name != "private"]

    @admin.display(description=_("prompt, reference image and images"))
    def private(self, _row: Any) -> str:
        return gettext("private")


class MaskedInline(ReadOnlyMixin, admin.TabularInline):
    """Rows below a `MaskedAdmin` page: `unmasked_fields` only where that page is hidden."""

    unmasked_fields: tuple[str, ...] = ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        if obj and obj.is_hidden:
            return [name for name in fields if name in self.unmasked_fields]
        return fields
