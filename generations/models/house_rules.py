"""The team's rules for prompts: text that is added to each, and words that are refused."""

from collections.abc import Sequence

from .search_text import normalize

_NO_SPACE_BEFORE = ",.;:!?、。，；："


def add_texts(prompt: str, prefix: str, suffix: str) -> str:
    """The prompt with the team's texts before and behind it, as it is sent."""
    start = f"{prefix} " if prefix else ""
    space = "" if suffix.startswith(tuple(_NO_SPACE_BEFORE)) else " "
    return f"{start}{prompt}{space}{suffix}" if suffix else f"{start}{prompt}"


def refused_word(text: str, refused: Sequence[str]) -> str:
    """The first of the refused words or phrases that the text contains; "" if there is none.

    Whole words, without regard to case and diacritics: "cafe" is found in "Café au lait", and not
    in "cafeteria".
    """
    words = _joined(text)
    return next((each for each in refused if (key := _joined(each)) and key in words), "")


def is_word(text: str) -> bool:
    """Whether `refused_word` can find this text at all."""
    return bool(normalize(text))


def _joined(text: str) -> str:
    words = normalize(text)
    return f" {' '.join(words)} " if words else ""
