"""The settings page: appearance, keyboard shortcuts and notifications."""

import pytest
from django.test import Client

from generations.models import Member

pytestmark = pytest.mark.django_db

VALID_DATA = {"color_scheme": "dark", "notification_sound": "on"}


def test_settings_are_saved_and_confirmed(owner_client: Client, owner: Member) -> None:
    response = owner_client.post("/settings/", VALID_DATA)
    assert (response.status_code, response["Location"]) == (303, "/settings/")
    owner.refresh_from_db()
    assert (owner.color_scheme, owner.single_key_shortcuts) == ("dark", False)
    assert (owner.notification_sound, owner.browser_notifications) == (True, False)
    page = owner_client.get("/settings/").content.decode()
    assert "Settings saved." in page
    assert 'name="color_scheme" value="dark" checked' in page
    assert 'name="notification_sound" aria-describedby="sound-help" checked' in page
    assert 'name="single_key_shortcuts" aria-describedby="shortcuts-help">' in page


@pytest.mark.parametrize("url", ["/", "/settings/", "/nowhere"])
def test_color_scheme_is_set_on_the_html_element_of_every_page(
    owner_client: Client, owner: Member, url: str
) -> None:
    assert "data-scheme" not in owner_client.get(url).content.decode()
    Member.objects.filter(pk=owner.pk).update(color_scheme="light")
    page = owner_client.get(url).content.decode()
    assert '<html lang="en" data-scheme="light"' in page
    assert '<meta name="color-scheme" content="light">' in page


def test_sign_in_page_follows_the_system_color_scheme(client: Client) -> None:
    page = client.get("/accounts/login/").content.decode()
    assert "data-scheme" not in page
    assert '<meta name="color-scheme" content="light dark">' in page


@pytest.mark.parametrize("color_scheme", ["pink", "DARK", "x" * 5000, "dark\x00"])
def test_invalid_color_scheme_shows_a_field_error_and_saves_nothing(
    owner_client: Client, owner: Member, color_scheme: str
) -> None:
    response = owner_client.post(
        "/settings/", {"color_scheme": color_scheme, "browser_notifications": "on"}
    )
    page = response.content.decode()
    assert response.status_code == 422
    assert '<p class="error" id="color_scheme-error">Choose System, Light or Dark.</p>' in page
    assert 'name="browser_notifications" aria-describedby="notifications-help" checked' in page
    owner.refresh_from_db()
    assert (owner.color_scheme, owner.browser_notifications) == ("", False)


def test_settings_never_write_other_columns(owner_client: Client, owner: Member) -> None:
    owner_client.post(
        "/settings/", {**VALID_DATA, "role": "admin", "is_superuser": "on", "username": "x"}
    )
    owner.refresh_from_db()
    assert (owner.role, owner.is_superuser, owner.username) == ("member", False, "owner")


def test_account_menu_links_to_settings_and_for_admins_to_the_admin(
    owner_client: Client, admin_client: Client
) -> None:
    for client in (owner_client, admin_client):
        assert 'href="/settings/"' in client.get("/").content.decode()
    assert 'href="/admin/"' in admin_client.get("/").content.decode()
    assert 'href="/admin/"' not in owner_client.get("/").content.decode()
