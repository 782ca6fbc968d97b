"""No English is left on the pages in another language."""

import re
from typing import Any

import pytest
from django.core.cache import caches
from django.db import transaction
from django.http import HttpResponse
from django.test import Client

from generations.models import Member
from tests.browser import all_pages
from tests.conftest import client_for
from tests.pseudo_language import pseudo_language, untranslated, words_of
from tests.test_url_permissions import VISITS, Visit, ids

pytestmark = pytest.mark.django_db
__all__ = ["ids", "pseudo_language"]

# In other scripts, so that ASCII letters are those of the pages.
DATA = ("снегнакрыше" * 20, "чай у окна", "👩‍👩‍👧‍👦 семья", "<б> & \"цитата\" 'слова'")
# Names, units, data of the tests, and what is typed as it is.
NAMES = frozenset(
    [
        "klingweb",
        "Kling",
        "kling",
        "simulator",
        "SQLite",
        "PostgreSQL",
        "WebP",
        "PNG",
        "CSV",
        "URL",
        "UTC",
        "US",
        "USD",
        "MB",
        "KB",
        "https",
    ]
)
# Data of the tests, and words that are typed or sent as they are.
DATA_WORDS = re.compile(
    r"a-name-that-is-longer-than-most-names-are-ever|(A )?[Pp]ears?|on a dark ground"
    r"|“blue”|Late|Lost|Nice|nothing-is-like-that|family|x\.example|kling-v1|:: pasted"
    r"|\b(ask|owner|member|admin|other|viewer|disabled|OW|OT|DI|ME|VI|AN|AD|AS)\b"
    r"|generations\.worker\.tasks\.heartbeat|BadSignature"
    r"|https?://\S*|(pictures|image)/\S+|task-\d+|g\d+\.r\d+\.\w+"
    r"|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{64}|#[0-9a-f]{6}\b"
    r"|model prompt aspect_ratio reference image_url[ \w]*"
    r"|engine, model, option, amount, valid_from"
    r"|\{red\|green(\|blue)?\}|\{product\}|^(time|amount)$"
)
WIDE_LETTER = re.compile("[\uff21-\uff3a\uff41-\uff5a]")
CACHED_PAGES = ("/", "/gallery/", "/search/", "/batches/new/", "/usage/")
TIME_ZONES = re.compile(r'<select[^>]*name="time_zone".*?</select>|<optgroup.*?</optgroup>', re.S)


def texts_of(response: HttpResponse) -> set[str]:
    """Return what is not translated in an HTML response."""
    if not response.get("Content-Type", "").startswith("text/html"):
        return set()
    found = untranslated(TIME_ZONES.sub("", response.content.decode()), NAMES)
    return {text for text in found if "=" in text or words_of(DATA_WORDS.sub("", text)) - NAMES}


def report(found: dict[str, set[str]]) -> str:
    texts: dict[str, list[str]] = {}
    for page, each in found.items():
        for text in each:
            texts.setdefault(text, []).append(page)
    return "\n".join(f"{text!r} on {len(on)} pages: {on[0]}" for text, on in texts.items())


def test_no_english_on_any_page(
    pseudo_language: str, monkeypatch: pytest.MonkeyPatch, media_root: Any
) -> None:
    monkeypatch.setattr(all_pages, "HOSTILE", DATA)
    client = client_for(all_pages.populate())
    caches["local"].clear()
    english = {url: client.get(url).content.decode() for url in CACHED_PAGES}
    found = {}
    for name, url in all_pages.all_pages().items():
        response: Any = client.get(url, headers={"Accept-Language": pseudo_language})
        if texts := texts_of(response):
            found[name] = texts
    assert not found, report(found)
    for url, page in english.items():  # readers of two languages share the caches
        again = client.get(url).content.decode()
        assert WIDE_LETTER.search(again) is None, url
        assert again.count("<article") == page.count("<article")


def test_no_english_in_answers_to_forms(pseudo_language: str, ids: dict[str, int]) -> None:
    client, stranger = client_for(Member.objects.get(username="owner")), Client()
    found = {}
    for name, visits in VISITS.items():
        for visit in visits:
            for each in (client, stranger):
                with transaction.atomic():
                    response = _visit(visit, each, ids, pseudo_language)
                    transaction.set_rollback(True)
                if texts := texts_of(response):
                    found[f"{name} {visit.method}"] = texts
    assert not found, report(found)


def _visit(visit: Visit, client: Client, ids: dict[str, int], language: str) -> HttpResponse:
    data = {
        key: value.format(**ids) if isinstance(value, str) else value
        for key, value in visit.data.items()
    }
    send = getattr(client, visit.method)
    response: Any = send(
        visit.url.format(**ids), data or None, headers={"Accept-Language": language}
    )
    return response  # type: ignore[no-any-return]
