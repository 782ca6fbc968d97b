"""The page of the line: for admins, with the pause that everybody reads."""

import re

import pytest
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ  # noqa: TID251
from pytest_django import Settings

from generations.models import Generation, Lease, Member, Status, UpstreamGate
from generations.web import queue as queue_page
from tests.builders import make_generation
from tests.forms import HTMX

pytestmark = pytest.mark.django_db


def page_of(client: Client, address: str = "/queue/") -> str:
    return " ".join(client.get(address).content.decode().split())


def press_resume(client: Client, page: str) -> str:
    """The button as it stands on that page."""
    pause = re.search(r'name="pause" value="([^"]*)"', page)
    assert pause, "there is no button to resume"
    return client.post("/queue/resume", {"pause": pause[1]}, follow=True).content.decode()


def test_the_page_is_for_admins_alone(owner_client: Client, admin_client: Client) -> None:
    assert 'href="/queue/"' in admin_client.get("/").content.decode()
    assert admin_client.get("/queue/").status_code == 200
    assert owner_client.get("/queue/").status_code == 403
    assert owner_client.post("/queue/", {"reason": "mine now"}).status_code == 403
    assert not UpstreamGate.objects.exists()
    assert b'href="/queue/"' not in owner_client.get("/").content


def test_nobody_else_resumes(owner_client: Client, admin: Member) -> None:
    UpstreamGate.for_engine().pause(admin, "Lunch")
    assert owner_client.post("/queue/resume").status_code == 403
    assert UpstreamGate.for_engine().is_paused


def test_nothing_is_paused_or_resumed_by_looking(admin_client: Client, admin: Member) -> None:
    assert "Open: what is asked for is sent" in page_of(admin_client)
    assert not UpstreamGate.objects.exists()
    UpstreamGate.for_engine().pause(admin, "Lunch")
    assert admin_client.get("/queue/resume").status_code == 405
    assert UpstreamGate.for_engine().is_paused


# --- the pause ------------------------------------------------------------------------------------


def test_a_pause_is_told_to_all_with_its_reason_and_who(
    admin_client: Client, admin: Member, owner_client: Client
) -> None:
    answer = admin_client.post("/queue/", {"reason": "  The month's <money> is spent "})
    assert (answer.status_code, answer["Location"]) == (302, "/queue/")
    gate = UpstreamGate.for_engine()
    assert (gate.paused_by, gate.pause_reason) == (admin, "The month's <money> is spent")
    page = page_of(owner_client, "/")
    assert "The line is paused: The month&#x27;s &lt;money&gt; is spent" in page
    assert f"By {admin.name}, since " in page
    assert "What waits is kept and costs nothing." in page
    assert "Resume" not in page


def test_admins_find_resume_and_details_in_the_banner(admin_client: Client, admin: Member) -> None:
    UpstreamGate.for_engine().pause(admin, "Lunch")
    page = page_of(admin_client, "/")
    assert 'id="banner-resume"' in page
    assert 'id="banner-details" href="/queue/"' in page
    assert 'id="banner-details"' not in page_of(admin_client)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301, "a\x00b"])
def test_a_pause_without_a_reason_is_refused_beside_the_field(
    admin_client: Client, reason: str
) -> None:
    answer = admin_client.post("/queue/", {"reason": reason})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert 'id="reason-error"' in page
    assert f'name="reason" maxlength="300" value="{reason}"' in page
    assert not UpstreamGate.objects.filter(paused_at__isnull=False).exists()


def test_an_empty_post_is_a_pause_without_a_reason(admin_client: Client) -> None:
    assert admin_client.post("/queue/").status_code == 422


def test_the_first_pause_stands(admin_client: Client, admin: Member) -> None:
    UpstreamGate.for_engine().pause(admin, "Lunch")
    answer = admin_client.post("/queue/", {"reason": "Dinner"}, follow=True)
    assert b"It was paused already." in answer.content
    assert UpstreamGate.for_engine().pause_reason == "Lunch"


def test_while_it_is_paused_nobody_is_asked_to_pause_it(
    admin_client: Client, admin: Member
) -> None:
    assert 'name="reason"' in page_of(admin_client)
    UpstreamGate.for_engine().pause(admin, "Lunch")
    assert 'name="reason"' not in page_of(admin_client)


# --- its end --------------------------------------------------------------------------------------


def test_a_resume_lets_the_queue_go_at_once(admin_client: Client, admin: Member) -> None:
    make_generation()
    UpstreamGate.for_engine().pause(admin, "Lunch")
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.ACCOUNT)
    press_resume(admin_client, page_of(admin_client))
    gate = UpstreamGate.for_engine()
    assert not gate.is_paused
    assert not gate.is_held
    assert [kick.func() for kick in OrmQ.objects.all()] == ["generations.worker.tasks.submit"]


def test_a_resume_from_the_banner_of_a_card_does_the_same(
    admin_client: Client, admin: Member
) -> None:
    UpstreamGate.for_engine().pause(admin, "Lunch")
    press_resume(admin_client, page_of(admin_client, "/"))
    assert not UpstreamGate.for_engine().is_paused


@pytest.mark.parametrize("before", ["a hold", "another pause"])
def test_a_press_on_an_old_page_ends_no_pause_that_it_did_not_show(
    admin_client: Client, admin: Member, before: str
) -> None:
    if before == "a hold":
        UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY)
    else:
        UpstreamGate.for_engine().pause(admin, "Lunch")
    old = page_of(admin_client)
    UpstreamGate.for_engine().resume()
    UpstreamGate.for_engine().pause(admin, "Somebody broke in")
    assert "read why first" in press_resume(admin_client, old)
    assert UpstreamGate.for_engine().pause_reason == "Somebody broke in"
    assert not OrmQ.objects.exists()


