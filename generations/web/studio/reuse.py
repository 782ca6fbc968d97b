"""What was asked for once, again: back into the form, or at once with one thing varied."""

from typing import Any
from uuid import uuid4

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from generations import catalog
from generations.models import Generation
from generations.web.middleware.access import MemberRequest

FIDELITIES = (0.1, 0.3, 0.5, 0.7, 0.9)  # the middles of what the console has words for


def form_values(row: Generation) -> dict[str, Any]:
    """As the fields of the form have them."""
    return {
        "prompt": row.prompt,
        "negative_prompt": row.negative_prompt,
        "aspect_ratio": row.aspect_ratio,
        "n": row.n,
        "reference": row.reference,
        "image_url": row.reference_url,
        "image_fidelity": row.image_fidelity if row.image_fidelity is not None else 0.5,
        "remix_of": row.pk,
        "collection": row.collection_id,
        "is_private": row.is_private,
    }


@require_safe
def variations(request: MemberRequest, pk: int) -> HttpResponse:
    """The studio's form, filled and hidden: each of its buttons sets one field anew, and sends.

    In the studio it opens under the card; elsewhere it is a page.
    """
    seen = Generation.objects.visible_to(request.user).select_related("reference")
    row = get_object_or_404(seen, pk=pk)
    values = form_values(row) | {"reference": row.reference_id, "nonce": uuid4()}
    context = {
        "row": row,
        "fields": [(name, value) for name, value in values.items() if value not in (None, "")],
        "aspect_ratios": [
            shape for shape in catalog.ASPECT_RATIOS if shape.ratio != row.aspect_ratio
        ],
        "numbers": [n for n in range(1, catalog.MAX_IMAGES + 1) if n != row.n],
        "closeness": FIDELITIES if row.has_reference else (),
        "in_studio": bool(request.htmx),
    }
    if request.htmx:
        return render(request, "variations/_variations.html", context)
    return render(request, "variations/variations.html", context)
