"""Facts about a generation and its pictures: one list for pages and CSV."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.formats import localize
from django.utils.translation import gettext as _

from generations.engines.registry import all_offers, offer_for
from generations.models import Generation, Picture
from generations.web.formats import format_datetime, format_duration
from generations.web.model_names import model_label
from generations.web.money.formats import format_money

# What `facts` reads, for `only()`: of a generation, its reference image, its owner, a picture.
GENERATION_COLUMNS = (
    "upstream",
    "engine",
    "model",
    "created_at",
    "submitted_at",
    "finished_at",
    "aspect_ratio",
    "n",
    "sent_prompt",
    "revised_prompt",
    "negative_prompt",
    "reference_id",
    "reference_url",
    "image_fidelity",
    "params",
    "unit_price_e4",
    "charged_e4",
)
REFERENCE_COLUMNS = ("name",)
OWNER_COLUMNS = ("username", "first_name", "last_name")
PICTURE_COLUMNS = ("width", "height", "size_bytes")

_FORMATS: dict[str, Callable[[Any], str]] = {
    "created_at": format_datetime,
    "duration": format_duration,
    "file_size": filesizeformat,
    "image_fidelity": lambda number: str(localize(number)),
}


@dataclass(frozen=True)
class Fact:
    """`name` is stable; `value` is raw: a datetime, seconds, bytes, a number or text."""

    name: str
    label: str
    value: Any

    @property
    def is_moment(self) -> bool:
        """Whether pages show it with the `timestamp` tag."""
        return isinstance(self.value, datetime)

    @property
    def text(self) -> str:
        """The value as pages show it."""
        return _FORMATS.get(self.name, str)(self.value)


def labels() -> dict[str, str]:
    """Return the name and label of every fact, in the order of the pages."""
    return {
        "owner": _("Created by"),
        "created_at": _("Created"),
        "duration": _("Time taken"),
        "model": _("Model"),
        "aspect_ratio": _("Aspect ratio"),
        "dimensions": _("Dimensions"),
        "file_size": _("File size"),
        "images": _("Images"),
        "sent_prompt": _("Sent as"),
        "revised_prompt": _("Prompt as revised"),
        "negative_prompt": _("Negative prompt"),
        "reference": _("Reference image"),
        "image_fidelity": _("Similarity"),
        **{field.name: _(field.label) for offer in all_offers() for field in offer.fields},
        "cost": _("Cost"),
        "source": _("Source"),
    }


def facts(generation: Generation, picture: Picture | None = None) -> list[Fact]:
    """Return what is known; empty values are left out.

    Without a picture the dimensions are those of the first one in `shown_pictures`. Reads
    `owner` and `reference`, which should be joined with `select_related`.
    """
    values = _values(generation, picture)
    return [
        Fact(name, label, values[name])
        for name, label in labels().items()
        if values.get(name) not in (None, "")
    ]


def _values(row: Generation, picture: Picture | None) -> dict[str, Any]:
    sized = picture or _first_stored(row)
    is_demo = row.upstream != Generation.Upstream.LIVE
    return {
        "owner": row.owner.name,
        "created_at": row.created_at,
        "duration": row.took_seconds,
        "model": model_label(row.engine, row.model),
        "aspect_ratio": row.aspect_ratio,
        "dimensions": f"{sized.width} × {sized.height}" if sized else "",
        "file_size": picture.size_bytes if picture else None,
        "images": row.n,
        "sent_prompt": row.sent_prompt,
        "revised_prompt": row.revised_prompt,
        "negative_prompt": row.negative_prompt,
        "reference": row.reference.name if row.reference else row.reference_url,
        "image_fidelity": row.image_fidelity,
        **_offer_values(row),
        "cost": cost_text(row),
        "source": _("Demo simulator") if is_demo else "",
    }


def cost_text(row: Generation) -> str:
    """Return what the request was charged, or has reserved; "" without a price."""
    if row.unit_price_e4 is None:
        return ""
    if row.charged_e4 is None:
        return _("%(amount)s reserved") % {"amount": format_money(row.unit_price_e4 * row.n)}
    return format_money(row.charged_e4)


def _offer_values(row: Generation) -> dict[str, str]:
    """Return the labels of the model's own fields, by name; "" for a field without a value."""
    return {
        field.name: _(field.label_of(row.params[field.name])) if field.name in row.params else ""
        for field in offer_for(row.engine, row.model).fields
    }


def _first_stored(row: Generation) -> Picture | None:
    pictures: Sequence[Picture] = getattr(row, "shown_pictures", ())
    return next((picture for picture in pictures if picture.is_available), None)
