"""Faults in the answers of APIs that answer a submit with the images."""

from typing import Any

from klingweb.simulator.engines.gateway import openai_error
from klingweb.simulator.scenarios.scenario import Scenario
from klingweb.simulator.tasks import Json

_MEGABYTE = 1024 * 1024


def _break_first(images: list[Json]) -> list[Json]:
    first = dict(images[0])
    if "b64_json" in first:
        text = first["b64_json"]
        first["b64_json"] = text[: len(text) // 2] + "é" + text[len(text) // 2 :]
    else:
        first["url"] = ""
    return [first, *images[1:]]


def _enlarge(images: list[Json]) -> list[Json]:
    """Make it a file of 30 MB, that is 40 MB of Base64: what follows a PNG is ignored."""
    first = dict(images[0])
    text = str(first["b64_json"]).rstrip("=")
    text = text[: len(text) - len(text) % 4]
    first["b64_json"] = text + "A" * (40 * _MEGABYTE)
    return [first, *images[1:]]


def _declare_both(images: list[Json]) -> list[Json]:
    """As gateways do that declare all fields and leave the unused one empty."""
    empty: dict[str, Any] = {"url": "", "b64_json": ""}
    return [{**empty, **image} for image in images]


def _withhold(images: list[Json]) -> list[Json]:
    """Take images away that did not pass the content check, and say so."""
    without = [{k: v for k, v in each.items() if k != "b64_json"} for each in images]
    return [{**each, "url": "", "is_image_safe": False} for each in without]


ANSWERS: dict[str, Scenario] = {
    "model-gone": Scenario(
        description="The model is no longer sold: 404 model_not_found",
        submit_response=openai_error(
            404, "The model has been deprecated", "model_not_found", "invalid_request_error"
        ),
    ),
    "base64-broken": Scenario(
        description="The first image of the answer is broken, or has no address",
        change_answer=_break_first,
    ),
    "base64-large": Scenario(
        description="The first image has 40 MB of Base64", change_answer=_enlarge
    ),
    "fewer-images": Scenario(
        description="The answer has one image less than asked for",
        change_answer=lambda images: images[1:],
    ),
    "both-fields": Scenario(
        description="Each image has a field for a link and one for Base64, one of them empty",
        change_answer=_declare_both,
    ),
    "one-unsafe": Scenario(
        description="The first image of the answer did not pass the content check",
        change_answer=lambda images: [*_withhold(images[:1]), *images[1:]],
    ),
    "all-unsafe": Scenario(
        description="No image of the answer passed the content check", change_answer=_withhold
    ),
}
