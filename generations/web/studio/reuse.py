"""Settings of an earlier generation: filled into the form, or sent again with one change."""

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any
from uuid import uuid4

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from generations.engines.offer import Offer
from generations.engines.registry import offer_for
from generations.joining import join_facts
from generations.models import Generation
from generations.models.money import Price, PriceTable
from generations.permissions import Action
from generations.requests import offered_fields, with_defaults
from generations.web.layout import Layout
from generations.web.middleware.access import MemberRequest, requires
from generations.web.money.prices import generate_label, seen_price, unit_price, with_price
from generations.web.origin import Origin, origin_of

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
class Choice:
    """A value of a field. `button` says what a press generates, with its price."""

    value: object
    text: str
    button: str
    n: int  # images
    is_current: bool
    spoken: str = ""  # instead of the text
    layout: Layout | None = None  # of an aspect ratio

    @property
    def is_text(self) -> bool:
        """Whether the text is more than a number under an icon."""
        return not self.layout and not self.text.isdecimal()

    @property
    def name(self) -> str:
        """The accessible name."""
        return (
            self.button
            if self.text.isdecimal()
            else join_facts((self.spoken or self.text, self.button))
        )


@dataclass(frozen=True)
class Variation:
    """A field with all its values; the one that the generation has is marked."""

    name: str
    label: str
    choices: tuple[Choice, ...]
    note: str = ""


def form_values(row: Generation) -> dict[str, Any]:
    """The initial values of a form with the settings of this generation."""
    offer = offer_for(row.engine, row.model)
    return {
        "model": offer.key,
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
    } | with_defaults(row.params, offer)


@require_safe
@requires(Action.GENERATE)
def variations(request: MemberRequest, pk: int) -> HttpResponse:
    """A form with the settings hidden; each of its buttons changes one field and sends the form.

    htmx opens it under the card; without htmx it is a page.
    """
    visible = Generation.objects.visible_to(request.user).select_related("reference")
    row = get_object_or_404(visible, pk=pk)
    prices = VariationPrices(row, Price.objects.table(row.engine))
    context = {
        "row": row,
        "again_label": prices.again_label(),
        "variations": [
            _ratios(row, prices),
            _numbers(row, prices),
            *_similarities(row, prices),
            *_offer_variations(row, prices),
        ],
        "button": prices.button({}),
        "has_price": prices.unit_e4({}) is not None,
        "in_studio": bool(request.htmx) and request.htmx.target != "toast",
        "answers_by_toast": request.htmx.target == "toast",
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
    studio = Origin(reverse("studio"), gettext("Studio"))
    context["back"] = origin_of(request, studio)
    return render(request, "variations/variations.html", context)


def _ratios(row: Generation, prices: "VariationPrices") -> Variation:
    button = prices.button({})
    choices = (
        Choice(
            each.value,
            each.value,
            button,
            row.n,
            each.value == row.aspect_ratio,
            gettext(each.label),
            each.layout,
        )
        for each in ratio_choices(prices.offer)
    )
    return Variation("aspect_ratio", gettext("Aspect ratio"), tuple(choices))


def _numbers(row: Generation, prices: "VariationPrices") -> Variation:
    numbers = range(1, prices.offer.max_images + 1)
    choices = (Choice(n, str(n), prices.button({}, n), n, n == row.n) for n in numbers)
    price = prices.of_one_image()
    note = gettext("%(price)s each") % {"price": price} if price else ""
    return Variation("n", gettext("Images"), tuple(choices), note)


def _similarities(row: Generation, prices: "VariationPrices") -> Iterator[Variation]:
    if not row.has_reference:
        return
    fidelity = DEFAULT_FIDELITY if row.image_fidelity is None else row.image_fidelity
    current = min(SIMILARITIES, key=lambda each: abs(each[0] - fidelity))
    button = prices.button({})
    choices = (
        Choice(each[0], str(each[1]), button, row.n, each == current) for each in SIMILARITIES
    )
    yield Variation("image_fidelity", gettext("Similarity"), tuple(choices))


def _offer_variations(row: Generation, prices: "VariationPrices") -> Iterator[Variation]:
    current = with_defaults(row.params, prices.offer)
    for field in offered_fields(prices.offer):
        choices = (
            Choice(
                value,
                prices.with_price(gettext(label), {field.name: value}),
                prices.button({field.name: value}),
                row.n,
                value == current[field.name],
            )
            for value, label in field.choices
        )
        yield Variation(field.name, gettext(field.label), tuple(choices))


@dataclass
class VariationPrices:
    """Prices of this generation with one field changed. `seen` collects those that are shown.

    Each with its option: if one price becomes that of another option, it has changed all the same.
    """

    row: Generation
    table: PriceTable
    seen: set[str] = dataclass_field(default_factory=set)

    @property
    def offer(self) -> Offer:
        return offer_for(self.row.engine, self.row.model)

    def unit_e4(self, changes: dict[str, Any]) -> int | None:
        params = with_defaults(self.row.params, self.offer) | changes
        unit_e4 = unit_price(self.offer, params, self.row.has_reference, self.table)
        if unit_e4 is not None:
            option = self.offer.price_key(params, self.row.has_reference).option
            self.seen.add(seen_price(option, unit_e4))
        return unit_e4

    def button(self, changes: dict[str, Any], n: int | None = None) -> str:
        """What a press generates: "Generate 4 images · $0.48"."""
        return generate_label(n or self.row.n, self.unit_e4(changes))

    def with_price(self, label: str, changes: dict[str, Any]) -> str:
        return with_price(label, self.row.n, self.unit_e4(changes))

    def of_one_image(self) -> str:
        """The price of one image with the same settings; "" without a price."""
        return with_price("", 1, self.unit_e4({})).removeprefix(" · ")

    def again_label(self) -> str:
        n = self.row.n
        label = ngettext("Generate again (%(n)d image)", "Generate again (%(n)d images)", n)
        return self.with_price(label % {"n": n}, {})
