"""Cards without images: hidden in the studio, and found again; an admin who is asked to check."""

import pytest
from django.test import Client

from generations.models import Generation, Member, Status, Submission
from tests.builders import make_generation, make_member, make_submission
from tests.forms import HTMX

pytestmark = pytest.mark.django_db

ENDED = (Status.FAILED, Status.CANCELED, Status.ABANDONED)


def press(client: Client, row: Generation, action: str, **headers: str) -> str:
    url = f"/generations/{row.pk}/{action}/"
    response = client.post(url, {"version": row.version}, headers=headers)
    assert response.status_code in (200, 302)
    return response.content.decode()


def is_in_studio(client: Client, row: Generation) -> bool:
    return f'id="generation-{row.pk}"' in client.get("/").content.decode()


# --- hiding --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ENDED)
def test_card_without_images_is_hidden_and_comes_back(
    owner_client: Client, owner: Member, status: Status
) -> None:
    row = make_generation(status, owner=owner)
    assert f"{row.pk}-hide" in owner_client.get("/").content.decode()
    line = press(owner_client, row, "hide", **HTMX)
    assert "Removed from the studio." in line
    assert "Undo" in line
    assert not is_in_studio(owner_client, row)
    assert f'data-state="{status}"' in press(owner_client, row, "unhide", **HTMX)
    assert is_in_studio(owner_client, row)


def test_hiding_without_a_script_says_where_it_is(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.FAILED, owner=owner)
    press(owner_client, row, "hide")
    assert "Removed from the studio." in owner_client.get("/").content.decode()
    assert f"/generations/{row.pk}/" in owner_client.get("/gallery/?state=failed").content.decode()
    assert f"{row.pk}-hide" not in owner_client.get(f"/generations/{row.pk}/").content.decode()


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.SUCCEEDED])
def test_card_that_is_open_or_has_images_is_not_hidden(
    owner_client: Client, owner: Member, status: Status
) -> None:
    row = make_generation(status, owner=owner)
    assert f"{row.pk}-hide" not in owner_client.get("/").content.decode()
    assert "This generation has changed." in press(owner_client, row, "hide", **HTMX)
    assert is_in_studio(owner_client, row)


def test_hidden_card_comes_back_with_images(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.ABANDONED, owner=owner)
    press(owner_client, row, "hide", **HTMX)
    Generation.objects.filter(pk=row.pk).update(status=Status.SUCCEEDED, accepted_at=row.created_at)
    assert is_in_studio(owner_client, row)


def test_nobody_hides_the_card_of_another(client: Client, owner: Member) -> None:
    row = make_generation(Status.FAILED, owner=owner)
    client.force_login(make_member("bob"))
    assert client.post(f"/generations/{row.pk}/hide/").status_code == 404
    row.refresh_from_db()
    assert row.hidden_at is None


# --- asking an admin -----------------------------------------------------------------------------


def unconfirmed(owner: Member) -> Generation:
    row = make_generation(Status.UNCONFIRMED, owner=owner, attempt=1)
    make_submission(row, outcome=Submission.Outcome.UNANSWERED)
    return row


def test_member_asks_an_admin_once(
    owner_client: Client, admin_client: Client, owner: Member
) -> None:
    row = unconfirmed(owner)
    assert "Ask an admin to check" in owner_client.get("/").content.decode()
    assert f"{owner.name} asked" not in admin_client.get("/admin/").content.decode()
    card = press(owner_client, row, "ask-admin", **HTMX)
    assert "An admin was asked to check at " in card
    assert "Ask an admin to check" not in card
    assert "An admin can check" not in card, "one is asked already"
    assert f"{owner.name} asked" in admin_client.get("/admin/").content.decode()
    row.refresh_from_db()
    asked_at = row.asked_at
    press(owner_client, row, "ask-admin", **HTMX)
    row.refresh_from_db()
    assert row.asked_at == asked_at


def test_admin_is_not_offered_to_ask(admin_client: Client, admin: Member) -> None:
    unconfirmed(admin)
    assert "Ask an admin to check" not in admin_client.get("/").content.decode()
