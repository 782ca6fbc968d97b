"""Validates the body of a submit, strictly, so that tests notice a client's mistakes."""

import base64
import binascii
import io

from klingweb.simulator.tasks import Json

RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9")
MODELS = (
    "kling-v1",
    "kling-v1-5",
    "kling-v2",
    "kling-v2-new",
    "kling-v2-1",
    "kling-v3",
)
MAX_TEXT_CHARACTERS = 2500
MAX_IMAGE_BYTES = 10 * 1024 * 1024
MIN_SIDE_PIXELS = 300
MAX_SIDE_RATIO = 2.5

DOCUMENTED_FIELDS = {
    "prompt",
    "negative_prompt",
    "image",
    "image_fidelity",
    "n",
    "aspect_ratio",
}
EXTENDED_FIELDS = {
    "model_name",
    "image_reference",
    "human_fidelity",
    "resolution",
    "external_task_id",
    "callback_url",
    "watermark_info",
}


def drop_empty(body: Json) -> Json:
    """Return the body without empty fields: the official examples send "" for an absent one."""
    return {name: value for name, value in body.items() if value not in ("", None)}


def validation_error(body: Json) -> str | None:
    """Return the first error in a body without empty fields, or None.

    Implements docs/upstream.md, sections 2.3 to 2.5.
    """
    unknown = sorted(set(body) - DOCUMENTED_FIELDS - EXTENDED_FIELDS)
    if unknown:
        return f"unknown key: {', '.join(unknown)}"
    return _text_error(body) or _number_error(body) or _image_error(body) or _model_error(body)


def _text_error(body: Json) -> str | None:
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        return "prompt is required"
    if len(prompt) > MAX_TEXT_CHARACTERS:
        return f"prompt is longer than {MAX_TEXT_CHARACTERS} characters"
    negative = body.get("negative_prompt", "")
    if not isinstance(negative, str) or len(negative) > MAX_TEXT_CHARACTERS:
        return f"negative_prompt must be a text of at most {MAX_TEXT_CHARACTERS} characters"
    if negative and "image" in body:
        return "negative_prompt is not supported together with image"
    for name in ("external_task_id", "callback_url"):
        if not isinstance(body.get(name, ""), str):
            return f"{name} must be a text"
    return None


def _number_error(body: Json) -> str | None:
    n = body.get("n", 1)
    if type(n) is not int or not 1 <= n <= 9:
        return "n must be a whole number from 1 to 9"
    if body.get("aspect_ratio", "16:9") not in RATIOS:
        return f"aspect_ratio must be one of {', '.join(RATIOS)}"
    for name in ("image_fidelity", "human_fidelity"):
        value = body.get(name, 0)
        if type(value) not in (int, float) or not 0 <= value <= 1:
            return f"{name} must be a number from 0 to 1"
    return None


def _image_error(body: Json) -> str | None:
    image = body.get("image")
    if image is None:
        return "image_reference needs image" if "image_reference" in body else None
    if not isinstance(image, str):
        return "image must be a text"
    if image.startswith("data:"):
        return "image must be bare Base64 without a data: prefix"
    if image.startswith(("http://", "https://")):
        return None
    try:
        size = len(base64.b64decode(image, validate=True))
    except (binascii.Error, ValueError):
        return "image is neither a URL nor Base64"
    return "image is larger than 10 MB" if size > MAX_IMAGE_BYTES else None


def _model_error(body: Json) -> str | None:
    model = body.get("model_name", "")
    if model and model not in MODELS:
        return f"model_name must be one of {', '.join(MODELS)}"
    if body.get("resolution", "1k") not in ("1k", "2k"):
        return "resolution must be 1k or 2k"
    if body.get("resolution") == "2k" and model in ("kling-v1", "kling-v1-5"):
        return f"{model} has no resolution 2k"
    if body.get("aspect_ratio") == "21:9" and model == "kling-v1":
        return "kling-v1 has no aspect_ratio 21:9"
    if body.get("image_reference", "subject") not in ("subject", "face"):
        return "image_reference must be subject or face"
    if not isinstance(body.get("watermark_info", {}), dict):
        return "watermark_info must be an object"
    if model == "kling-v1-5" and "image" in body and "image_reference" not in body:
        return "kling-v1-5 with image needs image_reference"
    if model == "kling-v2-new" and "image" not in body:
        return "kling-v2-new needs image"
    return None


def has_invalid_size(image: str) -> bool:
    """Whether Kling would accept this image and fail the task later (docs/upstream.md, 2.5).

    `image` is a URL or Base64; a URL counts as valid and is not downloaded.
    """
    if image.startswith(("http://", "https://")):
        return False
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(base64.b64decode(image)), formats=("PNG", "JPEG")) as opened:
            short, long = sorted(opened.size)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return True
    return short < MIN_SIDE_PIXELS or long > MAX_SIDE_RATIO * short
