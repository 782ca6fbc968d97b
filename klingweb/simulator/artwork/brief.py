"""What one picture is to be: its words, its size, and the random numbers it may use."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np


class Palette(NamedTuple):
    """Colours in the order their family expects, and the words of a prompt that ask for them."""

    words: str
    colours: tuple[str, ...]


@dataclass(frozen=True)
class Brief:
    """One picture to draw, in pixels.

    `shared` gives the same numbers to all sisters of a request, `own` differs for each.
    """

    prompt: str
    width: int
    height: int
    shared: np.random.Generator
    own: np.random.Generator

    def asks_for(self, words: str) -> int:
        """How many of the words the prompt mentions."""
        return count_words(self.prompt, words)

    def colours(self, palettes: tuple[Palette, ...]) -> tuple[str, ...]:
        """The palette the prompt asks for most, else one by chance, the same for all sisters."""
        wanted = [self.asks_for(palette.words) for palette in palettes]
        best = [p for p, count in zip(palettes, wanted, strict=True) if count == max(wanted)]
        return best[int(self.shared.integers(len(best)))].colours


def count_words(prompt: str, words: str) -> int:
    """How many of the space-separated words the prompt mentions, in the singular or plural."""
    prompt = prompt.casefold()
    spaced, unspaced = _patterns(words)
    return len(set(spaced.findall(prompt))) + sum(word in prompt for word in unspaced)


@cache
def _patterns(words: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """A pattern of whole words, and the Chinese ones, which no spaces set apart."""
    unspaced = tuple(word for word in words.split() if not word[0].isascii() and len(word) < 3)
    longest_first = sorted(set(words.split()) - set(unspaced), key=len, reverse=True)
    either = "|".join(map(re.escape, longest_first))
    return re.compile(rf"\b({either})(?:e?s)?\b"), unspaced


def write(prompt: str, aspect_ratio: str, index: int, model: str, size: tuple[int, int]) -> Brief:
    """The brief of one picture; equal arguments give equal numbers on every machine."""
    request = hashlib.sha256("\0".join((prompt, model, aspect_ratio)).encode()).digest()
    seed = int.from_bytes(request[:8], "big")
    return Brief(
        prompt, *size, shared=np.random.default_rng(seed), own=np.random.default_rng([seed, index])
    )
