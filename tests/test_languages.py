"""Pages are in the language of their reader."""

import re
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone, translation
from pytest_django import Settings

from generations.joining import join_facts, join_sentences
from generations.models import Invitation, InvitationTerms, Member, Status
from generations.permissions import Role
from tests.builders import make_generation
from tests.conftest import client_for

pytestmark = pytest.mark.django_db

PAGE_LOAD = {"Accept": "text/html,*/*;q=0.8"}


def language_of(client: Client, url: str = "/settings/", accept: str = "") -> str:
    """Return the `lang` of a page. It is the language that its texts are translated to."""
    response = client.get(url, headers=PAGE_LOAD | {"Accept-Language": accept})
    [_before, rest] = response.content.decode().split('<html lang="')
    language = rest.partition('"')[0]
    assert response["Content-Language"] == language
    assert "Accept-Language" in response["Vary"]
    assert "Cookie" in response["Vary"]
    return language


@pytest.mark.parametrize(
    ("own", "cookie", "accept", "expected"),
    [
        ("", "", "", "en"),
        ("", "", "vi", "vi"),
        ("", "", "vi-VN,vi;q=0.9,en;q=0.8", "vi"),
        ("", "", "zh-CN,zh;q=0.9", "zh-hans"),
        ("", "", "zh", "zh-hans"),
        ("", "", "de,fr;q=0.9", "en"),
        ("", "", "de,vi;q=0.5,*;q=0.1", "vi"),
        ("", "vi", "zh-CN", "vi"),
        ("", "de", "zh-CN", "zh-hans"),
        ("", "x" * 900, "\x00", "en"),
        ("zh-hans", "vi", "en", "zh-hans"),
        ("en", "vi", "vi", "en"),
    ],
)
def test_own_choice_then_cookie_then_browser(
    owner: Member, own: str, cookie: str, accept: str, expected: str
) -> None:
    Member.objects.filter(pk=owner.pk).update(language=own)
    client = client_for(owner)
    client.cookies["language"] = cookie
    assert language_of(client, accept=accept) == expected
    for elsewhere in ("/no-such-page/", "/generations/999999/", "/invitations/unknown/"):
        assert language_of(client, elsewhere, accept) == expected
    assert translation.get_language() == django_settings.LANGUAGE_CODE, "deactivated"


def test_installation_has_a_default(owner: Member, settings: Settings) -> None:
    settings.DEFAULT_LANGUAGE = "vi"
    assert language_of(Client(), "/accounts/login/", "de") == "vi"
    assert language_of(Client(), "/accounts/login/", "en-US") == "en"
    assert language_of(client_for(owner)) == "vi"


def test_settings_page_stores_the_language(owner: Member) -> None:
    client = client_for(owner)
    response = client.post("/settings/", {"language": "vi"}, follow=True)
    assert '<html lang="vi"' in response.content.decode()
    assert '<option value="vi" lang="vi" selected>' in response.content.decode()
    owner.refresh_from_db()
    assert owner.language == "vi"
    client.post("/settings/", {"language": ""})
    assert language_of(client, accept="zh-CN") == "zh-hans"
    response = client.post("/settings/", {"language": "xx"})
    assert response.status_code == 422
    assert "Choose a language from the list." in response.content.decode()


def test_pages_without_sign_in_have_a_switch() -> None:
    client = Client()
    page = client.get("/accounts/login/?next=/gallery/").content.decode()
    assert 'action="/language/"' in page
    came_from = "http://testserver/accounts/login/?next=/gallery/"
    response = client.post("/language/", {"language": "vi"}, headers={"Referer": came_from})
    assert response["Location"] == came_from
    assert language_of(client, "/accounts/login/", "en") == "vi"
    page = client.get("/accounts/login/").content.decode()
    names = re.findall(r"<button name=\"language\"[^>]*>([^<]*)<", page)
    assert [name.strip() for name in names] == ["English", "Tiếng Việt", "简体中文"], "their own"
    assert client.cookies["language"]["samesite"] == "Lax"
    outside = {"Referer": "https://evil.example/"}
    response = client.post(
        "/language/", {"language": "en", "next": outside["Referer"]}, headers=outside
    )
    assert response["Location"] == "/"


def test_pages_of_members_have_no_switch(owner_client: Client) -> None:
    assert 'action="/language/"' not in owner_client.get("/settings/").content.decode()


def test_new_account_keeps_the_language_chosen_on_its_invitation(admin: Member) -> None:

    terms = InvitationTerms(Role.MEMBER, timezone.now() + timedelta(days=1))
    [(_invitation, secret)] = Invitation.objects.invite(admin, terms)
    client = Client()
    client.cookies["language"] = "zh-hans"
    password = "violets on a windowsill"
    account = {"username": "ada", "password1": password, "password2": password}
    client.post(f"/invitations/{secret}/", account)
    assert Member.objects.get(username="ada").language == "zh-hans"


def test_first_start_has_a_switch() -> None:
    client = Client()
    assert client.post("/language/", {"language": "vi"}).status_code == 302
    assert language_of(client, "/setup/") == "vi"


@pytest.mark.parametrize(
    ("language", "facts", "sentences"),
    [("en", "a, b", "A. B. C."), ("vi", "a, b", "A. B. C."), ("zh-hans", "a，b", "A.B.C.")],
)
def test_separators_are_those_of_the_language(language: str, facts: str, sentences: str) -> None:
    with translation.override(language):
        assert join_facts(["a", "", "b"]) == facts
        assert join_sentences(["A.", "", "B.", "C."]) == sentences
        assert join_facts([]) == join_sentences([]) == ""


def test_facts_of_a_card_are_separated_as_in_chinese(owner: Member, owner_client: Client) -> None:
    make_generation(Status.SUCCEEDED, owner=owner)
    owner.language = "zh-hans"
    owner.save(update_fields=["language"])
    [facts] = re.findall(
        r'<p class="fact">(<time.*?)</p>', owner_client.get("/").content.decode(), re.DOTALL
    )
    assert re.search(r"，\s*用时", facts)
    assert not re.search("[\u4e00-\u9fff>],", facts)
