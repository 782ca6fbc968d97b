"""The page of one generation: all that is known, and the raw words for admins alone."""

import pytest
from django.test import Client

from generations.models import Generation, Member, Status
from tests.builders import make_generation, make_submission, png_bytes, upload
from tests.forms import HTMX, wish

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(owner: Member) -> Generation:
    made = make_generation(
        Status.SUCCEEDED, owner=owner, n=2, negative_prompt="birds", last_answer='{"told": "poll"}'
    )
    make_submission(made, answer='{"told": "submit"}', http_status=200)
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
    owners.post("/", wish(again_of=str(row.pk)))
    assert b"Reference image dune.png" in strangers.get(f"/generations/{row.pk}/").content
    again = Generation.objects.latest("pk")
    assert (
        f'href="/generations/{row.pk}/"' in owners.get(f"/generations/{again.pk}/").content.decode()
    )


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
