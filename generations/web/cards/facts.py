"""The facts of a generation or one of its pictures, as labels and values.

One list for the page of a generation, the page of an image, the comparison, the CSV export and
the admin.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils.formats import localize
from django.utils.translation import gettext as _

from generations.models import Generation, Picture
from generations.web.formats import format_datetime, format_duration


@dataclass(frozen=True)
class Fact:
    """`name` is stable, for CSV columns; `label` and `value` are translated."""

    name: str
    label: str
    value: str


class OfferField(Protocol):
    """A setting that an engine offers: `choices` are pairs of stored value and label."""

    name: str
    label: str
    choices: Sequence[tuple[str, str]]


def facts(generation: Generation, picture: Picture | None = None) -> list[Fact]:
    """Return what is known, in the order of the pages; empty values are left out.

    Without a picture the size is that of the first stored one in `shown_pictures`.
    """
    return [Fact(*fact) for fact in _facts(generation, picture) if fact[2]]


def offer_fields() -> Sequence[OfferField]:
    """The engine's fields that are stored in `Generation.params`."""
    return ()


def _facts(row: Generation, picture: Picture | None) -> Iterator[tuple[str, str, str]]:
    sized = picture or _first_stored(row)
    yield "owner", _("Created by"), row.owner.name
    yield "created_at", _("Created"), format_datetime(row.created_at)
    yield "duration", _("Took"), format_duration(row.took_seconds)
    yield "aspect_ratio", _("Aspect ratio"), row.aspect_ratio
    yield "size", _("Size"), f"{sized.width} × {sized.height}" if sized else ""
    yield "file_size", _("File size"), filesizeformat(picture.size_bytes or 0) if picture else ""
    yield "images", _("Images"), str(row.n)
    yield "negative_prompt", _("Negative prompt"), row.negative_prompt
    yield "reference", _("Reference image"), _reference(row)
    yield "image_fidelity", _("Similarity"), _similarity(row)
    for field in offer_fields():
        stored = (getattr(row, "params", None) or {}).get(field.name)
        label = dict(field.choices).get(stored, stored) if stored is not None else ""
        yield field.name, str(field.label), str(label)
    yield "source", _("Source"), _("demo simulator") if settings.DEMO else ""


def _first_stored(row: Generation) -> Picture | None:
    pictures: Sequence[Picture] = getattr(row, "shown_pictures", ())
    return next((picture for picture in pictures if picture.is_available), None)


def _reference(row: Generation) -> str:
    if row.reference:
        return row.reference.name
    return row.reference_url


def _similarity(row: Generation) -> str:
    return "" if row.image_fidelity is None else str(localize(row.image_fidelity))
