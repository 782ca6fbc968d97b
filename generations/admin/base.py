"""Base classes of the admin: lists, and pages that are read-only."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import ShowFacets
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db import models, transaction
from django.forms import Media
from django.http import HttpRequest
from django.utils.functional import Promise

from generations.models import AuditAction, AuditEntry, Member

admin.site.empty_value_display = "–"


class ListAdmin(admin.ModelAdmin):
    """A list of rows in our frame, without a statement that counts the table."""

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
        field = super().formfield_for_dbfield(db_field, request, **options)
        widget = getattr(field, "widget", None)
        if isinstance(widget, RelatedFieldWidgetWrapper):
            field.widget = widget.widget  # type: ignore[union-attr]
        return field

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
