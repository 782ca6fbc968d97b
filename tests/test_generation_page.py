"""The page of one generation: all that is known, and the raw words for admins alone."""

import re

import pytest
from django.test import Client

from generations.models import Generation, Member, Picture, Status, TransitionReason
from tests.builders import make_generation, make_submission, png_bytes, upload
from tests.forms import HTMX, wish

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


def test_the_whole_team_may_look(owners: Client, strangers: Client, row: Generation) -> None:
    for client in (owners, strangers):
        page = client.get(f"/generations/{row.pk}/").content.decode()
        assert f'<article id="generation-{row.pk}"' in page
        assert page.count("<img ") == 2
        for words in ("owner", "birds", "3:2, 450 × 300", "History"):
            assert words in page


def test_the_raw_answers_are_for_admins(
    owners: Client, strangers: Client, admins: Client, row: Generation
) -> None:
    assert b"told" not in owners.get(f"/generations/{row.pk}/").content
    assert b"told" not in strangers.get(f"/generations/{row.pk}/").content
    page = admins.get(f"/generations/{row.pk}/").content.decode()
    assert "{&quot;told&quot;: &quot;submit&quot;}" in page
    assert "{&quot;told&quot;: &quot;poll&quot;}" in page


def test_an_open_one_refreshes_as_a_whole(owners: Client, owner: Member) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    page = owners.get(f"/generations/{row.pk}/").content.decode()
    assert 'data-hx-get="/cards/changes?whole=1"' in page
    answer = owners.get(
        "/cards/changes", {"whole": "1", "k": f"{row.pk}.0", "p": "open.2"}, headers=HTMX
    )
    assert b"History" in answer.content
    assert b'id="today"' not in answer.content


def test_it_shows_what_it_was_made_from(owners: Client, strangers: Client) -> None:
    owners.post("/", wish(image=upload(png_bytes(), "dune.png")))
    row = Generation.objects.get()
    owners.post("/", wish(remix_of=str(row.pk)))
    assert b"Reference image dune.png" in strangers.get(f"/generations/{row.pk}/").content


def test_what_was_made_again_leads_both_ways(
    owners: Client, strangers: Client, owner: Member
) -> None:
    row = make_generation(Status.FAILED, owner=owner)
    assert b"Made again" not in strangers.get(f"/generations/{row.pk}/").content
    owners.post("/", wish(remix_of=str(row.pk)))
    again = Generation.objects.latest("pk")
    for here, there in ((row, again), (again, row)):
        page = strangers.get(f"/generations/{here.pk}/").content.decode()
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
    owners: Client, moved: Generation, admin: Member
) -> None:
    told = history_of(owners, moved)
    at = [f"{transition.at:%-d %b %Y, %H:%M:%S}" for transition in moved.transitions.all()]
    assert told == [
        f"{at[0]} Waiting in line Asked for, klingweb",
        f"{at[1]} Sending Sent to Kling, klingweb",
        f"{at[2]} Sent, no answer Sent, but no readable answer came, klingweb",
        f"{at[3]} Given up Given up, {admin.name}",
    ]


def test_admins_read_it_in_full(owners: Client, admins: Client, moved: Generation) -> None:
    moved.transitions.filter(reason=TransitionReason.NO_ANSWER).update(detail="HTTP 502 <html>")
    told = history_of(admins, moved)
    assert told[2].endswith("submitting → unconfirmed: no-answer HTTP 502 &lt;html&gt;")
    assert not any("→" in line or "502" in line for line in history_of(owners, moved))


def test_who_asked_is_the_first_line(owners: Client, owner: Member) -> None:
    owners.post("/", wish())
    assert history_of(owners, Generation.objects.get())[0].endswith(f"Asked for, {owner.name}")


@pytest.mark.parametrize("pk", ["0", "999", "9" * 30])
def test_what_is_not_there_is_a_404_that_looks_like_ours(owners: Client, pk: str) -> None:
    answer = owners.get(f"/generations/{pk}/")
    assert answer.status_code == 404
    assert b"No picture here." in answer.content


def test_somebody_disabled_sees_nothing(
    strangers: Client, stranger: Member, row: Generation
) -> None:
    Member.objects.filter(pk=stranger.pk).update(is_active=False)
    assert strangers.get(f"/generations/{row.pk}/").status_code == 302


def test_what_it_was_made_from_stays_private(
    owners: Client, owner: Member, stranger: Member
) -> None:
    source = make_generation(Status.SUCCEEDED, owner=stranger, prompt="A secret pear")
    row = make_generation(Status.SUCCEEDED, owner=owner, remix_of=source)
    assert "A secret pear" in owners.get(f"/generations/{row.pk}/").content.decode()
    Generation.objects.filter(pk=source.pk).update(is_private=True)
    assert "A secret pear" not in owners.get(f"/generations/{row.pk}/").content.decode()


def test_what_was_taken_away_is_not_called_missing(owners: Client, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=2)
    Picture.objects.filter(pk=row.pictures.all()[0].pk).trash(owner)
    page = owners.get(f"/generations/{row.pk}/").content.decode()
    assert "1 of them was taken away." in page
    assert "Make the missing" not in page
