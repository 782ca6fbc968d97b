"""Validates a body strictly, by model, so that tests notice a client's mistakes."""

from klingweb.simulator.tasks import Json

GPT_MODELS = ("gpt-image-1.5", "gpt-image-1", "gpt-image-1-mini")
DALL_E = "dall-e-3"
FLUX_MODELS = ("flux-1.1-pro", "flux-schnell")
_COMMON = {"model", "prompt", "n"}
_GPT = {
    "size": ("auto", "1024x1024", "1536x1024", "1024x1536"),
    "quality": ("auto", "low", "medium", "high"),
    "background": ("auto", "transparent", "opaque"),
    "output_format": ("png", "jpeg", "webp"),
    "moderation": ("auto", "low"),
}
_DALL_E = {
    "size": ("1024x1024", "1792x1024", "1024x1792"),
    "quality": ("standard", "hd"),
    "style": ("vivid", "natural"),
    "response_format": ("url", "b64_json"),
}
_RATIOS = ("21:9", "16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16", "9:21")
# Choices by field, the largest n, and the longest prompt.
_RULES: dict[str, tuple[dict[str, tuple[str, ...]], int, int]] = {
    **dict.fromkeys(GPT_MODELS, (_GPT, 10, 32_000)),
    DALL_E: (_DALL_E, 1, 4000),
    **dict.fromkeys(FLUX_MODELS, ({"aspect_ratio": _RATIOS}, 4, 4000)),
}
_RATIO_OF_SIZE = {
    "1536x1024": "3:2",
    "1024x1536": "2:3",
    "1792x1024": "16:9",
    "1024x1792": "9:16",
}


def is_sold(body: Json) -> bool:
    return body.get("model") in _RULES


def validation_error(body: Json) -> str | None:
    """Return the first error in the body of a model that is sold, or None."""
    choices, most, longest = _RULES[body["model"]]
    unknown = sorted(set(body) - _COMMON - set(choices))
    if unknown:
        return f"Unknown parameter: {unknown[0]}"
    prompt, n = body.get("prompt"), body.get("n", 1)
    if not isinstance(prompt, str) or not prompt.strip() or len(prompt) > longest:
        return f"prompt must have 1 to {longest} characters"
    if type(n) is not int or not 1 <= n <= most:
        return f"n must be 1 to {most}"
    for name, values in choices.items():
        if body.get(name, values[0]) not in values:
            return f"Invalid value for {name}: it must be one of {', '.join(values)}"
    return None


def aspect_ratio(body: Json) -> str:
    return str(body.get("aspect_ratio") or _RATIO_OF_SIZE.get(str(body.get("size")), "1:1"))


def answers_with_base64(body: Json) -> bool:
    """GPT models never answer with links."""
    return body["model"] in GPT_MODELS or body.get("response_format") == "b64_json"
