"""The description of one picture: prompt, size and random numbers."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np


class Palette(NamedTuple):
    """Colours in the order that their style expects, and the prompt words that select them."""

    words: str
    colours: tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """One picture to draw; `width` and `height` are in pixels.

    `shared_rng` gives the same numbers to all pictures of a request, `rng` different ones.
    """

    prompt: str
    width: int
    height: int
    shared_rng: np.random.Generator
    rng: np.random.Generator

    def count_mentions(self, words: str) -> int:
        """Return how many of the words the prompt contains."""
        return count_words(self.prompt, words)

    def colours(self, palettes: tuple[Palette, ...]) -> tuple[str, ...]:
        """Return the palette with the most words in the prompt; ties are broken at random.

        All pictures of a request get the same palette.
        """
        counts = [self.count_mentions(palette.words) for palette in palettes]
        best = [p for p, count in zip(palettes, counts, strict=True) if count == max(counts)]
        return best[int(self.shared_rng.integers(len(best)))].colours


def count_words(prompt: str, words: str) -> int:
    """Return how many of the space-separated words the prompt contains, singular or plural."""
    prompt = prompt.casefold()
    spaced, unspaced = _patterns(words)
    return len(set(spaced.findall(prompt))) + sum(word in prompt for word in unspaced)


@cache
def _patterns(words: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Return a pattern of whole words, and the Chinese words, which are written without spaces."""
    unspaced = tuple(word for word in words.split() if not word[0].isascii() and len(word) < 3)
    longest_first = sorted(set(words.split()) - set(unspaced), key=len, reverse=True)
    either = "|".join(map(re.escape, longest_first))
    return re.compile(rf"\b({either})(?:e?s)?\b"), unspaced


def create_scene(
    prompt: str, aspect_ratio: str, index: int, model: str, size: tuple[int, int]
) -> Scene:
    """Return the scene of one picture. Equal arguments give equal random numbers everywhere."""
    request = hashlib.sha256("\0".join((prompt, model, aspect_ratio)).encode()).digest()
    seed = int.from_bytes(request[:8], "big")
    return Scene(
        prompt,
        *size,
        shared_rng=np.random.default_rng(seed),
        rng=np.random.default_rng([seed, index]),
    )
