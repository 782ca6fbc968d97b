"""Names of engines and models; what this release no longer has is named as it is stored."""

from django.utils.translation import gettext as _

from generations.engines.registry import engine_for, find_offer
from generations.joining import join_facts
from generations.models.money.price import ANY


def engine_label(engine: str) -> str:
    return _(engine_for(engine).label) if engine else ""


def model_label(engine: str, model: str) -> str:
    offer = find_offer(f"{engine}/{model}")
    return _(offer.label) if offer else model


def kind_label(engine: str, model: str, option: str = "") -> str:
    """Return "Kling 1, 2k" or "any model of Kling"; the engine is added where it is not named."""
    name, label = engine_label(engine), model_label(engine, model)
    if model == ANY:
        return join_facts((_("any model of %(engine)s") % {"engine": name}, option))
    is_named = label.lower().startswith(name.lower())
    return join_facts(("" if is_named else name, label, option))
