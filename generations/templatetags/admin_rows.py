"""The lists and forms of Django's admin in our markup."""

from typing import Any

from django import template
from django.contrib.admin import site
from django.contrib.admin.helpers import AdminReadonlyField
from django.contrib.admin.utils import lookup_field
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.db.models import Model
from django.utils.text import capfirst

from generations.admin.table import is_person, label_of, numbered, table_of, value_text

register = template.Library()
register.filter("table", table_of)


@register.filter
def list_title(page: Any) -> str:
    """Return the heading of a model's list, from its `ModelAdmin` class."""
    return str(getattr(page, "list_title", "") or capfirst(page.opts.verbose_name_plural))


@register.filter
def row_title(row: Model) -> str:
    """Return the heading of the page of a row."""
    page = site.get_model_admin(type(row))
    return str(capfirst(page.row_title(row))) if hasattr(page, "row_title") else str(row)


@register.filter
def label(field: Any) -> str:
    """Return the label of a field of a form, read-only or not."""
    if isinstance(field, AdminReadonlyField):
        name = str(field.field["name"])
        return str(capfirst(label_of(field.model_admin, name, field.field["label"])))
    return str(capfirst(label_of(None, field.field.name, field.field.label)))


@register.filter
def column_label(field: dict[str, Any], page: Any) -> str:
    """Return the heading of a column of rows below another one, from its inline."""
    return str(capfirst(label_of(page, str(field["name"]), field["label"])))


@register.filter
def filter_label(spec: Any) -> str:
    """Return the title of a filter. That of a column is the column's label."""
    return str(label_of(None, getattr(spec, "field_path", ""), spec.title))


@register.filter
def contents(field: Any) -> Any:
    """Return what a read-only field of a form shows; "" for a field that can be changed."""
    if not isinstance(field, AdminReadonlyField):
        return ""
    name, row = field.field["field"], field.form.instance
    if not callable(name):
        model_field, _attribute, value = lookup_field(name, row, field.model_admin)
        if value is None or value == "":
            return field.empty_value_display
        if is_person(value):
            return value.name
        if text := numbered(value):
            return text
        if isinstance(value, bool):
            return value_text(model_field, value, field.empty_value_display)
    return field.contents()


@register.simple_tag
def page_url(cl: ChangeList, page: Any) -> str:
    """Return the address of a page of the list: by its number, or the key it starts after."""
    return cl.get_query_string({PAGE_VAR: page})
