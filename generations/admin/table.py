"""The table of a list of the admin: its columns and cells, without Django's markup around them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.templatetags.admin_list import result_headers
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import display_for_field, display_for_value, lookup_field
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db import models
from django.urls import reverse
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext

from generations.models import Batch, Generation, Member
from generations.web.admin.field_labels import FIELD_LABELS

_NUMBERS = (models.IntegerField, models.FloatField, models.DecimalField)


@dataclass(frozen=True)
class Column:
    """`sort_url` is empty where the column cannot be sorted; `direction` as in `aria-sort`."""

    name: str
    label: str
    is_number: bool
    sort_url: str = ""
    direction: str = ""


@dataclass(frozen=True)
class Table:
    """`rows` are the cells of each row as HTML: a template would look up ten values a cell."""

    columns: Sequence[Column]
    rows: Sequence[SafeString]


def table_of(cl: ChangeList) -> Table:
    columns = [_column(cl, *each) for each in zip(cl.list_display, result_headers(cl), strict=True)]
    return Table(columns, list(_rows(cl, columns)))


def is_number(page: "BaseModelAdmin[Any]", name: Any) -> bool:
    """Whether a column of this page is right-aligned: a number, or a method marked as one."""
    if callable(name):
        return bool(getattr(name, "is_number", False))
    if hasattr(page, name):
        return bool(getattr(getattr(page, name), "is_number", False))
    try:
        field = page.model._meta.get_field(name)
    except FieldDoesNotExist:
        return bool(getattr(getattr(page.model, name, None), "is_number", False))
    is_key = isinstance(field, (models.AutoField, models.ForeignKey))
    return isinstance(field, _NUMBERS) and not is_key and not field.choices


def label_of(page: Any, name: str, default: Any) -> Any:
    """Return the label of a column or field: the page's own (`ListAdmin.labels`), the common one,
    or Django's."""
    return getattr(page, "labels", {}).get(name) or FIELD_LABELS.get(name, default)


def related_text(related: Any, empty: Any) -> Any:
    """Return a related row as text. People have the name that other pages show."""
    if related is None:
        return empty
    return related.name if is_person(related) else related


def numbered(related: Any) -> str:
    """Return a related generation, as a link, or batch by its number; "" for other rows."""
    if isinstance(related, Generation):
        url = reverse("admin:generations_generation_change", args=(related.pk,))
        text = gettext("Generation %(number)d") % {"number": related.pk}
        return format_html('<a href="{}">{}</a>', url, text)
    if isinstance(related, Batch):
        return gettext("Batch %(number)d") % {"number": related.pk}
    return ""


def is_person(value: Any) -> bool:
    return isinstance(value, Member)


def value_text(field: "models.Field[Any, Any] | None", value: Any, empty: str) -> Any:
    """Return a value of this field as text. Yes and no are words, not icons."""
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    if field is None:
        return display_for_value(value, empty)
    return display_for_field(value, field, empty)


def _column(cl: ChangeList, name: Any, header: dict[str, Any]) -> Column:
    is_sorted = header.get("sorted", False)
    column_name = name.__name__ if callable(name) else name
    return Column(
        name=column_name,
        label=str(capfirst(label_of(cl.model_admin, column_name, header["text"]))),
        is_number=is_number(cl.model_admin, name),
        sort_url=header["url_primary"] if header["sortable"] else "",
        direction=("ascending" if header["ascending"] else "descending") if is_sorted else "",
    )


def _rows(cl: ChangeList, columns: Sequence[Column]) -> Iterator[SafeString]:
    empty = cl.model_admin.get_empty_value_display()
    links: Any = cl.list_display_links or ()
    tags = [
        (name, name in links, _opening(column, index), _opening(column, index, " is-empty"))
        for index, (name, column) in enumerate(zip(cl.list_display, columns, strict=True))
    ]
    filters: Any = {"preserved_filters": cl.preserved_filters, "opts": cl.opts}
    for row in cl.result_list:
        url = add_preserved_filters(filters, cl.url_for_result(row))
        cells = []
        for name, is_link, opening, opening_of_empty in tags:
            value = _content(cl, name, row, empty)
            content = conditional_escape(value)
            if is_link:
                content = format_html('<a href="{}">{}</a>', url, content)
            cells.append(f"{opening_of_empty if value == empty else opening}{content}</td>")
        yield mark_safe("".join(cells))  # noqa: S308  # all parts are escaped


def _opening(column: Column, index: int, state: str = "") -> SafeString:
    """Return the opening tag of a cell. Phones show the label in each cell but the first."""
    number = " number" if column.is_number else ""
    label = format_html(' data-label="{}"', column.label) if index else ""
    return format_html('<td class="field-{}{}{}"{} dir="auto">', column.name, number, state, label)


def _content(cl: ChangeList, name: Any, row: models.Model, empty: Any) -> Any:
    try:
        field, attribute, value = lookup_field(name, row, cl.model_admin)
    except ObjectDoesNotExist:
        return empty
    empty = getattr(attribute, "empty_value_display", empty)
    if field is not None and field.many_to_one:
        return related_text(getattr(row, field.name), empty)
    return value_text(field, value, empty)
