"""The table that lies beside downloaded pictures: what each was made with."""

import csv
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from generations.models import Picture

BYTE_ORDER_MARK = "\ufeff"  # without it Excel takes UTF-8 for something else
# A spreadsheet runs what begins like this; the wide ones are what East Asian keyboards type.
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")


class _Line:
    """A csv writer hands on what its file's `write` returns."""

    def write(self, text: str) -> bytes:
        return text.encode()


def write_csv(rows: Iterable[tuple[Picture, str, str]]) -> Iterator[bytes]:
    """Line by line in UTF-8; of each picture its file in the zip and what is to be noted."""
    write = csv.writer(_Line(), quoting=csv.QUOTE_ALL).writerow
    yield BYTE_ORDER_MARK.encode()
    yield write(_head())
    for picture, file, note in rows:
        yield write([_safe(cell) for cell in (file, *_cells(picture), note)])


def _safe(cell: Any) -> Any:
    """Text as text: an apostrophe in front keeps a spreadsheet from running it."""
    is_formula = isinstance(cell, str) and cell.startswith(FORMULA_STARTS)
    return f"'{cell}" if is_formula else cell


def _head() -> tuple[str, ...]:
    return (
        _("file"), _("picture"), _("generation"), _("prompt"), _("leave out"), _("shape"),
        _("pictures asked for"), _("number"), _("person"), _("when"), _("width"), _("height"),
        _("reference"), _("address"), _("note"),
    )  # fmt: skip


def _cells(picture: Picture) -> tuple[Any, ...]:
    made = picture.generation
    when = timezone.localtime(made.created_at).isoformat(sep=" ", timespec="seconds")
    address = settings.URL + reverse("picture", args=(picture.pk,))
    return (
        picture.pk, made.pk, made.prompt, made.negative_prompt, made.aspect_ratio,
        made.n, picture.number, made.owner.name, when, picture.width, picture.height,
        _("yes") if made.has_reference else _("no"), address,
    )  # fmt: skip
