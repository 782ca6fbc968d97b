"""The Flux models, which the gateway serves in the form of OpenAI's image API (notes 3)."""

from collections.abc import Callable, Mapping
from typing import Any

from . import images_api, immediate
from .base import ImageRequest
from .gateway import Gateway
from .offer import EngineOffer, Offer, PriceKey, aspect_ratios
from .offer import gettext_noop as _

ASPECT_RATIOS = aspect_ratios("21:9", "16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16", "9:21")
SUBMIT_SECONDS = 120.0


def request_body(request: ImageRequest) -> dict[str, Any]:
    return {
        "model": request.model,
        "prompt": request.prompt,
        "n": request.n,
        "aspect_ratio": request.aspect_ratio,
        **request.params,
    }


def price_key(model: str) -> Callable[[Mapping[str, Any], bool], PriceKey]:
    return lambda _params, _has_reference: PriceKey(model)


def _model(model: str, label: str, line: str, usual_seconds: tuple[int, int]) -> Offer:
    return Offer(
        engine="flux",
        model=model,
        label=label,
        line=line,
        aspect_ratios=ASPECT_RATIOS,
        default_aspect_ratio="3:2",
        max_images=4,
        prompt_limit=4000,
        negative_prompt_limit=0,
        reference=None,
        price_key=price_key(model),
        usual_seconds=usual_seconds,
    )


MODELS = (
    _model("flux-1.1-pro", _("Flux 1.1 Pro"), _("Fine detail, fast."), (6, 14)),
    _model("flux-schnell", _("Flux Schnell"), _("Very fast drafts."), (3, 8)),
)
ENGINE = EngineOffer("flux", _("Flux"), MODELS, has_tasks=False, submit_seconds=SUBMIT_SECONDS)


def make_client(gateway: Gateway, _profile: str) -> immediate.Client:
    return images_api.client(ENGINE.slug, gateway, request_body)
