"""The aspect ratios on offer, with the icons that stand for them."""

from dataclasses import dataclass

from generations.engines.offer import Offer
from generations.web.layout import Layout, nearest


@dataclass(frozen=True)
class RatioChoice:
    value: str
    label: str  # in English; templates translate it
    layout: Layout


def ratio_choices(offer: Offer) -> list[RatioChoice]:
    return [
        RatioChoice(ratio.value, ratio.label, nearest(ratio.width, ratio.height))
        for ratio in offer.aspect_ratios
    ]
