"""The models that a member can choose from: price, usual time, and why one is not available."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from generations.engines.offer import Offer
from generations.estimates import Estimate
from generations.joining import join_sentences
from generations.models import durations
from generations.offered_models import offered_models
from generations.requests import NotOffered, Unpriced, quote_for, with_defaults
from generations.web.formats import format_duration
from generations.web.money.formats import format_money
from generations.web.money.prices import PriceTables, image_prices

MIN_SEARCHED = 8  # models; from here on the list has a search field
MAX_PLAIN_SECONDS = 99


@dataclass(frozen=True)
class ModelChoice:
    """`reason` says why it is not available now, whatever the reference image is."""

    offer: Offer
    price: str
    usual: str
    reason: str
    is_chosen: bool

    @property
    def id(self) -> str:
        return f"model-{self.offer.key.replace('/', '-').replace('.', '-')}"

    @property
    def takes_reference(self) -> bool:
        return self.offer.reference is not None


def model_choices(chosen: Offer, tables: PriceTables) -> list[ModelChoice]:
    """Empty if there is nothing to choose."""
    offers = offered_models()
    if len(offers) < 2 and chosen in offers:
        return []
    return [
        ModelChoice(
            offer,
            _price(offer, tables),
            _usual(offer),
            refusal_of(offer, tables),
            offer.key == chosen.key,
        )
        for offer in offers
    ]


def refusal_of(offer: Offer, tables: PriceTables) -> str:
    """Why no request for this model is accepted now; "" if one is."""
    try:
        table = tables[offer.engine]
        quote_for(1, with_defaults({}, offer), has_reference=False, offer=offer, table=table)
    except NotOffered:
        return _("Your team does not offer this model now.")
    except Unpriced:
        return _("No price is set for this model.")
    return ""


def without_reference(reference: object, offer: Offer) -> str:
    """Why a model is not available with this reference image; "" if it is."""
    is_refused = reference and offer.reference is None
    return _("Not available with a reference image.") if is_refused else ""


def _price(offer: Offer, tables: PriceTables) -> str:
    """The price of one image: "$0.12", "from $0.03", or "" without one."""
    prices = image_prices(offer, tables[offer.engine])
    known = _known(prices)
    if not known:
        return ""
    text = format_money(min(known)) if min(known) else _("free")
    return _("from %(price)s") % {"price": text} if len(prices) > 1 else text


def _known(prices: Iterable[int | None]) -> list[int]:
    return [price for price in prices if price is not None]


def _usual(offer: Offer) -> str:
    stats = durations.usual_stats(offer.engine, offer.model)
    usual = Estimate.of(stats.left(0)) or Estimate(*offer.usual_seconds)
    low, high = usual.low, usual.high
    if high <= MAX_PLAIN_SECONDS:
        text = _("Usually %(low)d–%(high)d s.") % {"low": low, "high": high}
    else:
        text = _("Usually %(low)s to %(high)s.") % {
            "low": format_duration(low),
            "high": format_duration(high),
        }
    return join_sentences((_(offer.line), text))
