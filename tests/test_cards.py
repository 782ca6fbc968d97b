"""Cards: what one sees, how a page keeps them fresh, and what may be done to them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from generations.models import Failure, Generation, Member, Status, UpstreamGate
from tests.builders import make_generation, make_member, store_picture
from tests.forms import HTMX

pytestmark = pytest.mark.django_db


def card_in(page: bytes, row: Generation) -> str:
    found = re.search(rf'<article id="generation-{row.pk}".*?</article>', page.decode(), re.DOTALL)
    assert found, f"generation {row.pk} is not in the page"
    return found[0]


def stamp_of(card: str) -> str:
    found = re.search(r'data-stamp="([^"]+)"', card)
    assert found
    return found[1]


def seen(client: Client, *rows: Generation) -> dict[str, str]:
    """What a page with these cards asks with."""
    page = client.get("/").content
    stamps = [f"{row.pk}.{stamp_of(card_in(page, row))}" for row in rows]
    poller = re.search(rb'id="poller" data-page-stamp="([^"]+)"', page)
    assert poller
    return {"k": ",".join(stamps), "p": poller[1].decode()}


def ask(client: Client, question: dict[str, str]) -> Any:
    return client.get("/cards/changes", question, headers=HTMX)


# --- what one sees ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "columns", "look", "words"),
    [
        (Status.QUEUED, {}, "queued", "Next in line"),
        (Status.SUBMITTING, {}, "submitting", "Sending"),
        (Status.RUNNING, {}, "running", "Making"),
        (Status.RUNNING, {"late_at": timezone.now()}, "late", "Later than usual"),
        (Status.RUNNING, {"lost_at": timezone.now()}, "lost", "does not find it any more"),
        (Status.FETCHING, {"n": 4, "stored": 2}, "fetching", "Fetching 3 of 4"),
        (Status.SUCCEEDED, {}, "succeeded", "A pear on a dark ground"),
        (Status.SUCCEEDED, {"n": 4, "stored": 3}, "short", "3 of 4 came"),
        (Status.UNCONFIRMED, {}, "unconfirmed", "It has probably been charged"),
        (Status.ABANDONED, {}, "abandoned", "Given up"),
        (Status.CANCELED, {}, "canceled", "Nothing was charged"),
        (Status.FAILED, {"failure": Failure.POLICY}, "failed", "the content check said no"),
        (
            Status.FAILED,
            {"failure": Failure.INPUT, "failure_message": "Bad"},
            "failed",
            "Kling says: “Bad”",
        ),
        (Status.FAILED, {"failure": Failure.BALANCE}, "failed", "the Kling account is empty"),
        (Status.FAILED, {"failure": Failure.BUSY}, "failed", "Kling was too busy"),
        (Status.FAILED, {"failure": Failure.TIME}, "failed", "it took too long"),
        (Status.FAILED, {"failure": Failure.OURS}, "failed", "something broke"),
        (Status.FAILED, {"failure": Failure.FILES}, "failed", "the files did not come"),
    ],
)
def test_every_state_says_what_it_is(
    owner_client: Client,
    owner: Member,
    status: Status,
    columns: dict[str, Any],
    look: str,
    words: str,
) -> None:
    row = make_generation(status, owner=owner, **columns)
    card = card_in(owner_client.get("/").content, row)
    assert f'data-status="{status}" data-version="1" data-state="{look}"' in card
    assert words in card
    assert (" data-open " in card) == row.is_open


def test_a_finished_card_shows_its_pictures_from_our_own_files(
    owner_client: Client, owner: Member
) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=2, prompt='A "pear" & <b>')
    card = card_in(owner_client.get("/").content, row)
    images = re.findall(r"<img [^>]*>", card)
    assert len(images) == 2
    for image, picture in zip(images, row.pictures.order_by("index"), strict=True):
        assert f'src="/files/{picture.pk}/preview"' in image
        assert f'width="{picture.width}" height="{picture.height}"' in image
        assert 'alt="A &quot;pear&quot; &amp; &lt;b&gt;, image' in image
    assert owner_client.get(f"/files/{row.pictures.all()[0].pk}/preview").status_code == 200


def test_nothing_was_charged_is_said_of_what_was_refused_only(
    owner_client: Client, owner: Member
) -> None:
    refused = make_generation(Status.FAILED, owner=owner)
    failed_later = make_generation(Status.FAILED, owner=owner, upstream_task_id="task-1")
    page = owner_client.get("/").content
    assert "Nothing was charged" in card_in(page, refused)
    assert "Nothing was charged" not in card_in(page, failed_later)


def test_the_place_in_line_is_the_turn(
    owner_client: Client, owner: Member, stranger: Member
) -> None:
    rows = [make_generation(owner=owner) for _row in range(3)]
    make_generation(owner=stranger)
    page = owner_client.get("/").content
    places = [re.search(r"(Next|\d\w\w) in line", card_in(page, row)) for row in rows]
    assert [place[1] for place in places if place] == ["Next", "3rd", "4th"]


def test_while_the_line_is_held_everybody_sees_why(owner_client: Client, owner: Member) -> None:
    row = make_generation(owner=owner)
    UpstreamGate.hold(UpstreamGate.HoldReason.ACCOUNT, "quota_not_enough: the raw words")
    page = owner_client.get("/").content
    assert b"The line is on hold: the Kling account is empty." in page
    assert b"the raw words" not in page
    assert "Starts when the hold ends" in card_in(page, row)


def test_while_the_line_is_paused_what_waits_starts_when_the_pause_ends(
    owner_client: Client, owner: Member, admin: Member
) -> None:
    row = make_generation(owner=owner)
    UpstreamGate.hold(UpstreamGate.HoldReason.ACCOUNT, "quota_not_enough")
    UpstreamGate.pause(admin, "Lunch")
    assert "Starts when the pause ends" in card_in(owner_client.get("/").content, row)


def test_an_admin_sees_the_raw_words_and_the_way_to_the_panel(admin_client: Client) -> None:
    UpstreamGate.hold(UpstreamGate.HoldReason.KEY, "invalid token")
    page = admin_client.get("/").content
    assert b'href="/queue/"' in page
    assert b"invalid token" in admin_client.get("/queue/").content


# --- the refresh ----------------------------------------------------------------------------


def test_nothing_new_is_204(owner_client: Client, owner: Member) -> None:
    rows = [make_generation(status, owner=owner) for status in (Status.QUEUED, Status.RUNNING)]
    assert ask(owner_client, seen(owner_client, *rows)).status_code == 204


def test_only_the_changed_card_comes_back(owner_client: Client, owner: Member) -> None:
    changed, same = (make_generation(Status.RUNNING, owner=owner) for _row in range(2))
    question = seen(owner_client, changed, same)
    changed.mark_fetching(["https://files.example/1.png"])
    answer = ask(owner_client, question)
    assert answer.status_code == 200
    assert 'data-hx-swap-oob="true"' in card_in(answer.content, changed)
    assert f"generation-{same.pk}" not in answer.content.decode()
    assert b'id="poller"' not in answer.content


def test_a_stored_picture_changes_its_card(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.FETCHING, owner=owner, n=2)
    question = seen(owner_client, row)
    store_picture(row.pictures.all()[0])
    assert card_in(ask(owner_client, question).content, row).count("<img ") == 1


def test_moving_up_in_line_changes_the_card(owner_client: Client, owner: Member) -> None:
    first, second = (make_generation(owner=owner) for _row in range(2))
    question = seen(owner_client, second)
    first.cancel(owner, first.version)
    assert "Next in line" in card_in(ask(owner_client, question).content, second)


def test_the_last_final_card_takes_the_poller_away(owner_client: Client, owner: Member) -> None:
    row = make_generation(owner=owner)
    question = seen(owner_client, row)
    assert question["p"] == "open.2"
    row.cancel(owner, row.version)
    page = ask(owner_client, question).content
    poller = re.search(rb'<div id="poller"[^>]*>', page)
    assert poller
    assert b"hx-get" not in poller[0]
    assert b"data-open" not in page


def test_after_a_minute_the_page_asks_less_often(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    question = seen(owner_client, row)
    moved_at = timezone.now() - timedelta(seconds=61)
    Generation.objects.filter(pk=row.pk).update(status_at=moved_at)
    answer = ask(owner_client, question)
    assert b"every 5s" in answer.content
    assert ask(owner_client, question | {"p": "open.5"}).status_code == 204


def test_a_hold_shows_up_on_an_open_page(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    question = seen(owner_client, row)
    UpstreamGate.hold(UpstreamGate.HoldReason.BUSY)
    assert b"too busy for minutes" in ask(owner_client, question).content


def test_no_more_than_fifty_cards_are_asked_for(owner_client: Client, owner: Member) -> None:
    rows = [make_generation(owner=owner) for _row in range(52)]
    question = {"k": ",".join(f"{row.pk}.0" for row in rows), "p": "open.2"}
    assert ask(owner_client, question).content.decode().count("<article ") == 50


@pytest.mark.parametrize("listed", ["", "x", "1", "1.", ".1", "1.1;2.2", "9" * 30 + ".1", "-1.1"])
def test_a_list_that_cannot_be_read_ends_the_asking(owner_client: Client, listed: str) -> None:
    answer = ask(owner_client, {"k": listed, "p": "open.2"})
    assert answer.status_code == 200
    assert b"hx-get" not in answer.content


def test_the_refresh_asks_the_database_the_same_however_many_cards(
    owner_client: Client, owner: Member, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rows = [make_generation(Status.RUNNING, owner=owner) for _row in range(2)]
    question = seen(owner_client, *rows)
    ask(owner_client, question)
    with django_assert_num_queries(
        5
    ):  # the session, the member, the line, the rows, the pump's beat
        ask(owner_client, question)
    rows += [make_generation(Status.RUNNING, owner=owner) for _row in range(8)]
    question = seen(owner_client, *rows)
    with django_assert_num_queries(5):
        ask(owner_client, question)


def test_the_refresh_creates_nothing(owner_client: Client, owner: Member) -> None:
    ask(owner_client, seen(owner_client, make_generation(owner=owner)))
    assert not UpstreamGate.objects.exists()


def test_a_refresh_after_the_session_ended_moves_the_whole_page(client: Client) -> None:
    headers = HTMX | {"HX-Current-URL": "http://testserver/generations/7/?a=1"}
    answer = client.get("/cards/changes", {"k": "1.1"}, headers=headers)
    assert answer.status_code == 401
    assert answer["HX-Redirect"] == "/accounts/login/?next=/generations/7/%3Fa%3D1"
    assert answer.content == b""


# --- what may be done ---------------------------------------------------------------------------

ACTIONS = [
    ("cancel", Status.QUEUED, {}, Status.CANCELED),
    ("send-again", Status.UNCONFIRMED, {}, Status.QUEUED),
    ("dismiss", Status.UNCONFIRMED, {}, Status.ABANDONED),
    ("dismiss", Status.RUNNING, {"lost_at": timezone.now()}, Status.ABANDONED),
    ("recheck", Status.RUNNING, {"lost_at": timezone.now()}, Status.RUNNING),
    ("fetch-again", Status.FAILED, {"failure": Failure.FILES}, Status.FETCHING),
]


@pytest.mark.parametrize(("verb", "status", "columns", "after"), ACTIONS)
def test_its_owner_may(
    owner_client: Client,
    owner: Member,
    verb: str,
    status: Status,
    columns: dict[str, Any],
    after: Status,
) -> None:
    row = make_generation(status, owner=owner, **columns)
    assert f"/generations/{row.pk}/{verb}/" in card_in(owner_client.get("/").content, row)
    answer = owner_client.post(f"/generations/{row.pk}/{verb}/", {"version": "1"}, headers=HTMX)
    row.refresh_from_db()
    assert (answer.status_code, row.status, row.version) == (200, after, 2)
    assert 'data-version="2"' in card_in(answer.content, row)
    assert row.transitions.latest("pk").by == owner


@pytest.mark.parametrize(("verb", "status", "columns", "after"), ACTIONS)
def test_a_stranger_may_not(
    stranger_client: Client,
    owner: Member,
    verb: str,
    status: Status,
    columns: dict[str, Any],
    after: Status,
) -> None:
    row = make_generation(status, owner=owner, **columns)
    assert stranger_client.get(f"/generations/{row.pk}/").status_code == 200
    assert (
        stranger_client.post(f"/generations/{row.pk}/{verb}/", {"version": "1"}).status_code == 404
    )
    row.refresh_from_db()
    assert (row.status, row.version) == (status, 1)


def test_an_admin_may_for_everybody(admin_client: Client, owner: Member, admin: Member) -> None:
    row = make_generation(owner=owner)
    answer = admin_client.post(f"/generations/{row.pk}/cancel/", {"version": "1"})
    assert (answer.status_code, answer["Location"]) == (302, f"/generations/{row.pk}/")
    assert row.transitions.latest("pk").by == admin


@pytest.mark.parametrize("version", ["7", "", "x", "-1", "9" * 30])
def test_a_card_that_moved_on_says_so(owner_client: Client, owner: Member, version: str) -> None:
    row = make_generation(owner=owner)
    data = {"version": version}
    answer = owner_client.post(f"/generations/{row.pk}/cancel/", data, headers=HTMX)
    assert "It had moved on" in card_in(answer.content, row)
    page = owner_client.post(f"/generations/{row.pk}/cancel/", data, follow=True).content
    assert b"It had moved on" in page
    row.refresh_from_db()
    assert row.status == Status.QUEUED


@pytest.mark.parametrize(
    ("verb", "status", "columns", "task"),
    [
        ("send-again", Status.UNCONFIRMED, {}, "submit"),
        ("recheck", Status.RUNNING, {"lost_at": timezone.now()}, "poll"),
        ("fetch-again", Status.FAILED, {"failure": Failure.FILES}, "fetch"),
    ],
)
def test_the_right_line_of_the_worker_is_kicked(
    owner_client: Client,
    owner: Member,
    verb: str,
    status: Status,
    columns: dict[str, Any],
    task: str,
) -> None:
    from django_q.models import OrmQ  # noqa: TID251

    row = make_generation(status, owner=owner, **columns)
    owner_client.post(f"/generations/{row.pk}/{verb}/", {"version": "2"})
    assert not OrmQ.objects.exists()
    owner_client.post(f"/generations/{row.pk}/{verb}/", {"version": "1"})
    assert [kick.func() for kick in OrmQ.objects.all()] == [f"generations.worker.tasks.{task}"]


@pytest.mark.parametrize("verb", ["delete", "mark-failed", "_move", "save"])
def test_there_are_no_other_verbs(owner_client: Client, owner: Member, verb: str) -> None:
    row = make_generation(owner=owner)
    assert owner_client.post(f"/generations/{row.pk}/{verb}/", {"version": "1"}).status_code == 404


def test_looking_changes_nothing(owner_client: Client, owner: Member) -> None:
    row = make_generation(owner=owner)
    assert owner_client.get(f"/generations/{row.pk}/cancel/").status_code == 405


@pytest.mark.parametrize("pk", ["0", "99", "9" * 30])
def test_what_is_not_there_is_a_404(owner_client: Client, pk: str) -> None:
    assert owner_client.post(f"/generations/{pk}/cancel/", {"version": "1"}).status_code == 404


def test_no_button_is_shown_to_those_who_may_not(stranger_client: Client) -> None:
    row = make_generation(owner=make_member())
    card = card_in(stranger_client.get(f"/generations/{row.pk}/").content, row)
    assert "<button" not in card


# --- how long still -------------------------------------------------------------------------------


@pytest.fixture
def usual_times(owner: Member) -> None:
    """Of thirty that were made: half within 16 s, nine of ten within 28."""
    now = timezone.now()
    for seconds in range(1, 31):
        row = make_generation(Status.SUCCEEDED, owner=owner)
        sent = now - timedelta(seconds=seconds)
        Generation.objects.filter(pk=row.pk).update(
            created_at=now - timedelta(days=1), submitted_at=sent, finished_at=now
        )


@pytest.mark.usefixtures("usual_times")
@pytest.mark.parametrize(
    ("age", "words"),
    [(3, "usually 16 s to 30 s"), (27, "usually 16 s to 30 s"), (500, "")],
)
def test_a_running_card_says_how_long_it_usually_takes(
    age: int, words: str, owner_client: Client, owner: Member
) -> None:
    sent = timezone.now() - timedelta(seconds=age)
    row = make_generation(Status.RUNNING, owner=owner, submitted_at=sent)
    card = card_in(owner_client.get("/").content, row)
    assert ("usually" in card) == bool(words)
    assert words in card


@pytest.mark.usefixtures("usual_times")
def test_a_waiting_card_says_when_it_will_be_here(owner_client: Client, owner: Member) -> None:
    row = make_generation(owner=owner)
    assert "Here in about" in card_in(owner_client.get("/").content, row)
    UpstreamGate.hold(UpstreamGate.HoldReason.KEY)
    assert "Here in about" not in card_in(owner_client.get("/").content, row)


def test_without_enough_of_them_only_the_seconds_are_told(
    owner_client: Client, owner: Member
) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    assert "usually" not in card_in(owner_client.get("/").content, row)


@pytest.mark.usefixtures("usual_times")
def test_one_that_came_late_says_so(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, late_at=timezone.now())
    assert "Nothing was paid twice." in card_in(owner_client.get("/").content, row)
