"""Text that shows nothing on a page counts as empty, everywhere."""

from uuid import uuid4

import pytest
from django.test import Client

from generations.invisible_text import is_blank
from generations.models import Collection, Generation, Member
from generations.requests import GenerationRequest, InvalidRequest, create
from tests.forms import form_data

BLANK = {
    "nothing": "",
    "spaces": " \t\n\u00a0\u2003\u3000",
    "line and paragraph separator": "\u2028\u2029",
    "control characters": "\x01\x1f\x7f\x9f",
    "zero-width space": "\u200b",
    "zero-width joiners": "\u200c\u200d",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "bidi controls": "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    "invisible operators": "\u2061\u2062\u2063\u2064\u2065",
    "variation selectors": "\ufe00\ufe0f\U000e0100",
    "Mongolian variation selectors": "\u180b\u180c\u180d\u180e\u180f",
    "combining grapheme joiner": "\u034f",
    "Hangul fillers": "\u115f\u1160\u3164\uffa0",
    "Khmer inherent vowels": "\u17b4\u17b5",
    "Braille blank": "\u2800",
    "tags": "\U000e0001\U000e0041",
    "musical controls": "\U0001d173\U0001d17a",
    "unassigned ignorable": "\ufff0\U000e0fff",
    "a mixture": " \u200b\n\ufeff\u2800",
}
VISIBLE = {
    "a letter among invisible ones": "\u200bx\u200b",
    "an emoji of several code points": "👩\u200d👩\u200d👧",
    "an emoji with a variation selector": "❤\ufe0f",
    "Thai": "\u0e01",
    "Khmer": "\u1780\u17b6",
    "Hangul": "\ud55c",
    "a digit": "0",
    "punctuation": ".",
    "private use": "\ue000",
    "a Braille pattern": "\u2801",
}


@pytest.mark.parametrize("text", BLANK.values(), ids=BLANK)
def test_invisible_text_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", VISIBLE.values(), ids=VISIBLE)
def test_visible_text_is_not_blank(text: str) -> None:
    assert not is_blank(text)


@pytest.mark.parametrize("text", BLANK.values(), ids=BLANK)
def test_invisible_prompt_is_rejected(owner_client: Client, text: str) -> None:
    response = owner_client.post("/", form_data(prompt=text))
    assert response.status_code == 422
    assert "Describe the image first." in response.content.decode()
    assert not Generation.objects.exists()


def test_invisible_prompt_is_rejected_without_a_form(owner: Member) -> None:
    request = GenerationRequest(prompt="\u2060", aspect_ratio="1:1")
    with pytest.raises(InvalidRequest, match="Describe the image first"):
        create(owner, request, str(uuid4()))


def test_invisible_characters_within_a_prompt_are_kept(owner_client: Client) -> None:
    owner_client.post("/", form_data(prompt="👩\u200d👩\u200d👧 and a\u00ad pear"))
    assert Generation.objects.get().prompt == "👩\u200d👩\u200d👧 and a\u00ad pear"


def test_invisible_negative_prompt_and_collection_are_left_out(owner_client: Client) -> None:
    owner_client.post("/", form_data(negative_prompt="\u200b", new_collection="\u3164"))
    row = Generation.objects.get()
    assert row.negative_prompt == ""
    assert row.collection is None


def test_collection_needs_a_visible_name(owner_client: Client) -> None:
    response = owner_client.post("/collections/", {"name": "\u200b\u2800"})
    assert response.status_code == 422
    assert "Enter a name." in response.content.decode()
    assert not Collection.objects.exists()


def test_invisible_search_shows_everything(owner_client: Client) -> None:
    page = owner_client.get("/gallery/", {"q": "\u200b"}).content.decode()
    assert "Clear all" not in page
