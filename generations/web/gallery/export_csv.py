"""The CSV file in a download: one line for each image, with its settings."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from generations.csv_cells import BYTE_ORDER_MARK, csv_lines
from generations.models import Picture
from generations.web.cards.facts import facts, labels

# Facts about one image only, or about how long it took, are not settings.
OMITTED_FACTS = {"duration", "dimensions", "file_size"}


def write_csv(rows: Iterable[tuple[Picture, str, str]]) -> Iterator[bytes]:
    """Yield lines in UTF-8. A row is a picture, its file name in the archive, and a note."""
    yield BYTE_ORDER_MARK.encode()
    cells = ((file, *_cells(picture), note) for picture, file, note in rows)
    for line in csv_lines(_header(), cells):
        yield line.encode()


def _header() -> tuple[str, ...]:
    return (
        _("File"), _("Image"), _("Number"), _("Generation"), _("Prompt"),
        *(label for name, label in labels().items() if name not in OMITTED_FACTS),
        _("Width"), _("Height"), _("URL"), _("Note"),
    )  # fmt: skip


def _cells(picture: Picture) -> tuple[Any, ...]:
    generation = picture.generation
    values = {fact.name: _formatted(fact.value) for fact in facts(generation, picture)}
    # The file leaves klingweb, and the URL of a reference image may be a secret.
    values["reference"] = _("Yes") if "reference" in values else _("No")
    url = settings.URL + reverse("picture", args=(picture.pk,))
    return (
        picture.pk, picture.number, generation.pk, generation.prompt,
        *(values.get(name, "") for name in labels() if name not in OMITTED_FACTS),
        picture.width, picture.height, url,
    )  # fmt: skip


def _formatted(value: Any) -> str:
    if isinstance(value, datetime):
        return timezone.localtime(value).isoformat(sep=" ", timespec="seconds")
    return str(value)
