"""Settings of an earlier generation: filled into the form, or sent again with one change."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from generations.engines.registry import offer_for
from generations.models import Generation
from generations.permissions import Action
from generations.requests import offered_fields, with_defaults
from generations.web.middleware.access import MemberRequest, requires

from .forms import DEFAULT_FIDELITY
from .ratio_choices import ratio_choices

# One value in the middle of each range that the form has a label for.
SIMILARITIES = (
    (0.1, _("Low")),
    (0.3, _("Medium-low")),
    (0.5, _("Medium")),
    (0.7, _("High")),
    (0.9, _("Very high")),
)


@dataclass(frozen=True)
class Variation:
    """A field of the offer with the values that the generation does not have."""

    name: str
    label: str
    choices: tuple[tuple[str, str], ...]


def form_values(row: Generation) -> dict[str, Any]:
    """The initial values of a form with the settings of this generation."""
    return {
        "prompt": row.prompt,
        "negative_prompt": row.negative_prompt,
        "aspect_ratio": row.aspect_ratio,
        "n": row.n,
        "reference": row.reference,
        "image_url": row.reference_url,
        "image_fidelity": (
            row.image_fidelity if row.image_fidelity is not None else DEFAULT_FIDELITY
        ),
        "remix_of": row.pk,
        "collection": row.collection_id,
        "is_private": row.is_private,
    } | with_defaults(row.params)


@require_safe
@requires(Action.GENERATE)
def variations(request: MemberRequest, pk: int) -> HttpResponse:
    """A form with the settings hidden; each of its buttons changes one field and sends the form.

    htmx opens it under the card; without htmx it is a page.
    """
    visible = Generation.objects.visible_to(request.user).select_related("reference")
    row = get_object_or_404(visible, pk=pk)
    values = form_values(row) | {"reference": row.reference_id, "nonce": uuid4()}
    offer = offer_for()
    context = {
        "row": row,
        "fields": [(name, value) for name, value in values.items() if value not in (None, "")],
        "aspect_ratios": [each for each in ratio_choices() if each.value != row.aspect_ratio],
        "numbers": [n for n in range(1, offer.max_images + 1) if n != row.n],
        "similarities": SIMILARITIES if row.has_reference else (),
        "offer_variations": list(_offer_variations(row)),
        "in_studio": bool(request.htmx),
    }
    if request.htmx:
        return render(request, "variations/_variations.html", context)
    return render(request, "variations/variations.html", context)


def _offer_variations(row: Generation) -> Iterator[Variation]:
    current = with_defaults(row.params)
    for field in offered_fields():
        others = tuple(choice for choice in field.choices if choice[0] != current[field.name])
        yield Variation(field.name, field.label, others)
