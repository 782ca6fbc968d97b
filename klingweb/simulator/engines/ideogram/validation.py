"""Validates a form strictly, so that tests notice a client's mistakes."""

from klingweb.simulator.tasks import Json

MAX_IMAGES = 8
MAX_PROMPT_CHARACTERS = 4000
MAX_SEED = 2**31 - 1
_RATIOS = [
    *("3x1", "2x1", "16x9", "16x10", "3x2", "4x3", "5x4", "1x1"),
    *("4x5", "3x4", "2x3", "10x16", "9x16", "1x2", "1x3"),
]
_CHOICES = {
    "aspect_ratio": _RATIOS,
    "rendering_speed": ["TURBO", "DEFAULT", "QUALITY"],
    "magic_prompt": ["AUTO", "ON", "OFF"],
    "style_type": ["AUTO", "GENERAL", "REALISTIC", "DESIGN", "FICTION"],
}
_FIELDS = {"prompt", "negative_prompt", "num_images", "seed", *_CHOICES}


def validation_error(body: Json) -> str | None:
    """Return the first error, or None."""
    unknown = sorted(set(body) - _FIELDS)
    if unknown:
        return f"Unknown field: {unknown[0]}"
    prompt = body.get("prompt", "")
    if not prompt.strip() or len(prompt) > MAX_PROMPT_CHARACTERS:
        return f"prompt must have 1 to {MAX_PROMPT_CHARACTERS} characters"
    for name, low, high in (("num_images", 1, MAX_IMAGES), ("seed", 0, MAX_SEED)):
        value = body.get(name, "1")
        if not value.isdecimal() or not low <= int(value) <= high:
            return f"{name} must be {low} to {high}"
    for name, values in _CHOICES.items():
        if body.get(name, values[-1]) not in values:
            return f"Invalid value for {name}: it must be one of {', '.join(values)}"
    return None
