"""Separators and sentences of templates: no gap is left where Chinese has none."""

import pytest
from django.template import Context, Template
from django.utils import translation

LIST = "{% load separators %}{{ a }}{% comma %}\n  {{ b }}{% full_stop %}\n  {{ c }}{% colon %}\n d"
SENTENCES = (
    "{% load separators %}<p>{% sentences %}\n  {{ a }}\n  {% if b %}\n  <b>{{ b }}</b>\n"
    "  {% endif %}\n  {{ c }}\n{% endsentences %}</p>"
)


def rendered(source: str, language: str, **values: str) -> str:
    with translation.override(language):
        return Template(source).render(Context(values))


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "a, b. c: d"), ("vi", "a, b. c: d"), ("zh-hans", "a，b。c：d")],
)
def test_a_separator_at_the_end_of_a_line_has_the_space_of_its_language(
    language: str, text: str
) -> None:
    assert rendered(LIST, language, a="a", b="b", c="c") == text


def test_sentences_have_no_space_between_them_in_chinese() -> None:
    chinese = {"a": "一。", "b": "二。", "c": "三 x。"}
    assert rendered(SENTENCES, "zh-hans", **chinese).replace("\n", "") == (
        "<p>  一。<b>二。</b>三 x。</p>"
    )
    del chinese["b"]
    assert "一。三 x。" in rendered(SENTENCES, "zh-hans", **chinese)


def test_sentences_stay_as_they_are_in_languages_with_spaces() -> None:
    text = " ".join(rendered(SENTENCES, "en", a="One.", b="<Two>.", c="Three.").split())
    assert text == "<p> One. <b>&lt;Two&gt;.</b> Three. </p>"
