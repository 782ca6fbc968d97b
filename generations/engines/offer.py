"""What an image engine offers: its aspect ratios, its limits and its extra fields. No Django.

Labels are plain English, marked so that makemessages finds them; pages translate them when they
are shown. Forms, checks and pages read the offer and name no field of one engine.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


def gettext_noop(text: str) -> str:
    """Mark a label for makemessages. Modules import this as `_`."""
    return text


@dataclass(frozen=True)
class AspectRatio:
    """`value` is as the engine spells it, "16:9" or "16x9"; `label` is for screen readers."""

    value: str
    label: str

    @property
    def width(self) -> int:
        return int(re.split("[:x]", self.value)[0])

    @property
    def height(self) -> int:
        return int(re.split("[:x]", self.value)[1])


@dataclass(frozen=True)
class ReferenceRules:
    """Which reference images an engine accepts. Uploads are converted and scaled to that."""

    types: Mapping[str, str]  # Pillow's name of a format -> content type
    max_bytes: int
    min_side: int  # pixels
    max_ratio: float  # long side over short side
    max_side: int  # pixels


@dataclass(frozen=True)
class Field:
    """A field of a request that is stored in `Generation.params`."""

    name: str
    label: str
    choices: tuple[tuple[str, str], ...]  # (value, label)
    default: str
    profile: str = ""  # offered only with this upstream profile; "": with every profile

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(value for value, _label in self.choices)

    def label_of(self, value: Any) -> str:
        return dict(self.choices).get(value, str(value))


@dataclass(frozen=True)
class PriceKey:
    """What the price of an image depends on. `option` is "" for the plain case."""

    model: str
    option: str = ""


@dataclass(frozen=True)
class Offer:
    slug: str
    label: str
    aspect_ratios: tuple[AspectRatio, ...]  # in the order of the form
    default_aspect_ratio: str
    max_images: int  # a request
    prompt_limit: int | str  # characters; a string names the team's setting that holds the number
    negative_prompt_limit: int | str
    reference: ReferenceRules
    price_key: Callable[[Mapping[str, Any], bool], PriceKey]  # of params, and with a reference?
    fields: tuple[Field, ...] = ()

    def aspect_ratio(self, value: str) -> AspectRatio | None:
        return next((ratio for ratio in self.aspect_ratios if ratio.value == value), None)

    def fields_for(self, profile: str) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.profile in ("", profile))
