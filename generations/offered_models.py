"""Which models the team offers."""

from generations.engines.offer import Offer
from generations.engines.registry import all_offers, find_offer
from generations.models import team_settings


def offered_models() -> list[Offer]:
    """The offers that members can choose from, in the order of the registry. Never empty."""
    keys = team_settings.current().offered_models
    return [offer for offer in all_offers() if offer.key in keys]


def is_offered(offer: Offer) -> bool:
    return offer.key in team_settings.current().offered_models


def find_offered(key: str) -> Offer | None:
    """The offer with this key, if the team offers it."""
    offer = find_offer(key)
    return offer if offer and is_offered(offer) else None


def starting_model() -> Offer:
    """The offer of the composer until a member has used another one."""
    return find_offered(team_settings.current().default_model) or offered_models()[0]
