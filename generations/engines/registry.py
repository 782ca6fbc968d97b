"""The offers of all engines, by slug."""

from . import kling
from .offer import Offer

OFFERS: dict[str, Offer] = {offer.slug: offer for offer in (kling.OFFER,)}


def offer_for(slug: str = "kling") -> Offer:
    return OFFERS[slug]
