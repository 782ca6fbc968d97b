"""The Vietnamese and the Chinese catalog have every text of the code, and nothing broken.

The texts are read from the source here, so that no machine needs gettext for it.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation import to_locale
from django.utils.translation.template import templatize

from klingweb.catalogs import LOCALE_DIR, compiled
from tests.installation import ROOT

LANGUAGES = [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
# Functions that makemessages knows, and where their texts are among the arguments.
CONTEXT = "context"
FUNCTIONS = {
    "_": ("singular",),
    "gettext": ("singular",),
    "gettext_lazy": ("singular",),
    "gettext_noop": ("singular",),
    "ngettext": ("singular", "plural"),
    "ngettext_lazy": ("singular", "plural"),
    "pgettext": (CONTEXT, "singular"),
    "pgettext_lazy": (CONTEXT, "singular"),
    "npgettext": (CONTEXT, "singular", "plural"),
}
STRING = r"""u?(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
CALL = re.compile(rf"\b({'|'.join(FUNCTIONS)})\(((?:{STRING}\s*,?\s*)+)")

Message = tuple[str, str, str]  # context, singular, plural; "" for none


def messages_of_python(source: str) -> Iterator[Message]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
            if node.func.id in FUNCTIONS and texts and isinstance(texts[0], str):
                yield message(node.func.id, [str(text) for text in texts])


def messages_of_template(source: str) -> Iterator[Message]:
    for name, arguments in CALL.findall(templatize(source)):
        texts = re.findall(STRING, arguments)
        yield message(name, [ast.literal_eval(text) for text in texts])


def message(function: str, texts: list[str]) -> Message:
    found = dict(zip(FUNCTIONS[function], texts, strict=False))
    return found.get(CONTEXT, ""), found["singular"], found.get("plural", "")


def sources() -> Iterator[Path]:
    for folder in ("generations", "klingweb"):
        yield from (ROOT / folder).rglob("*.py")
    yield from (path for path in (ROOT / "templates").rglob("*") if path.is_file())


@cache
def messages() -> dict[tuple[str, str], str]:
    """The plural of each text, "" for none, by its context and its singular."""
    found: dict[tuple[str, str], str] = {}
    for path in sources():
        read = messages_of_python if path.suffix == ".py" else messages_of_template
        for context, singular, plural in read(path.read_text("utf-8")):
            key = (context, singular)
            found[key] = found.get(key) or plural
    return found


def path_of(language: str) -> Path:
    return LOCALE_DIR / to_locale(language) / "LC_MESSAGES" / "django.po"


@cache
def catalog_of(language: str) -> Catalog:
    with path_of(language).open("rb") as file:
        return read_po(file)


def translations(language: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each text, perhaps with its plural, and each of its translations."""
    for each in catalog_of(language):
        if each.id:
            for text in texts_of(each.string):
                yield texts_of(each.id), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str) -> None:
    catalog = catalog_of(language)
    missing = []
    for (context, singular), plural in messages().items():
        known = catalog.get((singular, plural) if plural else singular, context or None)
        if known is None or known.fuzzy or not all(texts_of(known.string)):
            missing.append(singular)
    assert not missing


def texts_of(string: Any) -> tuple[str, ...]:
    """Both forms of a text with a plural, else the only one."""
    return tuple(string) if isinstance(string, tuple | list) else (string or "",)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_of_an_older_release(language: str) -> None:
    known = {singular for _context, singular in messages()}
    ids = {texts_of(each.id)[0] for each in catalog_of(language)}
    assert ids - known - {""} == set()


# `%n` and `%s` are filled in by scripts, `{n}` by both.
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z%]|\{\w*\}")
TAG = re.compile(r"</?\w+[^>]*>")


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_and_tags_are_those_of_the_text(language: str) -> None:
    """Of two forms, such as "1 image" and "%(n)d images", those of the first are needed."""
    wrong = [
        (ids, text)
        for ids, text in translations(language)
        for pattern in (PLACEHOLDER, TAG)
        if not found_in(pattern, ids[0]) <= found_in(pattern, text) <= found_in(pattern, *ids)
    ]
    assert not wrong


def found_in(pattern: re.Pattern[str], *texts: str) -> set[str]:
    return {each for text in texts for each in pattern.findall(text)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_form_for_all_numbers(language: str) -> None:
    """Neither language has a plural."""
    assert catalog_of(language).num_plurals == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_compiled_file_is_current(language: str) -> None:
    """Run `make messages` after each change."""
    po = path_of(language)
    assert po.with_suffix(".mo").read_bytes() == compiled(po)


# --- the extraction itself -----------------------------------------------------------------------


def test_texts_are_found_in_python() -> None:
    source = """
_("One " "text")
ngettext("%d image", "%d images", n)
gettext_lazy('Later')
pgettext("month", "May")
_(variable), other("Not this")
"""
    assert list(messages_of_python(source)) == [
        ("", "One text", ""),
        ("", "%d image", "%d images"),
        ("", "Later", ""),
        ("month", "May", ""),
    ]


def test_texts_are_found_in_templates() -> None:
    source = """{% load i18n %}
<a title="{% translate 'Sign in' %}">{% translate "It’s 100 %" %}</a> {{ _("Filter") }}
{% blocktranslate trimmed count n=n with m=m %}
  {{ n }} image of {{ m }}
{% plural %}
  {{ n }} images of {{ m }}
{% endblocktranslate %}"""
    assert set(messages_of_template(source)) == {
        ("", "Sign in", ""),
        ("", "It’s 100 %%", ""),
        ("", "Filter", ""),
        ("", "%(n)s image of %(m)s", "%(n)s images of %(m)s"),
    }


ALIASES = re.compile(r"\b((?:n|p|np)?gettext(?:_lazy|_noop)?) as (\w+)")


def test_functions_have_names_that_makemessages_knows() -> None:
    """An alias such as `_text` hides its texts from the extraction."""
    unknown = {
        f"{path.name}: {name} as {alias}"
        for path in sources()
        if path.suffix == ".py"
        for name, alias in ALIASES.findall(path.read_text("utf-8"))
        if FUNCTIONS.get(alias) != FUNCTIONS[name]
    }
    assert not unknown


def test_no_text_is_within_an_f_string() -> None:
    """Where xgettext does not find it."""
    found = [
        f"{path.name}:{call.lineno}"
        for path in sources()
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.JoinedStr)
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and list(messages_of_python(ast.unparse(call)))
    ]
    assert not found
