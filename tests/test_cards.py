"""Cards: their texts, the refresh of a page and the actions on them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from generations.models import Failure, Generation, Lease, Member, Picture, Status, UpstreamGate
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


def query_of(client: Client, *rows: Generation) -> dict[str, str]:
    """The query string of a page with these cards."""
    page = client.get("/").content
    stamps = [f"{row.pk}.{stamp_of(card_in(page, row))}" for row in rows]
    poller = re.search(rb'id="poller" data-page-stamp="([^"]+)"', page)
    assert poller
    return {"k": ",".join(stamps), "p": poller[1].decode()}


def refresh(client: Client, query: dict[str, str]) -> Any:
    return client.get("/cards/changes", query, headers=HTMX)


# --- what a card shows ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "columns", "display_state", "text"),
    [
        (Status.QUEUED, {}, "queued", "Next in queue"),
        (Status.SUBMITTING, {}, "submitting", "Sending"),
        (Status.RUNNING, {}, "running", "Generating"),
        (Status.RUNNING, {"late_at": timezone.now()}, "late", "Taking longer than usual"),
        (
            Status.RUNNING,
            {"lost_at": timezone.now(), "first_not_found_at": timezone.now()},
            "lost",
            "no longer finds it.",
        ),
        (
            Status.RUNNING,
            {"lost_at": timezone.now(), "results_without_images": 4},
            "lost",
            "lists no image that can be downloaded.",
        ),
        (Status.FETCHING, {"n": 4, "stored": 2}, "fetching", "Downloading 3 of 4"),
        (Status.SUCCEEDED, {}, "succeeded", "A pear on a dark ground"),
        (Status.SUCCEEDED, {"n": 4, "stored": 3}, "short", "3 of 4 images ready"),
        (Status.UNCONFIRMED, {}, "unconfirmed", "You were probably charged."),
        (Status.ABANDONED, {}, "abandoned", "Dismissed"),
        (Status.CANCELED, {}, "canceled", "You were not charged."),
        (Status.FAILED, {"failure": Failure.POLICY}, "failed", "Rejected by the content check"),
        (
            Status.FAILED,
            {"failure": Failure.INPUT, "failure_message": "Bad"},
            "failed",
            "Kling says: “Bad”",
        ),
        (Status.FAILED, {"failure": Failure.BALANCE}, "failed", "The Kling account is empty"),
        (Status.FAILED, {"failure": Failure.BUSY}, "failed", "Kling was too busy"),
        (Status.FAILED, {"failure": Failure.TIME}, "failed", "Generation took too long"),
        (Status.FAILED, {"failure": Failure.OURS}, "failed", "Failed on our side"),
        (Status.FAILED, {"failure": Failure.FILES}, "failed", "Images ready, download failed"),
    ],
)
def test_card_shows_the_text_of_its_state(
    owner_client: Client,
    owner: Member,
    status: Status,
    columns: dict[str, Any],
    display_state: str,
    text: str,
) -> None:
    row = make_generation(status, owner=owner, **columns)
    card = card_in(owner_client.get("/").content, row)
    assert f'data-status="{status}" data-version="1" data-state="{display_state}"' in card
    assert text in card
    assert (" data-open " in card) == row.is_open


def test_done_card_shows_its_stored_images(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=2, prompt='A "pear" & <b>')
    card = card_in(owner_client.get("/").content, row)
    images = re.findall(r"<img [^>]*>", card)
    assert len(images) == 2
    for image, picture in zip(images, row.pictures.order_by("index"), strict=True):
        assert f'src="/files/{picture.pk}/preview"' in image
        assert f'width="{picture.width}" height="{picture.height}"' in image
        assert 'alt="A &quot;pear&quot; &amp; &lt;b&gt;, image' in image
    assert owner_client.get(f"/files/{row.pictures.all()[0].pk}/preview").status_code == 200


def test_only_a_refused_request_is_called_not_charged(owner_client: Client, owner: Member) -> None:
    refused = make_generation(Status.FAILED, owner=owner)
    failed_later = make_generation(Status.FAILED, owner=owner, upstream_task_id="task-1")
    page = owner_client.get("/").content
    assert "You were not charged." in card_in(page, refused)
    assert "You were not charged." not in card_in(page, failed_later)


def test_queue_position_follows_the_queue_order(
    owner_client: Client, owner: Member, stranger: Member
) -> None:
    rows = [make_generation(owner=owner) for _row in range(3)]
    make_generation(owner=stranger)
    page = owner_client.get("/").content
    places = [re.search(r"(Next|\d\w\w) in queue", card_in(page, row)) for row in rows]
    assert [place[1] for place in places if place] == ["Next", "3rd", "4th"]


def test_hold_reason_is_shown_to_members(owner_client: Client, owner: Member) -> None:
    row = make_generation(owner=owner)
    UpstreamGate.for_engine().hold(
        UpstreamGate.HoldReason.ACCOUNT, "quota_not_enough: the raw words"
    )
    page = owner_client.get("/").content
    assert b"Kling is on hold: its account is empty." in page
    assert b"the raw words" not in page
    assert "Starts when the hold ends" in card_in(page, row)


def test_queued_card_says_that_it_starts_after_the_pause(
    owner_client: Client, owner: Member, admin: Member
) -> None:
    row = make_generation(owner=owner)
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.ACCOUNT, "quota_not_enough")
    UpstreamGate.for_engine().pause(admin, "Lunch")
    assert "Starts when generation resumes" in card_in(owner_client.get("/").content, row)


def test_card_says_that_a_download_is_tried_again(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.FETCHING, owner=owner, n=2, stored=1)
    query = query_of(owner_client, row)
    failed = row.pictures.get(state=Picture.State.WANTED)
    assert failed.try_later(300, "the file host answered 404")
    card = card_in(refresh(owner_client, query).content, row)
    assert "Waiting to download 2 of 2" in card
    assert re.search(r"The download failed. Next try at [\d:]+, free.", card)
    query = query_of(owner_client, row)
    assert refresh(owner_client, query).status_code == 204
    row.pictures.filter(pk=failed.pk).update(claimed_by="worker")
    assert "Downloading 2 of 2" in card_in(refresh(owner_client, query).content, row)


def test_card_is_downloading_while_another_file_is(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.FETCHING, owner=owner, n=2)
    assert row.pictures.all()[0].try_later(300, "the file host answered 404")
    assert "Downloading 1 of 2" in card_in(owner_client.get("/").content, row)


def test_admin_sees_the_response_that_caused_a_hold(admin_client: Client) -> None:
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY, "invalid token")
    page = admin_client.get("/").content
    assert b'href="/admin/queue/"' in page
    assert b"invalid token" in admin_client.get("/admin/queue/").content


# --- the refresh ---------------------------------------------------------------------------------


def test_refresh_without_changes_returns_204(owner_client: Client, owner: Member) -> None:
    rows = [make_generation(status, owner=owner) for status in (Status.QUEUED, Status.RUNNING)]
    assert refresh(owner_client, query_of(owner_client, *rows)).status_code == 204


def test_refresh_returns_only_changed_cards(owner_client: Client, owner: Member) -> None:
    changed, same = (make_generation(Status.RUNNING, owner=owner) for _row in range(2))
    query = query_of(owner_client, changed, same)
    changed.mark_fetching(["https://files.example/1.png"])
    response = refresh(owner_client, query)
    assert response.status_code == 200
    assert 'data-hx-swap-oob="true"' in card_in(response.content, changed)
    assert f"generation-{same.pk}" not in response.content.decode()
    assert b'id="poller"' not in response.content


def test_stored_picture_changes_its_card(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.FETCHING, owner=owner, n=2)
    query = query_of(owner_client, row)
    store_picture(row.pictures.all()[0])
    assert card_in(refresh(owner_client, query).content, row).count("<img ") == 1


def test_new_queue_position_changes_the_card(owner_client: Client, owner: Member) -> None:
    first, second = (make_generation(owner=owner) for _row in range(2))
    query = query_of(owner_client, second)
    first.cancel(owner, first.version)
    assert "Next in queue" in card_in(refresh(owner_client, query).content, second)


def test_poller_stops_after_the_last_open_card(owner_client: Client, owner: Member) -> None:
    row = make_generation(owner=owner)
    query = query_of(owner_client, row)
    assert query["p"] == "open.2"
    row.cancel(owner, row.version)
    page = refresh(owner_client, query).content
    poller = re.search(rb'<div id="poller"[^>]*>', page)
    assert poller
    assert b"hx-get" not in poller[0]
    assert b"data-open" not in page


def test_poller_slows_down_after_a_minute(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    query = query_of(owner_client, row)
    moved_at = timezone.now() - timedelta(seconds=61)
    Generation.objects.filter(pk=row.pk).update(status_at=moved_at)
    response = refresh(owner_client, query)
    assert b"every 5s" in response.content
    assert refresh(owner_client, query | {"p": "open.5"}).status_code == 204


def test_refresh_shows_a_new_hold(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    query = query_of(owner_client, row)
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.BUSY)
    assert b"too busy for several minutes" in refresh(owner_client, query).content


def test_refresh_returns_at_most_fifty_cards(owner_client: Client, owner: Member) -> None:
    rows = [make_generation(owner=owner) for _row in range(52)]
    query = {"k": ",".join(f"{row.pk}.0" for row in rows), "p": "open.2"}
    assert refresh(owner_client, query).content.decode().count("<article ") == 50


@pytest.mark.parametrize("listed", ["", "x", "1", "1.", ".1", "1.1;2.2", "9" * 30 + ".1", "-1.1"])
def test_refresh_with_unreadable_stamps_stops_the_poller(owner_client: Client, listed: str) -> None:
    response = refresh(owner_client, {"k": listed, "p": "open.2"})
    assert response.status_code == 200
    assert b"hx-get" not in response.content


def test_refresh_runs_a_constant_number_of_queries(
    owner_client: Client, owner: Member, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rows = [make_generation(Status.RUNNING, owner=owner) for _row in range(2)]
    query = query_of(owner_client, *rows)
    refresh(owner_client, query)
    with django_assert_num_queries(5):  # session, member, gate, rows, heartbeat of the poll loop
        refresh(owner_client, query)
    rows += [make_generation(Status.RUNNING, owner=owner) for _row in range(8)]
    query = query_of(owner_client, *rows)
    with django_assert_num_queries(5):
        refresh(owner_client, query)


def test_refresh_creates_no_gate(owner_client: Client, owner: Member) -> None:
    refresh(owner_client, query_of(owner_client, make_generation(owner=owner)))
    assert not UpstreamGate.objects.exists()


def test_refresh_after_sign_out_redirects_the_page(client: Client) -> None:
    headers = HTMX | {"HX-Current-URL": "http://testserver/generations/7/?a=1"}
    response = client.get("/cards/changes", {"k": "1.1"}, headers=headers)
    assert response.status_code == 401
    assert response["HX-Redirect"] == "/accounts/login/?next=/generations/7/%3Fa%3D1"
    assert response.content == b""


# --- the actions ---------------------------------------------------------------------------------

ACTIONS = [
    ("cancel", Status.QUEUED, {}, Status.CANCELED),
    ("send-again", Status.UNCONFIRMED, {}, Status.QUEUED),
    ("dismiss", Status.UNCONFIRMED, {}, Status.ABANDONED),
    ("dismiss", Status.RUNNING, {"lost_at": timezone.now()}, Status.ABANDONED),
    ("recheck", Status.RUNNING, {"lost_at": timezone.now()}, Status.RUNNING),
    ("fetch-again", Status.FAILED, {"failure": Failure.FILES}, Status.FETCHING),
]


@pytest.mark.parametrize(("action", "status", "columns", "after"), ACTIONS)
def test_owner_can_act(
    owner_client: Client,
    owner: Member,
    action: str,
    status: Status,
    columns: dict[str, Any],
    after: Status,
) -> None:
    row = make_generation(status, owner=owner, **columns)
    assert f"/generations/{row.pk}/{action}/" in card_in(owner_client.get("/").content, row)
    response = owner_client.post(f"/generations/{row.pk}/{action}/", {"version": "1"}, headers=HTMX)
    row.refresh_from_db()
    assert (response.status_code, row.status, row.version) == (200, after, 2)
    assert 'data-version="2"' in card_in(response.content, row)
    assert row.transitions.latest("pk").by == owner


@pytest.mark.parametrize(("action", "status", "columns", "after"), ACTIONS)
def test_stranger_cannot_act(
    stranger_client: Client,
    owner: Member,
    action: str,
    status: Status,
    columns: dict[str, Any],
    after: Status,
) -> None:
    row = make_generation(status, owner=owner, **columns)
    assert stranger_client.get(f"/generations/{row.pk}/").status_code == 200
    response = stranger_client.post(f"/generations/{row.pk}/{action}/", {"version": "1"})
    assert response.status_code == 404
    row.refresh_from_db()
    assert (row.status, row.version) == (status, 1)


def test_admin_can_act_on_any_card(admin_client: Client, owner: Member, admin: Member) -> None:
    row = make_generation(owner=owner)
    response = admin_client.post(f"/generations/{row.pk}/cancel/", {"version": "1"})
    assert (response.status_code, response["Location"]) == (302, f"/generations/{row.pk}/")
    assert row.transitions.latest("pk").by == admin


@pytest.mark.parametrize("version", ["7", "", "x", "-1", "9" * 30])
def test_action_with_a_stale_version_changes_nothing(
    owner_client: Client, owner: Member, version: str
) -> None:
    row = make_generation(owner=owner)
    data = {"version": version}
    response = owner_client.post(f"/generations/{row.pk}/cancel/", data, headers=HTMX)
    assert "This generation has changed" in card_in(response.content, row)
    page = owner_client.post(f"/generations/{row.pk}/cancel/", data, follow=True).content
    assert b"This generation has changed" in page
    row.refresh_from_db()
    assert row.status == Status.QUEUED


@pytest.mark.parametrize(
    ("action", "status", "columns", "task"),
    [
        ("send-again", Status.UNCONFIRMED, {}, "submit"),
        ("recheck", Status.RUNNING, {"lost_at": timezone.now()}, "poll"),
        ("fetch-again", Status.FAILED, {"failure": Failure.FILES}, "fetch"),
    ],
)
def test_action_wakes_up_its_loop(
    owner_client: Client,
    owner: Member,
    action: str,
    status: Status,
    columns: dict[str, Any],
    task: str,
) -> None:
    from django_q.models import OrmQ  # noqa: TID251

    row = make_generation(status, owner=owner, **columns)
    owner_client.post(f"/generations/{row.pk}/{action}/", {"version": "2"})
    assert not OrmQ.objects.exists()
    owner_client.post(f"/generations/{row.pk}/{action}/", {"version": "1"})
    assert [task.func() for task in OrmQ.objects.all()] == [f"generations.worker.tasks.{task}"]


@pytest.mark.parametrize("action", ["delete", "mark-failed", "_move", "save"])
def test_unknown_action_returns_404(owner_client: Client, owner: Member, action: str) -> None:
    row = make_generation(owner=owner)
    response = owner_client.post(f"/generations/{row.pk}/{action}/", {"version": "1"})
    assert response.status_code == 404


def test_action_rejects_get(owner_client: Client, owner: Member) -> None:
    row = make_generation(owner=owner)
    assert owner_client.get(f"/generations/{row.pk}/cancel/").status_code == 405


@pytest.mark.parametrize("pk", ["0", "99", "9" * 30])
def test_action_on_unknown_generation_returns_404(owner_client: Client, pk: str) -> None:
    assert owner_client.post(f"/generations/{pk}/cancel/", {"version": "1"}).status_code == 404


def test_stranger_sees_no_buttons(stranger_client: Client) -> None:
    row = make_generation(owner=make_member())
    card = card_in(stranger_client.get(f"/generations/{row.pk}/").content, row)
    assert "<button" not in card


# --- the durations -------------------------------------------------------------------------------


@pytest.fixture
def known_durations(owner: Member) -> None:
    """Thirty done generations: half took up to 16 s, nine of ten up to 28 s."""
    now = timezone.now()
    for seconds in range(1, 31):
        row = make_generation(Status.SUCCEEDED, owner=owner)
        sent = now - timedelta(seconds=seconds)
        Generation.objects.filter(pk=row.pk).update(
            created_at=now - timedelta(days=1), submitted_at=sent, finished_at=now
        )


@pytest.mark.usefixtures("known_durations")
@pytest.mark.parametrize(
    ("age", "words"),
    [(3, "usually 16 s to 30 s"), (27, "usually 16 s to 30 s"), (500, "")],
)
def test_running_card_shows_the_usual_duration(
    age: int, words: str, owner_client: Client, owner: Member
) -> None:
    sent = timezone.now() - timedelta(seconds=age)
    row = make_generation(Status.RUNNING, owner=owner, submitted_at=sent)
    card = card_in(owner_client.get("/").content, row)
    assert ("usually" in card) == bool(words)
    assert words in card


@pytest.mark.usefixtures("known_durations")
def test_queued_card_shows_an_estimate_unless_held(owner_client: Client, owner: Member) -> None:
    row = make_generation(owner=owner)
    assert "Ready in about" in card_in(owner_client.get("/").content, row)
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY)
    assert "Ready in about" not in card_in(owner_client.get("/").content, row)


def test_first_card_shows_what_the_engine_usually_takes(
    owner_client: Client, owner: Member
) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    assert "usually 10 s to 30 s" in card_in(owner_client.get("/").content, row)
    old = timezone.now() - timedelta(seconds=31)
    Generation.objects.filter(pk=row.pk).update(submitted_at=old)
    assert "usually" not in card_in(owner_client.get("/").content, row)


@pytest.mark.parametrize(
    ("in_progress", "text"), [(2, "Ready in about 10 s to 30 s"), (3, "Waiting for a free slot")]
)
def test_queued_card_tells_whether_there_is_room(
    owner_client: Client, owner: Member, settings: Settings, in_progress: int, text: str
) -> None:
    settings.CONCURRENCY_LIMIT = 4
    make_generation(Status.RUNNING, owner=make_member("bob"), n=in_progress)
    row = make_generation(owner=owner, n=2)
    assert text in card_in(owner_client.get("/").content, row)


def test_queued_card_tells_that_the_worker_has_stopped(owner_client: Client, owner: Member) -> None:
    row = make_generation(owner=owner)
    Lease.objects.create(name="worker", heartbeat_at=timezone.now() - timedelta(minutes=2))
    assert "The worker is not running." in card_in(owner_client.get("/").content, row)
    Lease.record_heartbeat("worker")
    assert "not running" not in card_in(owner_client.get("/").content, row)


@pytest.mark.usefixtures("known_durations")
def test_late_card_says_that_it_was_charged_once(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, late_at=timezone.now())
    assert "Charged once." in card_in(owner_client.get("/").content, row)
