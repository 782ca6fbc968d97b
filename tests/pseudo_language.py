"""A language for tests whose words have no ASCII letter: what is left in ASCII is not translated.

It takes the place of Vietnamese, so it does not depend on what is translated already.
"""

import gettext
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from django.utils.translation import trans_real
from django.utils.translation.trans_real import CONTEXT_SEPARATOR

LANGUAGE = "vi"
# Stay as they are: placeholders, tags and entities.
KEPT = re.compile(r"%%?\(\w+\)[-#0 +]?\w|%[sdn%]|\{[^{}]*\}|<[^>]*>|&\w+;")
WIDE = {code: code + 0xFEE0 for code in (*range(ord("A"), ord("Z") + 1), *range(97, 123))}


def pseudo(text: str) -> str:
    """Return the text with fullwidth letters, and with its placeholders."""
    text = text.rpartition(CONTEXT_SEPARATOR)[2]
    kept = KEPT.findall(text)
    parts = [part.translate(WIDE) for part in KEPT.split(text)]
    return "".join(part + after for part, after in zip(parts, [*kept, ""], strict=True))


class PseudoTranslation(gettext.NullTranslations):
    """What `trans_real` needs of a translation."""

    def gettext(self, message: str) -> str:
        return pseudo(message)

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        return pseudo(singular if n == 1 else plural)

    def language(self) -> str:
        return LANGUAGE

    def to_language(self) -> str:
        return LANGUAGE


@pytest.fixture
def pseudo_language(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Put it in the place of Vietnamese; return the name for `Accept-Language`."""
    monkeypatch.setitem(vars(trans_real)["_translations"], LANGUAGE, PseudoTranslation())
    yield LANGUAGE


# --- what a page says ----------------------------------------------------------------------------

SAID_ATTRIBUTES = ("alt", "title", "placeholder", "aria-label", "aria-description", "label")
IGNORED_ELEMENTS = {"code", "kbd", "script", "style", "textarea"}
VOID_ELEMENTS = {"input", "img", "br", "hr", "link", "meta", "source"}
WORD = re.compile(r"[^\W\d_]+")
LOCAL_NUMBER = re.compile(r"-?\d+,\d+%?")


class Words(HTMLParser):
    """Collects the texts of a page, its attributes that are read, and those for its scripts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.local_numbers: list[str] = []
        self.ignored: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.local_numbers += [
            f"<{tag} {name}={value}>"
            for name, value in attrs
            if name not in SAID_ATTRIBUTES and LOCAL_NUMBER.fullmatch(value or "")
        ]
        self.texts += [values[name] or "" for name in SAID_ATTRIBUTES if name in values]
        self.texts += [value or "" for name, value in attrs if is_text_of_script(name, value or "")]
        if tag == "input" and values.get("type") in {"submit", "button", "reset"}:
            self.texts.append(values.get("value") or "")
        if tag == "meta" and values.get("name") == "description":
            self.texts.append(values.get("content") or "")
        is_other_language = "lang" in values and tag != "html"
        if tag not in VOID_ELEMENTS and (
            tag in IGNORED_ELEMENTS or is_other_language or self.ignored
        ):
            self.ignored.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.ignored and self.ignored[-1] == tag:
            self.ignored.pop()

    def handle_endtag(self, tag: str) -> None:
        if self.ignored and tag in self.ignored:
            while self.ignored.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self.ignored:
            self.texts.append(data)


def is_text_of_script(name: str, value: str) -> bool:
    """Whether a `data-` attribute has words: more than one of them, and no address or selector."""
    if not name.startswith("data-") or name.startswith("data-hx-"):
        return False
    return bool(re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}", value))


def untranslated(page: str, names: frozenset[str]) -> set[str]:
    """Return the texts of a page with a word of ASCII letters that is none of these names, and
    numbers for machines in the spelling of the language, such as "0,5".
    """
    finder = Words()
    finder.feed(page)
    finder.close()
    texts = {" ".join(text.split()) for text in finder.texts}
    return {text for text in texts if words_of(text) - names} | set(finder.local_numbers)


def words_of(text: str) -> set[str]:
    """The words of more than one letter that have only ASCII letters."""
    return {word for word in WORD.findall(text) if word.isascii() and len(word) > 1}
