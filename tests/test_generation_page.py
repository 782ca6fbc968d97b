"""The page of one generation: all that is known, and the raw words for admins alone."""

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
        last_response='{"told": "poll"}',
    )
    make_submission(made, response='{"told": "submit"}', http_status=200)
    return made


def test_the_whole_team_may_look(
    owner_client: Client, stranger_client: Client, row: Generation
) -> None:
    for client in (owner_client, stranger_client):
        page = client.get(f"/generations/{row.pk}/").content.decode()
        assert f'<article id="generation-{row.pk}"' in page
        assert page.count("<img ") == 2
        for words in ("owner", "birds", "3:2, 450 × 300", "History"):
            assert words in page


def test_the_raw_answers_are_for_admins(
    owner_client: Client, stranger_client: Client, admin_client: Client, row: Generation
) -> None:
    assert b"told" not in owner_client.get(f"/generations/{row.pk}/").content
    assert b"told" not in stranger_client.get(f"/generations/{row.pk}/").content
    page = admin_client.get(f"/generations/{row.pk}/").content.decode()
    assert "{&quot;told&quot;: &quot;submit&quot;}" in page
    assert "{&quot;told&quot;: &quot;poll&quot;}" in page


def test_an_open_one_refreshes_as_a_whole(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    page = owner_client.get(f"/generations/{row.pk}/").content.decode()
    assert 'data-hx-get="/cards/changes?full_page=1"' in page
    answer = owner_client.get(
        "/cards/changes", {"full_page": "1", "k": f"{row.pk}.0", "p": "open.2"}, headers=HTMX
    )
    assert b"History" in answer.content
    assert b'id="today"' not in answer.content


def test_it_shows_what_it_was_made_from(owner_client: Client, stranger_client: Client) -> None:
    owner_client.post("/", form_data(image=upload(png_bytes(), "dune.png")))
    row = Generation.objects.get()
    owner_client.post("/", form_data(remix_of=str(row.pk)))
    assert b"Reference image dune.png" in stranger_client.get(f"/generations/{row.pk}/").content


def test_what_was_made_again_leads_both_ways(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    row = make_generation(Status.FAILED, owner=owner)
    assert b"Made again" not in stranger_client.get(f"/generations/{row.pk}/").content
    owner_client.post("/", form_data(remix_of=str(row.pk)))
    again = Generation.objects.latest("pk")
    for here, there in ((row, again), (again, row)):
        page = stranger_client.get(f"/generations/{here.pk}/").content.decode()
        assert f'href="/generations/{there.pk}/"' in page


# --- the history ----------------------------------------------------------------------------------


@pytest.fixture
def moved(owner: Member, admin: Member) -> Generation:
    """Sent, without an answer, and given up by an admin."""
    row = make_generation(owner=owner)
    submission = row.mark_submitting(60)
    assert submission
    row.mark_unconfirmed(submission, TransitionReason.NO_ANSWER)
    row.abandon(admin, row.version)
    return row


def history_of(client: Client, row: Generation) -> list[str]:
    """Line by line, as one reads it."""
    page = client.get(f"/generations/{row.pk}/").content.decode()
    listed = page.split('<ol class="history">')[1].split("</ol>")[0]
    words = re.sub(r"<[^>]*>", " ", listed.replace("</li>", "\n"))
    return [" ".join(line.split()) for line in words.strip().split("\n")]


def test_every_move_is_told_with_when_why_and_by_whom(
    owner_client: Client, moved: Generation, admin: Member
) -> None:
    told = history_of(owner_client, moved)
    at = [f"{transition.at:%-d %b %Y, %H:%M:%S}" for transition in moved.transitions.all()]
    assert told == [
        f"{at[0]} Queued Requested, klingweb",
        f"{at[1]} Sending Sent to Kling, klingweb",
        f"{at[2]} Unconfirmed Sent, but no readable answer arrived, klingweb",
        f"{at[3]} Dismissed Dismissed, {admin.name}",
    ]


def test_admins_read_it_in_full(
    owner_client: Client, admin_client: Client, moved: Generation
) -> None:
    moved.transitions.filter(reason=TransitionReason.NO_ANSWER).update(detail="HTTP 502 <html>")
    told = history_of(admin_client, moved)
    assert told[2].endswith("submitting → unconfirmed: no-answer HTTP 502 &lt;html&gt;")
    assert not any("→" in line or "502" in line for line in history_of(owner_client, moved))


def test_who_asked_is_the_first_line(owner_client: Client, owner: Member) -> None:
    owner_client.post("/", form_data())
    assert history_of(owner_client, Generation.objects.get())[0].endswith(
        f"Requested, {owner.name}"
    )


@pytest.mark.parametrize("pk", ["0", "999", "9" * 30])
def test_what_is_not_there_is_a_404_that_looks_like_ours(owner_client: Client, pk: str) -> None:
    answer = owner_client.get(f"/generations/{pk}/")
    assert answer.status_code == 404
    assert b"Page not found." in answer.content


def test_somebody_disabled_sees_nothing(
    stranger_client: Client, stranger: Member, row: Generation
) -> None:
    Member.objects.filter(pk=stranger.pk).update(is_active=False)
    assert stranger_client.get(f"/generations/{row.pk}/").status_code == 302


def test_what_it_was_made_from_stays_private(
    owner_client: Client, owner: Member, stranger: Member
) -> None:
    source = make_generation(Status.SUCCEEDED, owner=stranger, prompt="A secret pear")
    row = make_generation(Status.SUCCEEDED, owner=owner, remix_of=source)
    assert "A secret pear" in owner_client.get(f"/generations/{row.pk}/").content.decode()
    Generation.objects.filter(pk=source.pk).update(is_private=True)
    assert "A secret pear" not in owner_client.get(f"/generations/{row.pk}/").content.decode()


def test_what_was_taken_away_is_not_called_missing(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=2)
    Picture.objects.filter(pk=row.pictures.all()[0].pk).trash(owner)
    page = owner_client.get(f"/generations/{row.pk}/").content.decode()
    assert "1 of them was taken away." in page
    assert "Make the missing" not in page
