"""Signing in and out."""

import pytest
from django.test import Client

from generations.models import Member
from tests.builders import PASSWORD

pytestmark = pytest.mark.django_db


def test_a_name_and_its_password_open_the_studio(client: Client, owner: Member) -> None:
    answer = client.post(
        "/accounts/login/", {"username": owner.username, "password": PASSWORD}, follow=True
    )
    assert answer.redirect_chain == [("/", 302)]
    assert answer.wsgi_request.user == owner


def test_a_wrong_password_keeps_the_name_and_says_so(client: Client, owner: Member) -> None:
    answer = client.post("/accounts/login/", {"username": owner.username, "password": "wrong"})
    assert answer.status_code == 200
    assert b"do not fit together" in answer.content
    assert f'value="{owner.username}"'.encode() in answer.content


def test_one_comes_back_to_where_one_wanted_to_go(client: Client, owner: Member) -> None:
    asked = client.get("/generations/7/")
    assert asked["Location"] == "/accounts/login/?next=/generations/7/"
    page = client.get(asked["Location"]).content
    assert b'name="next" value="/generations/7/"' in page
    data = {"username": owner.username, "password": PASSWORD, "next": "/generations/7/"}
    assert client.post("/accounts/login/", data)["Location"] == "/generations/7/"


def test_nobody_is_led_to_another_house(client: Client, owner: Member) -> None:
    data = {"username": owner.username, "password": PASSWORD, "next": "https://evil.example/"}
    assert client.post("/accounts/login/", data)["Location"] == "/"


def test_signing_out_is_a_press_and_ends_the_session(owner_client: Client) -> None:
    assert owner_client.get("/accounts/logout/").status_code == 405
    assert owner_client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert owner_client.get("/").status_code == 302


def test_who_is_signed_in_has_no_use_for_the_page(owner_client: Client) -> None:
    assert owner_client.get("/accounts/login/")["Location"] == "/"


def test_a_press_without_its_token_is_refused_in_our_words(owner: Member) -> None:
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/accounts/login/", {"username": owner.username, "password": PASSWORD})
    assert answer.status_code == 403
    assert b"The page was out of date." in answer.content


def test_the_panel_is_shown_to_admins_alone(owner_client: Client, admin_client: Client) -> None:
    assert b'href="/admin/"' in admin_client.get("/").content
    assert b'href="/admin/"' not in owner_client.get("/").content
