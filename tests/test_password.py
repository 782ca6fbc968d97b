"""Members change their own password."""

from typing import Any

import pytest
from django.test import Client

from generations.models import Member
from generations.permissions import Role
from tests.builders import PASSWORD
from tests.conftest import client_for

pytestmark = pytest.mark.django_db

URL = "/settings/password/"
NEW = "an even longer sentence"


def data(old: str = PASSWORD, new: str = NEW, again: str = NEW) -> dict[str, Any]:
    return {"oldpassword": old, "password1": new, "password2": again}


def test_password_is_changed_and_only_this_session_stays(
    owner_client: Client, owner: Member
) -> None:
    elsewhere = client_for(owner)
    assert elsewhere.get("/").status_code == 200
    response = owner_client.post(URL, data())
    assert (response.status_code, response["Location"]) == (303, "/settings/")
    page = owner_client.get("/settings/").content.decode()
    assert "Password changed. You are signed out everywhere else." in page
    assert elsewhere.get("/").status_code == 302
    owner.refresh_from_db()
    assert owner.check_password(NEW)


@pytest.mark.parametrize(
    ("values", "field", "error"),
    [
        (data(old="wrong"), "oldpassword", "This is not your current password."),
        (data(new="short", again="short"), "password1", "too short"),
        (data(new="password", again="password"), "password1", "too common"),
        (data(again="something else"), "password2", "same password"),
        (data(new="", again=""), "password1", "required"),
        (data(new="a\x00bcdefghijk", again="a\x00bcdefghijk"), "password1", "Null characters"),
    ],
)
def test_error_is_beside_its_field_and_nothing_changes(
    owner_client: Client, owner: Member, values: dict[str, Any], field: str, error: str
) -> None:
    response = owner_client.post(URL, values)
    page = response.content.decode()
    assert response.status_code == 422
    assert error in page.partition(f'id="{field}-error">')[2].partition("</p>")[0]
    assert PASSWORD not in page
    assert NEW not in page
    owner.refresh_from_db()
    assert owner.check_password(PASSWORD)


def test_guesses_of_the_current_password_are_limited(owner_client: Client, owner: Member) -> None:
    statuses = [owner_client.post(URL, data(old="wrong")).status_code for _ in range(5)]
    refused = owner_client.post(URL, data())
    assert [*statuses, refused.status_code, refused["Retry-After"]] == [422] * 5 + [429, "60"]
    assert "Nothing was changed. Try again in 1 minute." in refused.content.decode()
    owner.refresh_from_db()
    assert owner.check_password(PASSWORD)


def test_page_names_its_fields_for_password_managers(owner_client: Client) -> None:
    page = owner_client.get(URL).content.decode()
    assert page.count('autocomplete="current-password"') == 1
    assert page.count('autocomplete="new-password"') == 2
    assert 'value="owner" autocomplete="username"' in page
    assert 'href="/settings/password/"' in owner_client.get("/settings/").content.decode()


def test_other_columns_are_not_written(owner_client: Client, owner: Member) -> None:
    owner_client.post(URL, data() | {"role": "admin", "username": "admin"})
    owner.refresh_from_db()
    assert (owner.username, owner.role) == ("owner", Role.MEMBER)
