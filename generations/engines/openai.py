"""OpenAI's image models. "notes" are docs/engines.md, as read in November 2026."""

from collections.abc import Callable, Mapping
from typing import Any

from . import images_api, immediate
from .base import ImageRequest
from .gateway import Gateway
from .offer import EngineOffer, Field, Offer, PriceKey, aspect_ratios
from .offer import gettext_noop as _

# Sizes in pixels by aspect ratio (notes 3).
GPT_SIZES = {"3:2": "1536x1024", "1:1": "1024x1024", "2:3": "1024x1536"}
DALL_E_SIZES = {"16:9": "1792x1024", "1:1": "1024x1024", "9:16": "1024x1792"}
DALL_E = "dall-e-3"
SUBMIT_SECONDS = 180.0


def request_body(request: ImageRequest) -> dict[str, Any]:
    """The documented fields of the model. GPT models refuse `response_format` (notes 3)."""
    is_gpt = request.model != DALL_E
    fields: dict[str, Any] = {
        "model": request.model,
        "prompt": request.prompt,
        "n": request.n,
        "size": (GPT_SIZES if is_gpt else DALL_E_SIZES)[request.aspect_ratio],
    }
    fields |= {name: value for name, value in request.params.items() if value != "auto"}
    return fields if is_gpt else fields | {"response_format": "url"}


def price_key(model: str) -> Callable[[Mapping[str, Any], bool], PriceKey]:
    """Prices depend on the quality, where one was chosen."""

    def key(params: Mapping[str, Any], _has_reference: bool) -> PriceKey:
        quality = str(params.get("quality", ""))
        return PriceKey(model, "" if quality in ("auto", "standard") else quality)

    return key


def _gpt(model: str, label: str, line: str) -> Offer:
    return Offer(
        engine="openai",
        model=model,
        label=label,
        line=line,
        aspect_ratios=aspect_ratios("3:2", "1:1", "2:3"),
        default_aspect_ratio="3:2",
        max_images=9,  # notes 3: 10; the form ends at 9
        prompt_limit=32_000,
        negative_prompt_limit=0,
        reference=None,
        price_key=price_key(model),
        usual_seconds=(15, 60),
        fields=(
            Field(
                "quality",
                _("Quality"),
                (
                    ("auto", _("Automatic")),
                    ("low", _("Low")),
                    ("medium", _("Medium")),
                    ("high", _("High")),
                ),
                "auto",
            ),
            Field(
                "background",
                _("Background"),
                (
                    ("auto", _("Automatic")),
                    ("opaque", _("Opaque")),
                    ("transparent", _("Transparent")),
                ),
                "auto",
            ),
        ),
    )


MODELS = (
    _gpt("gpt-image-1.5", _("GPT Image 1.5"), _("Follows long descriptions, writes text.")),
    _gpt("gpt-image-1", _("GPT Image 1"), _("The version before.")),
    _gpt("gpt-image-1-mini", _("GPT Image 1 mini"), _("Quick drafts at a low price.")),
    Offer(
        engine="openai",
        model=DALL_E,
        label=_("DALL·E 3"),
        line=_("Older; many gateways no longer sell it."),
        aspect_ratios=aspect_ratios("16:9", "1:1", "9:16"),
        default_aspect_ratio="1:1",
        max_images=1,
        prompt_limit=4000,
        negative_prompt_limit=0,
        reference=None,
        price_key=price_key(DALL_E),
        usual_seconds=(12, 40),
        fields=(
            Field(
                "quality",
                _("Quality"),
                (("standard", _("Standard")), ("hd", _("HD"))),
                "standard",
            ),
            Field(
                "style",
                _("Style"),
                (("vivid", _("Vivid")), ("natural", _("Natural"))),
                "vivid",
            ),
        ),
    ),
)
ENGINE = EngineOffer("openai", _("OpenAI"), MODELS, has_tasks=False, submit_seconds=SUBMIT_SECONDS)


def make_client(gateway: Gateway, _profile: str) -> immediate.Client:
    return images_api.client(ENGINE.slug, gateway, request_body)