# --- open pages -----------------------------------------------------------------------------------


def test_an_open_page_learns_of_a_pause_of_another_and_of_its_end(
    owner_client: Client, owner: Member, admin: Member
) -> None:
    row = make_generation(owner=owner)
    stamps = ["open.2"]

    def ask() -> str:
        question = {"k": f"{row.pk}.1-1-open", "p": stamps[-1]}
        page = owner_client.get("/cards/changes", question).content.decode()
        stamps.extend(re.findall(r'data-page-stamp="([^"]+)"', page))
        return page

    UpstreamGate.for_engine().pause(admin, "Lunch")
    assert "The line is paused: Lunch" in ask()
    UpstreamGate.for_engine().resume()
    UpstreamGate.for_engine().pause(admin, "Dinner")
    assert "The line is paused: Dinner" in ask()
    UpstreamGate.for_engine().resume()
    page = ask()
    assert 'id="banner"' in page
    assert "The line is paused" not in page
    assert len(set(stamps)) == 3


def test_a_press_on_a_card_brings_the_banner_with_the_stamp(
    owner_client: Client, owner: Member, admin: Member
) -> None:
    row = make_generation(Status.UNCONFIRMED, owner=owner)
    UpstreamGate.for_engine().pause(admin, "Lunch")
    address = f"/generations/{row.pk}/send-again/"
    page = owner_client.post(address, {"version": "1"}, headers=HTMX).content.decode()
    assert 'data-page-stamp="paused-' in page
    assert "The line is paused: Lunch" in page


# --- how it stands --------------------------------------------------------------------------------


def test_it_says_how_much_is_where_and_how_wide_it_is(admin_client: Client) -> None:
    for _row in range(3):
        make_generation()
    make_generation(Status.RUNNING, n=2)
    make_generation(Status.SUBMITTING)
    make_generation(Status.UNCONFIRMED)
    make_generation(Status.SUCCEEDED)
    UpstreamGate.for_engine()
    UpstreamGate.objects.update(concurrency_limit=5, concurrency_limit_changed_at=timezone.now())
    page = page_of(admin_client)
    for words, count in (
        ("Waiting in line", 3), ("Sending", 1), ("Making", 1), ("Made, fetching", 0),
        ("Sent, no answer", 1),
    ):  # fmt: skip
        assert f"<dt>{words}</dt><dd>{count}</dd>" in page
    assert "4 of 5 pictures" in page
    assert "after Kling had said “too many”" in page


def test_what_is_not_narrowed_is_not_called_so(admin_client: Client, settings: Settings) -> None:
    assert "0 of 20 pictures" in page_of(admin_client)
    assert "Narrowed" not in page_of(admin_client)
    settings.CONCURRENCY_LIMIT = 0
    assert "0 pictures, no limit of ours" in page_of(admin_client)


def test_what_waits_by_the_thousand_is_not_counted_to_its_end(
    admin_client: Client, owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_page, "MAX_COUNT", 2)
    for _row in range(2):
        make_generation(owner=owner)
    assert "<dt>Waiting in line</dt><dd>2</dd>" in page_of(admin_client)
    make_generation(owner=owner)
    assert "<dt>Waiting in line</dt><dd>more than 2</dd>" in page_of(admin_client)


def test_what_was_asked_of_another_upstream_is_not_of_this_line(admin_client: Client) -> None:
    make_generation()
    Generation.objects.update(upstream="live")
    assert "<dt>Waiting in line</dt><dd>0</dd>" in page_of(admin_client)


def test_a_hold_says_why_since_when_and_when_it_tries_again(
    admin_client: Client, owner_client: Client
) -> None:
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.ACCOUNT, '{"message": "<b>1102"}')
    gate, page = UpstreamGate.for_engine(), page_of(admin_client)
    assert gate.held_at
    assert gate.probe_at
    assert "The line is on hold: the Kling account is empty." in page
    assert "Top up, then resume" in page
    assert f"<dt>On hold since</dt><dd>{gate.held_at:%-d %b, %H:%M:%S}</dd>" in page
    assert f"<dt>Tried again at</dt><dd>{gate.probe_at:%-d %b, %H:%M:%S}</dd>" in page
    assert "{&quot;message&quot;: &quot;&lt;b&gt;1102&quot;}" in page
    told = page_of(owner_client, "/")
    assert "It starts by itself after a top-up." in told
    assert "1102" not in told


def test_a_pause_hides_no_hold_behind_it(admin_client: Client, admin: Member) -> None:
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY, "invalid token")
    UpstreamGate.for_engine().pause(admin, "Lunch")
    page = page_of(admin_client)
    assert "The line is paused: Lunch" in page
    assert "Kling refuses our key" in page
    assert "invalid token" in page


def test_a_wait_is_told_with_its_end(admin_client: Client) -> None:
    assert "Busy" not in page_of(admin_client)
    UpstreamGate.for_engine().stay_silent(3600)
    until, page = UpstreamGate.for_engine().silent_until, page_of(admin_client)
    assert "Busy: Kling has no room for now." in page
    assert f"<dt>Nothing sent until</dt><dd>{until:%-d %b, %H:%M:%S}</dd>" in page
    assert "Open: what is asked for" not in page


def test_the_last_sign_of_the_worker_is_told(admin_client: Client) -> None:
    assert "<dt>Last sign of the worker</dt><dd>none yet</dd>" in page_of(admin_client)
    Lease.record_heartbeat("worker")
    assert "<dt>Last sign of the worker</dt><dd>just now</dd>" in page_of(admin_client)
