"""The engines, and the offers of their models."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from . import flux, ideogram, kling, openai
from .base import Engine
from .gateway import Gateway
from .offer import AspectRatio, EngineOffer, Offer

DEFAULT = kling.ENGINE.slug

MODULES = (kling, openai, flux, ideogram)
ENGINES: dict[str, EngineOffer] = {module.ENGINE.slug: module.ENGINE for module in MODULES}

_MAKE_CLIENT: dict[str, Callable[[Gateway, str], Engine]] = {
    module.ENGINE.slug: module.make_client for module in MODULES
}


def all_offers() -> tuple[Offer, ...]:
    return tuple(offer for engine in ENGINES.values() for offer in engine.models)


def all_aspect_ratios() -> tuple[AspectRatio, ...]:
    """Those of all models, from the widest to the tallest."""
    ratios = {ratio.value: ratio for offer in all_offers() for ratio in offer.aspect_ratios}
    return tuple(sorted(ratios.values(), key=lambda ratio: -ratio.width / ratio.height))


def engine_for(slug: str) -> EngineOffer:
    """The engine of a stored row; for one that this release does not have, see `_unknown`."""
    return ENGINES.get(slug) or _unknown(slug)


def offer_for(engine: str = DEFAULT, model: str = "") -> Offer:
    """The offer of a model, or of the engine's default for one that is no longer offered."""
    return engine_for(engine).offer(model)


@cache
def _unknown(slug: str) -> EngineOffer:
    """Stands for an engine of stored rows: its stored name, and the default's form.

    Nothing can be asked of it.
    """
    offer = replace(ENGINES[DEFAULT].models[0], engine=slug, model="", label=slug, fields=())
    return EngineOffer(slug, slug, (offer,), has_tasks=False)


def find_offer(key: str) -> Offer | None:
    """The offer with this `key`."""
    return next((offer for offer in all_offers() if offer.key == key), None)


def make_client(engine: str, gateway: Gateway, profile: str) -> Engine:
    """Return a client. The caller closes it."""
    return _MAKE_CLIENT[engine](gateway, profile)
