"""Prices on the buttons that spend. All texts come from the server: scripts never multiply."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from generations.engines.offer import Field, Offer
from generations.models.money import Price, PriceTable
from generations.requests import SeenPrices, Unpriced, offered_fields, quote_for

from .formats import current_currency, format_money

WITH_REFERENCE = "reference"


@dataclass(frozen=True)
class ButtonPrices:
    """What the button of the composer says, for each choice that changes the price.

    `labels` has one list for each key: the label for 1, 2, 3 ... images. A key is the values of
    `fields`, and "reference" with a reference image, joined by "|".
    """

    fields: list[str]
    labels: dict[str, list[str]]
    units: dict[str, str]  # price of an image in ten-thousandths; "" without a price

    def as_json(self) -> dict[str, Any]:
        return {"fields": self.fields, "labels": self.labels, "units": self.units}


class PriceTables(dict[str, PriceTable]):
    """Price tables by engine. Those that were not given are read when they are needed first."""

    @classmethod
    def of(cls, offers: Iterable[Offer]) -> "PriceTables":
        """The tables of these models, in one query."""
        return cls(Price.objects.tables({offer.engine for offer in offers}))

    def __missing__(self, engine: str) -> PriceTable:
        self[engine] = table = Price.objects.table(engine)
        return table


def button_prices(offer: Offer, tables: PriceTables) -> ButtonPrices:
    """Return the labels of all choices, with one query."""
    table, fields = tables[offer.engine], [field.name for field in _priced_fields(offer)]
    currency, language = current_currency(), get_language() or ""
    labels, units = {}, {}
    for params in _choices(offer):
        for reference in ("", WITH_REFERENCE) if offer.reference else ("",):
            key = "|".join((*params.values(), reference))
            unit_e4 = unit_price(offer, params, bool(reference), table)
            numbers = range(1, offer.max_images + 1)
            labels[key] = [_generate_label(n, unit_e4, currency, language) for n in numbers]
            units[key] = "" if unit_e4 is None else str(unit_e4)
    return ButtonPrices(fields, labels, units)


def image_prices(offer: Offer, table: PriceTable) -> set[int | None]:
    """The prices of one image without a reference image, over all choices of the fields."""
    return {unit_price(offer, params, False, table) for params in _choices(offer)}


def _priced_fields(offer: Offer) -> list[Field]:
    return [field for field in offered_fields(offer) if len(field.values) > 1]


def _choices(offer: Offer) -> Iterator[dict[str, str]]:
    """The values of the fields in every combination."""
    fields = _priced_fields(offer)
    for values in product(*(field.values for field in fields)):
        yield {field.name: value for field, value in zip(fields, values, strict=True)}


def parse_seen_prices(text: str) -> SeenPrices:
    """The prices of an image that a page showed; words that are none are left out.

    One word is "700", or "2k:700" of a page with the prices of several options.
    """
    words = [word.rpartition(":") for word in text.split()]
    prices = [
        (option, int(amount), is_named)
        for option, is_named, amount in words
        if amount.isascii() and amount.isdecimal()
    ]
    if any(is_named for _option, _amount, is_named in prices):
        return {option: amount for option, amount, is_named in prices if is_named}
    return [amount for _option, amount, _is_named in prices]


def seen_price(option: str, unit_e4: int) -> str:
    """The word of one option."""
    return f"{option}:{unit_e4}"


def unit_price(
    offer: Offer, params: Mapping[str, Any], has_reference: bool, table: PriceTable
) -> int | None:
    """Return the price of an image, None where there is none."""
    try:
        quote = quote_for(1, params, has_reference=has_reference, offer=offer, table=table)
        return quote.unit_e4
    except Unpriced:
        return None


def generate_label(n: int, unit_e4: int | None) -> str:
    return _generate_label(n, unit_e4, current_currency(), get_language() or "")


@lru_cache(maxsize=1000)
def _generate_label(n: int, unit_e4: int | None, currency: str, language: str) -> str:
    """Cached: a page has dozens of them, and they rarely change."""
    label = ngettext("Generate %(n)d image", "Generate %(n)d images", n) % {"n": n}
    return with_price(label, n, unit_e4)


def with_price(label: str, n: int, unit_e4: int | None) -> str:
    """Append the price of `n` images to the label of a button; nothing without a price."""
    if unit_e4 is None:
        return label
    price = format_money(unit_e4 * n) if unit_e4 else _("free")
    return f"{label} · {price}"
