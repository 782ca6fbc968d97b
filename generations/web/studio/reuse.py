"""Settings of an earlier generation: filled into the form, or sent again with one change."""

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any
from uuid import uuid4

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _text
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from generations.engines.registry import offer_for
from generations.models import Generation
from generations.models.money import Price, PriceTable
from generations.permissions import Action
from generations.requests import offered_fields, with_defaults
from generations.web.middleware.access import MemberRequest, requires
from generations.web.money.prices import generate_label, unit_price, with_price

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
    prices = VariationPrices(row, Price.objects.table(row.engine))
    numbers = [n for n in range(1, offer_for().max_images + 1) if n != row.n]
    context = {
        "row": row,
        "again_label": prices.again_label(),
        "price": prices.with_price("", {}),
        "aspect_ratios": [each for each in ratio_choices() if each.value != row.aspect_ratio],
        "numbers": [(n, generate_label(n, prices.unit_e4({}))) for n in numbers],
        "similarities": SIMILARITIES if row.has_reference else (),
        "offer_variations": list(_offer_variations(row, prices)),
        "in_studio": bool(request.htmx),
    }
    values = form_values(row) | {
        "reference": row.reference_id,
        "nonce": uuid4(),
        "seen_prices": " ".join(sorted(prices.seen)),
    }
    context["fields"] = [
        (name, value)
        for name, value in values.items()
        if name == "seen_prices" or value not in (None, "")
    ]
    if request.htmx:
        return render(request, "variations/_variations.html", context)
    return render(request, "variations/variations.html", context)


def _offer_variations(row: Generation, prices: "VariationPrices") -> Iterator[Variation]:
    current = with_defaults(row.params)
    for field in offered_fields():
        others = tuple(
            (value, prices.with_price(_text(label), {field.name: value}))
            for value, label in field.choices
            if value != current[field.name]
        )
        yield Variation(field.name, field.label, others)


@dataclass
class VariationPrices:
    """Prices of this generation with one field changed. `seen` collects those that are shown."""

    row: Generation
    table: PriceTable
    seen: set[str] = dataclass_field(default_factory=set)

    def unit_e4(self, changes: dict[str, Any]) -> int | None:
        params = with_defaults(self.row.params) | changes
        unit_e4 = unit_price(params, self.row.has_reference, self.table)
        if unit_e4 is not None:
            self.seen.add(str(unit_e4))
        return unit_e4

    def with_price(self, label: str, changes: dict[str, Any]) -> str:
        return with_price(label, self.row.n, self.unit_e4(changes)).removeprefix(" · ")

    def again_label(self) -> str:
        n = self.row.n
        label = ngettext("Generate again (%(n)d image)", "Generate again (%(n)d images)", n)
        return self.with_price(label % {"n": n}, {})
