"""Alternatives and variables in prompts: `{red|green}` and `{product}`. Pure.

Each `{a|b}` gives a prompt for each alternative, each variable one for each of its values; the
last one changes first. A variable that is named twice has the same value in both places. `{{` and
`}}` are plain braces.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import product
from math import prod

MAX_NAME_CHARACTERS = 60
MAX_GROUPS = 40  # of one prompt
_BRACE = re.compile(r"\{\{|\}\}|\{|\}")
_SPACES = re.compile(r" {2,}")


class Fault(Enum):
    """Why a text cannot be expanded."""

    UNCLOSED = "unclosed"
    NESTED = "nested"
    EMPTY = "empty"
    LONG_NAME = "long-name"
    TOO_MANY = "too-many"


class TemplateError(ValueError):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True)
class Variable:
    name: str  # in lower case, with single spaces


@dataclass(frozen=True)
class Alternatives:
    texts: tuple[str, ...]


Part = str | Variable | Alternatives


def variable_name(text: str) -> str:
    """The name of a variable as it is compared: "Product  name" is "product name"."""
    return " ".join(text.split()).casefold()


@dataclass(frozen=True)
class Template:
    """A prompt with its parts in order."""

    parts: tuple[Part, ...]

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Raises TemplateError."""
        return cls(tuple(_parts(text)))

    @property
    def names(self) -> list[str]:
        """The variables, in the order of their first use."""
        names = (part.name for part in self.parts if isinstance(part, Variable))
        return list(dict.fromkeys(names))

    def count(self, values: Mapping[str, Sequence[str]]) -> int:
        """How many prompts `expand` yields, without building them."""
        return prod(len(choices) for choices in self._choices(values).values())

    def expand(self, values: Mapping[str, Sequence[str]]) -> Iterator[str]:
        """Yield each prompt. `values` has those of every variable."""
        choices = self._choices(values)
        for chosen in product(*choices.values()):
            yield self._text(dict(zip(choices, chosen, strict=True)))

    def _choices(self, values: Mapping[str, Sequence[str]]) -> dict[Variable | int, Sequence[str]]:
        """The texts of each variable, and of each group of alternatives by its place."""
        choices: dict[Variable | int, Sequence[str]] = {}
        for index, part in enumerate(self.parts):
            if isinstance(part, Variable):
                choices[part] = values[part.name]
            elif isinstance(part, Alternatives):
                choices[index] = part.texts
        return choices

    def _text(self, chosen: Mapping[Variable | int, str]) -> str:
        texts = [
            part if isinstance(part, str) else chosen[part if isinstance(part, Variable) else index]
            for index, part in enumerate(self.parts)
        ]
        # An empty alternative leaves two spaces.
        return _SPACES.sub(" ", "".join(texts)).strip() if chosen else "".join(texts)


def _parts(text: str) -> Iterator[Part]:
    plain, position, groups = "", 0, 0
    while brace := _BRACE.search(text, position):
        plain += text[position : brace.start()]
        position = brace.end()
        if len(brace[0]) == 2 or brace[0] == "}":
            plain += brace[0][0]  # doubled, or alone
            continue
        end = text.find("}", position)
        if end < 0:
            raise TemplateError(Fault.UNCLOSED)
        groups += 1
        if groups > MAX_GROUPS:
            raise TemplateError(Fault.TOO_MANY)
        yield plain
        yield _group(text[position:end])
        plain, position = "", end + 1
    yield plain + text[position:]


def _group(inside: str) -> Variable | Alternatives:
    if "{" in inside:
        raise TemplateError(Fault.NESTED)
    if "|" in inside:
        return Alternatives(tuple(dict.fromkeys(text.strip() for text in inside.split("|"))))
    name = variable_name(inside)
    if not name:
        raise TemplateError(Fault.EMPTY)
    if len(name) > MAX_NAME_CHARACTERS:
        raise TemplateError(Fault.LONG_NAME)
    return Variable(name)
