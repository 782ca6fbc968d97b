"""Signing in and out."""

import pytest
from django.test import Client

from generations.models import Member
from tests.builders import PASSWORD

pytestmark = pytest.mark.django_db


def test_sign_in_with_the_right_password_opens_the_studio(client: Client, owner: Member) -> None:
    response = client.post(
        "/accounts/login/", {"username": owner.username, "password": PASSWORD}, follow=True
    )
    assert response.redirect_chain == [("/", 302)]
    assert response.wsgi_request.user == owner


def test_wrong_password_shows_an_error_and_keeps_the_user_name(
    client: Client, owner: Member
) -> None:
    response = client.post("/accounts/login/", {"username": owner.username, "password": "wrong"})
    assert response.status_code == 200
    assert b"Wrong user name or password." in response.content
    assert f'value="{owner.username}"'.encode() in response.content


def test_sign_in_returns_to_the_requested_page(client: Client, owner: Member) -> None:
    first = client.get("/generations/7/")
    assert first["Location"] == "/accounts/login/?next=/generations/7/"
    page = client.get(first["Location"]).content
    assert b'name="next" value="/generations/7/"' in page
    data = {"username": owner.username, "password": PASSWORD, "next": "/generations/7/"}
    assert client.post("/accounts/login/", data)["Location"] == "/generations/7/"


def test_sign_in_never_redirects_to_another_site(client: Client, owner: Member) -> None:
    data = {"username": owner.username, "password": PASSWORD, "next": "https://evil.example/"}
    assert client.post("/accounts/login/", data)["Location"] == "/"


def test_sign_out_requires_post_and_ends_the_session(owner_client: Client) -> None:
    assert owner_client.get("/accounts/logout/").status_code == 405
    assert owner_client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert owner_client.get("/").status_code == 302


def test_sign_in_page_redirects_signed_in_members(owner_client: Client) -> None:
    assert owner_client.get("/accounts/login/")["Location"] == "/"


def test_missing_csrf_token_shows_the_expired_page(owner: Member) -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.post("/accounts/login/", {"username": owner.username, "password": PASSWORD})
    assert response.status_code == 403
    assert b"This page has expired." in response.content


def test_only_admins_see_the_link_to_the_admin(owner_client: Client, admin_client: Client) -> None:
    assert b'href="/admin/"' in admin_client.get("/").content
    assert b'href="/admin/"' not in owner_client.get("/").content
