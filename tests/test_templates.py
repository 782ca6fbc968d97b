"""Templates: every text is translatable, lines are short, and djade formats them."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.template.base import Lexer, TokenType

FOLDER = Path(settings.BASE_DIR) / "templates"
TEMPLATES = sorted(FOLDER.rglob("*.html"))
MAX_LINE_LENGTH = 160

TRANSLATED_BLOCKS = {"blocktranslate": "endblocktranslate", "blocktrans": "endblocktrans"}
IGNORED_BLOCKS = {"comment": "endcomment"}
CLASS_BLOCK = "block body_class"  # its text is an attribute of <body>
SHOWN_ATTRIBUTES = {"alt", "title", "placeholder", "aria-label"}
IGNORED_ELEMENTS = {"code", "kbd", "script", "style"}
NAMES = {"klingweb", "Kling", "YEScale", "WebP", "PNG", "JPEG", "HTTP", "https"}
WORD = re.compile(r"[^\W\d_]+")


def untranslated(source: str) -> list[str]:
    """Texts in `source` that a reader sees and that are in no translate tag or variable."""
    finder = TextFinder()
    finder.feed(without_tags(source))
    finder.close()
    return finder.found


def without_tags(source: str) -> str:
    """The HTML without tags, variables, comments and translated texts; all branches of an `if`."""
    texts: list[str] = []
    end_of_block = ""
    for token in Lexer(source).tokenize():
        name = token.contents.split(maxsplit=1)[0] if token.contents.split() else ""
        if end_of_block:
            if token.token_type == TokenType.BLOCK and name == end_of_block:
                end_of_block = ""
        elif token.token_type == TokenType.BLOCK:
            is_class = token.contents == CLASS_BLOCK
            ends = TRANSLATED_BLOCKS | IGNORED_BLOCKS
            end_of_block = "endblock" if is_class else ends.get(name, "")
        elif token.token_type == TokenType.TEXT:
            texts.append(token.contents)
    return "".join(texts)


class TextFinder(HTMLParser):
    """Collects text nodes and shown attributes that contain words other than `NAMES`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.ignored: list[str] = []  # the open elements whose text is not checked

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in IGNORED_ELEMENTS:
            self.ignored.append(tag)
        values = dict(attrs)
        is_button = tag == "input" and values.get("type") in {"submit", "button", "reset"}
        shown = SHOWN_ATTRIBUTES | ({"value"} if is_button else set())
        for name in shown & values.keys():
            self._check(values[name] or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag in IGNORED_ELEMENTS:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.ignored and self.ignored[-1] == tag:
            self.ignored.pop()

    def handle_data(self, data: str) -> None:
        if not self.ignored:
            self._check(data)

    def _check(self, text: str) -> None:
        if set(WORD.findall(text)) - NAMES:
            self.found.append(" ".join(text.split()))


def relative(template: Path) -> str:
    return str(template.relative_to(FOLDER))


@pytest.mark.parametrize("template", TEMPLATES, ids=relative)
def test_every_text_is_translatable(template: Path) -> None:
    assert untranslated(template.read_text("utf-8")) == []


@pytest.mark.parametrize("template", TEMPLATES, ids=relative)
def test_lines_are_short(template: Path) -> None:
    lines = template.read_text("utf-8").splitlines()
    assert [number for number, line in enumerate(lines, 1) if len(line) > MAX_LINE_LENGTH] == []


def test_templates_are_formatted_with_djade() -> None:
    djade = Path(sys.executable).with_name("djade")
    done = subprocess.run(
        [djade, "--check", "--target-version", "5.2", *TEMPLATES], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout


# --- the finder itself ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>Bare</p>", ["Bare"]),
        ("<p>{{ count }} images</p>", ["images"]),
        ("<p>{% if x %}One{% else %}{% translate 'Two' %}{% endif %}</p>", ["One"]),
        ("<img alt='A pear'>", ["A pear"]),
        ("<a title=\"Open\" href='x'></a>", ["Open"]),
        ("<input placeholder='Search'>", ["Search"]),
        ("<nav aria-label='Main'></nav>", ["Main"]),
        ("<nav aria-label='{{ n }} of'></nav>", ["of"]),
        ("<input type='submit' value='Save'>", ["Save"]),
        ("<p>{% comment %}no{% endcomment %}{# no #}Yes</p>", ["Yes"]),
        ("<p><code>x</code> seconds</p>", ["seconds"]),
        ("<p>{% blocktranslate %}a{% endblocktranslate %} tail</p>", ["tail"]),
        ("<p>T&uuml;r</p>", ["Tür"]),
        ("<title>{% block title %}Studio{% endblock %} - klingweb</title>", ["Studio - klingweb"]),
        ("<svg><title>Heart</title></svg>", ["Heart"]),
    ],
)
def test_bare_text_is_found(source: str, found: list[str]) -> None:
    assert untranslated(source) == found


@pytest.mark.parametrize(
    "source",
    [
        "<p>{% translate 'Text' %}</p>",
        "<p>{% blocktranslate count n=n %}{{ n }} image{% plural %}images{% endblocktranslate %}",
        "<p class='fact' id='help' data-kind='x'>{{ text }}</p>",
        "<p>{{ a }} · {{ b }}: 12 %, 3:2</p>",
        "<kbd>Ctrl</kbd> <code>curl</code> <script>let x;</script>",
        "<input type='checkbox' value='on'><input name='q' value='x'>",
        "<option value='new'>{{ label }}</option>",
        "<title>{% translate 'Studio' %} - klingweb</title>",
        "{% include 'x.html' with label=label only %}",
        "{% block body_class %}plain studio{% endblock %}",
        "<img alt=''>&nbsp;&times;",
        "<path d='M1 2h3v4z'/>",
    ],
)
def test_translated_text_passes(source: str) -> None:
    assert untranslated(source) == []


SENTENCE = r"""\{% translate ["'][^%]*[.!?]["'] %\}"""
SENTENCES_APART = re.compile(rf"{SENTENCE}\s+(?=\{{% (?:block)?translate)")
JOINED = re.compile(r"\{% sentences %\}.*?\{% endsentences %\}", re.DOTALL)


def sentences_apart(source: str) -> list[str]:
    """Translated sentences with white space after them, which is a gap in Chinese."""
    return SENTENCES_APART.findall(JOINED.sub("", source))


def test_sentences_apart_are_found() -> None:
    two = '{% translate "One." %}\n  {% translate "Two." %}'
    assert sentences_apart(two)
    assert not sentences_apart(f"{{% sentences %}}{two}{{% endsentences %}}")
    assert not sentences_apart('{% translate "One" %} {% translate "Two." %}')


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_sentences_side_by_side_are_joined(path: Path) -> None:
    if "block explanation" in path.read_text():
        return  # joined by error.html
    assert sentences_apart(path.read_text()) == []
