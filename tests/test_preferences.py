"""The settings of a member: colours, single keys, and how they hear of an end."""

import pytest
from django.test import Client

from generations.models import Member

pytestmark = pytest.mark.django_db

CHOSEN = {"color_scheme": "dark", "notification_sound": "on"}


def test_what_is_chosen_is_kept_and_said(owner_client: Client, owner: Member) -> None:
    answer = owner_client.post("/settings/", CHOSEN)
    assert (answer.status_code, answer["Location"]) == (303, "/settings/")
    owner.refresh_from_db()
    assert (owner.color_scheme, owner.single_key_shortcuts) == ("dark", False)
    assert (owner.notification_sound, owner.browser_notifications) == (True, False)
    page = owner_client.get("/settings/").content.decode()
    assert "Saved." in page
    assert 'name="color_scheme" value="dark" checked' in page
    assert 'name="notification_sound" aria-describedby="sound-help" checked' in page
    assert 'name="single_key_shortcuts" aria-describedby="shortcuts-help">' in page


@pytest.mark.parametrize("address", ["/", "/settings/", "/nowhere"])
def test_the_scheme_stands_in_every_page_before_any_style(
    owner_client: Client, owner: Member, address: str
) -> None:
    assert "data-scheme" not in owner_client.get(address).content.decode()
    Member.objects.filter(pk=owner.pk).update(color_scheme="light")
    page = owner_client.get(address).content.decode()
    assert '<html lang="en" data-scheme="light"' in page
    assert '<meta name="color-scheme" content="light">' in page


def test_without_a_member_the_system_decides(client: Client) -> None:
    page = client.get("/accounts/login/").content.decode()
    assert "data-scheme" not in page
    assert '<meta name="color-scheme" content="light dark">' in page


@pytest.mark.parametrize("color_scheme", ["pink", "DARK", "x" * 5000, "dark\x00"])
def test_a_scheme_that_is_none_is_refused_beside_its_field(
    owner_client: Client, owner: Member, color_scheme: str
) -> None:
    answer = owner_client.post(
        "/settings/", {"color_scheme": color_scheme, "browser_notifications": "on"}
    )
    page = answer.content.decode()
    assert answer.status_code == 422
    assert '<p class="error" id="color_scheme-error">Choose one of the three.</p>' in page
    assert 'name="browser_notifications" aria-describedby="notifications-help" checked' in page
    owner.refresh_from_db()
    assert (owner.color_scheme, owner.browser_notifications) == ("", False)


def test_nothing_else_of_the_row_is_written(owner_client: Client, owner: Member) -> None:
    owner_client.post(
        "/settings/", {**CHOSEN, "role": "admin", "is_superuser": "on", "username": "x"}
    )
    owner.refresh_from_db()
    assert (owner.role, owner.is_superuser, owner.username) == ("member", False, "owner")


def test_the_menu_leads_there_and_admins_further(
    owner_client: Client, admin_client: Client
) -> None:
    for client in (owner_client, admin_client):
        assert 'href="/settings/"' in client.get("/").content.decode()
    assert 'href="/admin/"' in admin_client.get("/").content.decode()
    assert 'href="/admin/"' not in owner_client.get("/").content.decode()
