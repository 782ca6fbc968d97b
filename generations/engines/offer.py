"""What the models of an engine offer: aspect ratios, limits and extra fields. No Django.

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


_RATIO_LABELS = {
    "3:1": gettext_noop("3 to 1, extremely wide"),
    "21:9": gettext_noop("21 to 9, very wide"),
    "2:1": gettext_noop("2 to 1, very wide"),
    "16:9": gettext_noop("16 to 9, wide"),
    "16:10": gettext_noop("16 to 10, wide"),
    "3:2": gettext_noop("3 to 2, landscape"),
    "4:3": gettext_noop("4 to 3, landscape"),
    "5:4": gettext_noop("5 to 4, landscape"),
    "1:1": gettext_noop("1 to 1, square"),
    "4:5": gettext_noop("4 to 5, portrait"),
    "3:4": gettext_noop("3 to 4, portrait"),
    "2:3": gettext_noop("2 to 3, portrait"),
    "10:16": gettext_noop("10 to 16, tall"),
    "9:16": gettext_noop("9 to 16, tall"),
    "1:2": gettext_noop("1 to 2, very tall"),
    "9:21": gettext_noop("9 to 21, very tall"),
    "1:3": gettext_noop("1 to 3, extremely tall"),
}


def aspect_ratios(*values: str) -> tuple[AspectRatio, ...]:
    """Return these ratios with their labels, in this order. Raises KeyError for one without."""
    return tuple(AspectRatio(value, _RATIO_LABELS[value]) for value in values)


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
    """What one model of an engine takes. `engine` and `model` are stored in rows: never change."""

    engine: str
    model: str
    label: str
    line: str  # what it is good for, in a few words
    aspect_ratios: tuple[AspectRatio, ...]  # in the order of the form
    default_aspect_ratio: str
    max_images: int  # a request
    prompt_limit: int | str  # characters; a string names the team's setting that holds the number
    negative_prompt_limit: int | str  # 0: it takes none
    reference: ReferenceRules | None  # None: it takes no reference image
    price_key: Callable[[Mapping[str, Any], bool], PriceKey]  # of params, and with a reference?
    usual_seconds: tuple[int, int]  # from submit to the end, until enough of this install are known
    fields: tuple[Field, ...] = ()

    @property
    def key(self) -> str:
        """Its value in forms and addresses: "kling/kling-v1"."""
        return f"{self.engine}/{self.model}"

    def aspect_ratio(self, value: str) -> AspectRatio | None:
        return next((ratio for ratio in self.aspect_ratios if ratio.value == value), None)

    def fields_for(self, profile: str) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.profile in ("", profile))


@dataclass(frozen=True)
class EngineOffer:
    """One image service of the gateway: its models, the default first, and what it can do."""

    slug: str  # stored in rows and prices: never changes
    label: str
    models: tuple[Offer, ...]
    # False: a submit is answered with the images. Then a lost answer can never be looked up.
    has_tasks: bool = True
    can_look_up: bool = False  # whether a lost submit may be found, where the gateway allows it
    submit_seconds: float | None = None  # how long a submit may take; None: as in the settings
    # Whether the body of a callback says that its task has ended. None: it makes no callbacks.
    says_end: Callable[[bytes], bool] | None = None

    def offer(self, model: str) -> Offer:
        """The offer of this model, or of the default for one that is no longer offered."""
        found = (offer for offer in self.models if offer.model == model)
        return next(found, self.models[0])
