"""The settings page: profile, appearance, keyboard shortcuts and notifications."""

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


# --- profile ---------------------------------------------------------------------------------


def test_name_is_saved_and_shown_with_its_initials(owner_client: Client, owner: Member) -> None:
    owner_client.post("/settings/", VALID_DATA | {"name": " Ada  de Lovelace "})
    owner.refresh_from_db()
    assert (owner.name, owner.initials) == ("Ada  de Lovelace", "AL")
    page = owner_client.get("/settings/").content.decode()
    assert 'name="name" value="Ada  de Lovelace"' in page
    assert page.count('aria-hidden="true">AL</span>') == 2


def test_first_and_last_name_stay_as_they_are_without_a_change(
    owner_client: Client, owner: Member
) -> None:
    Member.objects.filter(pk=owner.pk).update(first_name="Ada", last_name="Lovelace")
    owner_client.post("/settings/", VALID_DATA | {"name": "Ada Lovelace"})
    owner.refresh_from_db()
    assert (owner.first_name, owner.last_name) == ("Ada", "Lovelace")


@pytest.mark.parametrize("name", ["", "  ", "\u200b\u200d"])
def test_without_a_name_the_user_name_is_shown(
    owner_client: Client, owner: Member, name: str
) -> None:
    owner_client.post("/settings/", VALID_DATA | {"name": name})
    owner.refresh_from_db()
    assert (owner.get_full_name(), owner.name) == ("", "owner")


@pytest.mark.parametrize("name", ["x" * 151, "a\x00b"])
def test_unusable_name_is_an_error_beside_the_field(
    owner_client: Client, owner: Member, name: str
) -> None:
    response = owner_client.post("/settings/", VALID_DATA | {"name": name})
    assert response.status_code == 422
    assert 'id="name-error"' in response.content.decode()
    owner.refresh_from_db()
    assert owner.name == "owner"


@pytest.mark.parametrize(
    ("name", "initials"),
    [
        ("owner", "OW"),
        ("Ada Lovelace", "AL"),
        ("Ada King Lovelace", "AL"),
        ("(Ada) [Lovelace]", "AL"),
        ("x", "X"),
        ("李 明", "李明"),
        ("ß", "SS"),
        ("🌿 🌿", "?"),
    ],
)
def test_initials_are_two_letters(name: str, initials: str) -> None:
    assert Member(username="someone", first_name=name).initials == initials
