"""The facts about a generation and a picture: one list for pages, comparison and CSV."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from generations.models import Generation, Picture

# By name, in the order in which pages show them.
LABELS = {
    "maker": _("Created by"),
    "created": _("Created on"),
    "took": _("Time taken"),
    "ratio": _("Aspect ratio"),
    "dimensions": _("Dimensions"),
    "size": _("File size"),
    "images": _("Images"),
    "negative_prompt": _("Negative prompt"),
    "reference": _("Reference image"),
    "similarity": _("Similarity"),
    "source": _("Source"),
}
# What `facts` reads, for `only()`: of a generation, of its owner, of a picture.
GENERATION_COLUMNS = (
    "upstream",
    "created_at",
    "submitted_at",
    "finished_at",
    "aspect_ratio",
    "n",
    "negative_prompt",
    "reference_id",
    "reference_url",
    "image_fidelity",
)
OWNER_COLUMNS = ("username", "first_name", "last_name")
PICTURE_COLUMNS = ("width", "height", "size_bytes")


@dataclass(frozen=True)
class Fact:
    """`value` is raw: `created` is a datetime, `took` in seconds, `size` in bytes."""

    name: str
    label: str
    value: Any


def facts(generation: Generation, picture: Picture | None = None) -> list[Fact]:
    """Return what is known, without what is empty. The owner should be fetched along."""
    values = {
        "maker": generation.owner.name,
        "created": generation.created_at,
        "took": generation.took_seconds,
        "ratio": generation.aspect_ratio,
        "dimensions": f"{picture.width} × {picture.height}" if picture else None,
        "size": picture.size_bytes if picture else None,
        "images": generation.n,
        "negative_prompt": generation.negative_prompt,
        "reference": _("Yes") if generation.has_reference else None,
        "similarity": generation.image_fidelity,
        "source": _("Demo simulator") if _is_demo(generation) else None,
    }
    return [
        Fact(name, str(LABELS[name]), value)
        for name, value in values.items()
        if value not in (None, "")
    ]


def _is_demo(generation: Generation) -> bool:
    return generation.upstream != Generation.Upstream.LIVE
