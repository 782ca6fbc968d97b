"""The page of one generation: its facts, its history and the API log for admins."""

import re

import pytest
from django.test import Client

from generations.models import Generation, Member, Picture, Status, TransitionReason
from tests.builders import make_generation, make_submission, png_bytes, upload
from tests.forms import HTMX, form_data

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(owner: Member) -> Generation:
    made = make_generation(
        Status.SUCCEEDED,
        owner=owner,
        n=2,
        negative_prompt="birds",
        last_response='{"from": "poll"}',
    )
    make_submission(made, response='{"from": "submit"}', http_status=200)
    return made


def test_team_can_open_the_page(
    owner_client: Client, stranger_client: Client, row: Generation
) -> None:
    for client in (owner_client, stranger_client):
        page = client.get(f"/generations/{row.pk}/").content.decode()
        assert f'<article id="generation-{row.pk}"' in page
        assert page.count("<img ") == 2
        for text in ("owner", "birds", '<dd dir="auto">3:2</dd>', "450 × 300", "History"):
            assert text in page


def test_only_admins_see_the_api_log(
    owner_client: Client, stranger_client: Client, admin_client: Client, row: Generation
) -> None:
    assert b"&quot;from&quot;" not in owner_client.get(f"/generations/{row.pk}/").content
    assert b"&quot;from&quot;" not in stranger_client.get(f"/generations/{row.pk}/").content
    page = admin_client.get(f"/generations/{row.pk}/").content.decode()
    assert "{&quot;from&quot;: &quot;submit&quot;}" in page
    assert "{&quot;from&quot;: &quot;poll&quot;}" in page


def test_open_generation_refreshes_with_its_details(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    page = owner_client.get(f"/generations/{row.pk}/").content.decode()
    assert 'data-hx-get="/cards/changes?full_page=1"' in page
    response = owner_client.get(
        "/cards/changes", {"full_page": "1", "k": f"{row.pk}.0", "p": "open.2"}, headers=HTMX
    )
    assert b"History" in response.content
    assert b'id="today"' not in response.content


def test_page_shows_the_reference_image(owner_client: Client, stranger_client: Client) -> None:
    owner_client.post("/", form_data(image=upload(png_bytes(), "dune.png")))
    row = Generation.objects.get()
    owner_client.post("/", form_data(remix_of=str(row.pk)))
    assert b"Reference image dune.png" in stranger_client.get(f"/generations/{row.pk}/").content


def test_source_and_remix_link_to_each_other(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    row = make_generation(Status.FAILED, owner=owner)
    assert b"Settings reused in" not in stranger_client.get(f"/generations/{row.pk}/").content
    owner_client.post("/", form_data(remix_of=str(row.pk)))
    again = Generation.objects.latest("pk")
    for this, other in ((row, again), (again, row)):
        page = stranger_client.get(f"/generations/{this.pk}/").content.decode()
        assert f'href="/generations/{other.pk}/"' in page


# --- the history ---------------------------------------------------------------------------------


@pytest.fixture
def dismissed(owner: Member, admin: Member) -> Generation:
    """Sent, unanswered, and dismissed by an admin."""
    row = make_generation(owner=owner)
    submission = row.mark_submitting(60)
    assert submission
    row.mark_unconfirmed(submission, TransitionReason.NO_ANSWER)
    row.abandon(admin, row.version)
    return row


def history_of(client: Client, row: Generation) -> list[str]:
    """The text of the history, one item per transition."""
    page = client.get(f"/generations/{row.pk}/").content.decode()
    listed = page.split('<ol class="history">')[1].split("</ol>")[0]
    items = [re.sub(r"<[^>]*>", " ", item) for item in listed.split("</li>")[:-1]]
    return [" ".join(item.split()) for item in items]


def test_history_shows_time_reason_and_person(
    owner_client: Client, dismissed: Generation, admin: Member
) -> None:
    lines = history_of(owner_client, dismissed)
    at = [f"{transition.at:%-d %b %Y, %H:%M:%S}" for transition in dismissed.transitions.all()]
    assert lines == [
        f"{at[0]} Queued Requested, klingweb",
        f"{at[1]} Sending Sent to Kling, klingweb",
        f"{at[2]} Unconfirmed Sent, but no readable answer arrived, klingweb",
        f"{at[3]} Dismissed Dismissed, {admin.name}",
    ]


def test_only_admins_see_both_statuses_and_details_in_the_history(
    owner_client: Client, admin_client: Client, dismissed: Generation
) -> None:
    dismissed.transitions.filter(reason=TransitionReason.NO_ANSWER).update(detail="HTTP 502 <html>")
    lines = history_of(admin_client, dismissed)
    assert lines[2].endswith("Sending → Unconfirmed HTTP 502 &lt;html&gt;")
    assert not any("→" in line or "502" in line for line in history_of(owner_client, dismissed))


def test_history_starts_with_the_requester(owner_client: Client, owner: Member) -> None:
    owner_client.post("/", form_data())
    assert history_of(owner_client, Generation.objects.get())[0].endswith(
        f"Requested, {owner.name}"
    )


@pytest.mark.parametrize("pk", ["0", "999", "9" * 30])
def test_unknown_generation_returns_our_404_page(owner_client: Client, pk: str) -> None:
    response = owner_client.get(f"/generations/{pk}/")
    assert response.status_code == 404
    assert b"Page not found." in response.content


def test_disabled_member_is_signed_out(
    stranger_client: Client, stranger: Member, row: Generation
) -> None:
    Member.objects.filter(pk=stranger.pk).update(is_active=False)
    assert stranger_client.get(f"/generations/{row.pk}/").status_code == 302


def test_private_source_is_hidden_from_others(
    owner_client: Client, owner: Member, stranger: Member
) -> None:
    source = make_generation(Status.SUCCEEDED, owner=stranger, prompt="A secret pear")
    row = make_generation(Status.SUCCEEDED, owner=owner, remix_of=source)
    assert "A secret pear" in owner_client.get(f"/generations/{row.pk}/").content.decode()
    Generation.objects.filter(pk=source.pk).update(is_private=True)
    assert "A secret pear" not in owner_client.get(f"/generations/{row.pk}/").content.decode()


def test_trashed_image_is_not_called_missing(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=2)
    Picture.objects.filter(pk=row.pictures.all()[0].pk).trash(owner)
    page = owner_client.get(f"/generations/{row.pk}/").content.decode()
    assert "1 image was deleted." in page
    assert "Generate the missing" not in page
