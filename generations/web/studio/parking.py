"""What a form keeps of its values when its model changes.

A value that the new model does not take is parked: the form shows the nearest one that it takes,
and sends the other along until a model has it again.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from generations.engines.offer import Field, Offer
from generations.engines.registry import all_offers
from generations.requests import offered_fields

PREFIX = "parked-"  # of the hidden inputs
SHARED_NAMES = ("aspect_ratio", "n", "negative_prompt")


@dataclass(frozen=True)
class ParkedValue:
    """`note` says why it does not apply."""

    name: str
    value: str
    note: str

    @property
    def input_name(self) -> str:
        return PREFIX + self.name


def names() -> tuple[str, ...]:
    """The fields whose values a model may not take."""
    own = (field.name for offer in all_offers() for field in offered_fields(offer))
    return tuple(dict.fromkeys((*SHARED_NAMES, *own)))


def fitting(offer: Offer, name: str, wanted: str) -> str:
    """The value nearest to the wanted one that the model takes; "" if it has no such field."""
    if name == "aspect_ratio":
        return wanted if offer.aspect_ratio(wanted) else _nearest_ratio(offer, wanted)
    if name == "n":
        is_more = wanted.isascii() and wanted.isdecimal() and int(wanted[:9]) > offer.max_images
        return str(offer.max_images) if is_more else wanted
    if name == "negative_prompt":
        return wanted if offer.negative_prompt_limit else ""
    field = _field_of(offer, name)
    if field is None:
        return ""
    return wanted if wanted in field.values else field.default


def wanted_values(data: Mapping[str, Any], shown: Offer) -> dict[str, str]:
    """The values that a member has chosen, with the parked ones that were not replaced since.

    `shown` is the model whose fields the form showed.
    """
    wanted = {}
    for name in names():
        value, parked = data.get(name), data.get(PREFIX + name)
        if parked and (value or "") == fitting(shown, name, parked):
            wanted[name] = str(parked)
        elif value is not None:
            wanted[name] = str(value)
    return wanted


def parked_values(wanted: Mapping[str, str], offer: Offer) -> list[ParkedValue]:
    """The wanted values that the model does not take, without defaults of other models."""
    return [
        ParkedValue(name, value, note)
        for name, value in wanted.items()
        if value and fitting(offer, name, value) != value and (note := _note(offer, name, value))
    ]


def _note(offer: Offer, name: str, value: str) -> str:
    """Why the model does not take the value; "" if nobody has chosen it."""
    model = _(offer.label)
    if name == "aspect_ratio":
        return _("%(ratio)s is not available with %(model)s.") % {"ratio": value, "model": model}
    if name == "n":
        return _("%(model)s generates up to %(max)d at once.") % {
            "model": model,
            "max": offer.max_images,
        }
    if name == "negative_prompt":
        return _("%(model)s takes no negative prompt. Yours is kept for other models.") % {
            "model": model
        }
    fields = list(_fields_named(name))
    if any(field.default == value for field in fields):
        return ""
    field = next((each for each in fields if value in each.values), None)
    if field is None:
        return ""
    choice = f"{_(field.label)}: {_(field.label_of(value))}"
    return _("%(choice)s is not available with %(model)s.") % {"choice": choice, "model": model}


def _field_of(offer: Offer, name: str) -> Field | None:
    return next((field for field in offered_fields(offer) if field.name == name), None)


def _fields_named(name: str) -> Iterator[Field]:
    return (field for offer in all_offers() if (field := _field_of(offer, name)))


def _nearest_ratio(offer: Offer, wanted: str) -> str:
    """By the quotient of the sides; the default for a value that no model has."""
    found = (offered.aspect_ratio(wanted) for offered in all_offers())
    ratio = next((each for each in found if each), None)
    if ratio is None:
        return offer.default_aspect_ratio
    quotient = math.log(ratio.width / ratio.height)
    return min(
        offer.aspect_ratios, key=lambda each: abs(math.log(each.width / each.height) - quotient)
    ).value
