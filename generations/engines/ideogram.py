"""Ideogram 3.0. "notes" are docs/engines.md, section 4, as read in November 2026."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from . import http_client, immediate
from .base import EngineError, FailureKind, ImageRequest, RequestRefused
from .gateway import Gateway, ParsedResponse, with_missing_model
from .offer import EngineOffer, Field, Offer, PriceKey, aspect_ratios
from .offer import gettext_noop as _

PATH = "/ideogram/v1/ideogram-v3/generate"
MODEL = "ideogram-v3"
SUBMIT_SECONDS = 120.0

ASPECT_RATIOS = aspect_ratios(
    "3:1",
    "2:1",
    "16:9",
    "16:10",
    "3:2",
    "4:3",
    "5:4",
    "1:1",
    "4:5",
    "3:4",
    "2:3",
    "10:16",
    "9:16",
    "1:2",
    "1:3",
)

# Notes 4: 422 is a refusal by the content check and 400 an invalid request, but gateways swap them.
_POLICY = re.compile(
    r"safety|moderat|polic(y|ies)|prohibited|inappropriate|nsfw|unsafe|sensitive", re.IGNORECASE
)
_INPUT = re.compile(
    r"invalid|required|missing|must be|unsupported|not supported|unknown|too (long|large|many)",
    re.IGNORECASE,
)


def request_body(request: ImageRequest) -> tuple[bytes, str]:
    """The documented form. Its aspect ratios have an x instead of the colon (notes 4)."""
    fields = {
        "prompt": request.prompt,
        "aspect_ratio": request.aspect_ratio.replace(":", "x"),
        "num_images": str(request.n),
        **{name: str(value) for name, value in request.params.items()},
    }
    if request.negative_prompt:
        fields["negative_prompt"] = request.negative_prompt
    return http_client.multipart_form(fields)


def price_key(params: Mapping[str, Any], _has_reference: bool) -> PriceKey:
    """Prices depend on the speed."""
    speed = str(params.get("rendering_speed", "DEFAULT")).lower()
    return PriceKey(MODEL, "" if speed == "default" else speed)


OFFER = Offer(
    engine="ideogram",
    model=MODEL,
    label=_("Ideogram 3.0"),
    line=_("Posters and logos with readable text."),
    aspect_ratios=ASPECT_RATIOS,
    default_aspect_ratio="3:2",
    max_images=8,
    prompt_limit=4000,
    negative_prompt_limit=2000,
    reference=None,
    price_key=price_key,
    usual_seconds=(5, 40),
    fields=(
        Field(
            "rendering_speed",
            _("Speed"),
            (("TURBO", _("Turbo")), ("DEFAULT", _("Default")), ("QUALITY", _("Quality"))),
            "DEFAULT",
        ),
        Field(
            "style_type",
            _("Style"),
            (
                ("AUTO", _("Automatic")),
                ("GENERAL", _("General")),
                ("REALISTIC", _("Realistic")),
                ("DESIGN", _("Design")),
                ("FICTION", _("Fiction")),
            ),
            "AUTO",
        ),
        Field(
            "magic_prompt",
            _("Rewrite the prompt"),
            (("AUTO", _("Automatic")), ("ON", _("On")), ("OFF", _("Off"))),
            "AUTO",
        ),
    ),
)
ENGINE = EngineOffer(
    "ideogram", _("Ideogram"), (OFFER,), has_tasks=False, submit_seconds=SUBMIT_SECONDS
)


def make_client(gateway: Gateway, _profile: str) -> immediate.Client:
    api = immediate.Api(PATH, request_body, _error_of, prompt_field="prompt")
    return immediate.Client(ENGINE.slug, gateway, api)


def _error_of(response: ParsedResponse) -> EngineError:
    """As for every API of this kind; the words of a refusal decide before its status."""
    if response.is_success and _are_all_unsafe(response):
        message = "None of the images passed the content check."
        return replace(response, message=message).as_error(RequestRefused, kind=FailureKind.POLICY)
    error = with_missing_model(immediate.error_of(response))
    if isinstance(error, RequestRefused) and error.kind == FailureKind.INPUT:
        is_policy = _POLICY.search(error.message) or (
            error.http_status == 422 and not _INPUT.search(error.message)
        )
        return replace(error, kind=FailureKind.POLICY) if is_policy else error
    return error


def _are_all_unsafe(response: ParsedResponse) -> bool:
    """Whether each image was withheld. An answer without images proves nothing."""
    items = immediate.items_of(response)
    return bool(items) and all(str(item.get("is_image_safe")).lower() == "false" for item in items)
