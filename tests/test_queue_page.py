"""The queue page of admins, and the pause that every page shows."""

import re

import pytest
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ  # noqa: TID251
from pytest_django import Settings

from generations.models import Generation, Lease, Member, Status, UpstreamGate
from tests.builders import make_generation
from tests.forms import HTMX

pytestmark = pytest.mark.django_db


def page_of(client: Client, url: str = "/admin/queue/") -> str:
    """The page with one space between tags and inside each <dd>, without <time> tags."""
    page = re.sub(r"</?time[^>]*>", "", client.get(url).content.decode())
    page = page.replace("<d", " <d").replace("</dd", " </dd")
    return " ".join(page.replace("<dd>", "<dd> ").split())


def fact(term: object, value: str) -> str:
    """One row of the facts, as `page_of` returns it."""
    return f"<dt>{term}</dt> <dd> {value} </dd>"


def press_resume(client: Client, page: str) -> str:
    """Press the Resume button of that page, which may be stale."""
    pause = re.search(r'name="pause" value="([^"]*)"', page)
    assert pause, "the page has no Resume button"
    return client.post("/admin/queue/resume", {"pause": pause[1]}, follow=True).content.decode()


def test_queue_page_is_for_admins_only(owner_client: Client, admin_client: Client) -> None:
    assert 'href="/admin/queue/"' in admin_client.get("/admin/").content.decode()
    assert admin_client.get("/admin/queue/").status_code == 200
    assert owner_client.get("/admin/queue/").status_code == 403
    assert owner_client.post("/admin/queue/", {"reason": "mine now"}).status_code == 403
    assert not UpstreamGate.objects.exists()
    assert b'href="/admin/queue/"' not in owner_client.get("/").content


def test_members_cannot_resume(owner_client: Client, admin: Member) -> None:
    UpstreamGate.for_engine().pause(admin, "Lunch")
    assert owner_client.post("/admin/queue/resume").status_code == 403
    assert UpstreamGate.for_engine().is_paused


def test_get_requests_change_nothing(admin_client: Client, admin: Member) -> None:
    assert "Not running: the worker has no heartbeat." in page_of(admin_client)
    assert not UpstreamGate.objects.exists()
    UpstreamGate.for_engine().pause(admin, "Lunch")
    assert admin_client.get("/admin/queue/resume").status_code == 405
    assert UpstreamGate.for_engine().is_paused


# --- the pause ------------------------------------------------------------------------------------


def test_pause_is_shown_to_everyone_with_reason_and_admin(
    admin_client: Client, admin: Member, owner_client: Client
) -> None:
    response = admin_client.post("/admin/queue/", {"reason": "  The month's <money> is spent "})
    assert (response.status_code, response["Location"]) == (302, "/admin/queue/")
    gate = UpstreamGate.for_engine()
    assert (gate.paused_by, gate.pause_reason) == (admin, "The month's <money> is spent")
    page = page_of(owner_client, "/")
    assert "Generation is paused: The month&#x27;s &lt;money&gt; is spent" in page
    assert f"Paused by {admin.name}, " in page
    assert "Queued requests are kept and cost nothing." in page
    assert "Resume" not in page


def test_banner_offers_resume_and_details_to_admins(admin_client: Client, admin: Member) -> None:
    UpstreamGate.for_engine().pause(admin, "Lunch")
    page = page_of(admin_client, "/")
    assert 'id="banner-resume"' in page
    assert 'id="banner-details" href="/admin/queue/"' in page
    assert 'id="banner-details"' not in page_of(admin_client)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301, "a\x00b"])
def test_invalid_reason_shows_a_field_error_and_does_not_pause(
    admin_client: Client, reason: str
) -> None:
    response = admin_client.post("/admin/queue/", {"reason": reason})
    assert response.status_code == 422
    page = response.content.decode()
    assert 'id="reason-error"' in page
    assert f'name="reason" form="queue-form" maxlength="300" value="{reason}"' in page
    assert not UpstreamGate.objects.filter(paused_at__isnull=False).exists()


def test_empty_post_is_rejected(admin_client: Client) -> None:
    assert admin_client.post("/admin/queue/").status_code == 422


def test_second_pause_keeps_the_first_reason(admin_client: Client, admin: Member) -> None:
    UpstreamGate.for_engine().pause(admin, "Lunch")
    response = admin_client.post("/admin/queue/", {"reason": "Dinner"}, follow=True)
    assert b"Already paused." in response.content
    assert UpstreamGate.for_engine().pause_reason == "Lunch"


def test_pause_form_is_hidden_while_paused(admin_client: Client, admin: Member) -> None:
    assert 'name="reason"' in page_of(admin_client)
    UpstreamGate.for_engine().pause(admin, "Lunch")
    assert 'name="reason"' not in page_of(admin_client)


def test_each_button_of_the_form_keeps_what_was_typed_for_the_other(admin_client: Client) -> None:
    limits = {"limit": "7", "gap": ""}
    response = admin_client.post("/admin/queue/limits", limits | {"reason": "Lunch"}, follow=True)
    page = response.content.decode()
    assert UpstreamGate.for_engine().own_concurrency_limit == 7
    assert not UpstreamGate.for_engine().is_paused
    assert 'maxlength="300" value="Lunch"' in page
    assert 'value="Lunch"' not in page_of(admin_client)
    data = {"reason": "Lunch", "limit": "9", "gap": ""}
    page = admin_client.post("/admin/queue/", data, follow=True).content.decode()
    assert UpstreamGate.for_engine().pause_reason == "Lunch"
    assert UpstreamGate.for_engine().own_concurrency_limit == 7
    assert 'value="9"' in page
    assert 'value="9"' not in page_of(admin_client)


def test_errors_of_one_button_keep_what_was_typed_for_the_other(admin_client: Client) -> None:
    data = {"reason": "Lunch", "limit": "many", "gap": ""}
    page = admin_client.post("/admin/queue/limits", data).content.decode()
    assert 'id="limit-error"' in page and 'value="Lunch"' in page
    page = admin_client.post("/admin/queue/", data | {"reason": ""}).content.decode()
    assert 'id="reason-error"' in page and 'value="many"' in page
    assert not UpstreamGate.for_engine().is_paused


@pytest.mark.parametrize(
    ("data", "is_paused", "limit"),
    [
        ({"reason": "Lunch", "limit": "", "gap": ""}, True, None),
        ({"reason": "Lunch", "limit": "7", "gap": ""}, False, 7),
        ({"reason": "", "limit": "7", "gap": ""}, False, 7),
    ],
)
def test_enter_pauses_only_if_nothing_but_a_reason_was_typed(
    admin_client: Client, data: dict[str, str], is_paused: bool, limit: int | None
) -> None:
    admin_client.post("/admin/queue/", data | {"enter": "1"})
    gate = UpstreamGate.for_engine()
    assert (gate.is_paused, gate.own_concurrency_limit) == (is_paused, limit)


# --- resume --------------------------------------------------------------------------------------


def test_resume_ends_pause_and_hold_and_wakes_up_submit(
    admin_client: Client, admin: Member
) -> None:
    make_generation()
    UpstreamGate.for_engine().pause(admin, "Lunch")
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.ACCOUNT)
    press_resume(admin_client, page_of(admin_client))
    gate = UpstreamGate.for_engine()
    assert not gate.is_paused
    assert not gate.is_held
    woken = [wake_up.func() for wake_up in OrmQ.objects.all()]
    assert woken == ["generations.worker.tasks.submit", "generations.worker.tasks.poll"]


def test_resume_works_from_the_studio_banner(admin_client: Client, admin: Member) -> None:
    UpstreamGate.for_engine().pause(admin, "Lunch")
    press_resume(admin_client, page_of(admin_client, "/"))
    assert not UpstreamGate.for_engine().is_paused


@pytest.mark.parametrize("before", ["a hold", "another pause"])
def test_resume_from_a_stale_page_keeps_a_newer_pause(
    admin_client: Client, admin: Member, before: str
) -> None:
    if before == "a hold":
        UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY)
    else:
        UpstreamGate.for_engine().pause(admin, "Lunch")
    stale_page = page_of(admin_client)
    UpstreamGate.for_engine().resume()
    UpstreamGate.for_engine().pause(admin, "The key leaked")
    assert "Read the reason first." in press_resume(admin_client, stale_page)
    assert UpstreamGate.for_engine().pause_reason == "The key leaked"
    assert not OrmQ.objects.exists()


# --- open pages -----------------------------------------------------------------------------------


def test_open_pages_show_a_pause_and_its_end(
    owner_client: Client, owner: Member, admin: Member
) -> None:
    row = make_generation(owner=owner)
    stamps = ["open.2"]

    def poll() -> str:
        query = {"k": f"{row.pk}.1-1-open", "p": stamps[-1]}
        page = owner_client.get("/cards/changes", query).content.decode()
        stamps.extend(re.findall(r'data-page-stamp="([^"]+)"', page))
        return page

    UpstreamGate.for_engine().pause(admin, "Lunch")
    assert "Generation is paused: Lunch" in poll()
    UpstreamGate.for_engine().resume()
    UpstreamGate.for_engine().pause(admin, "Dinner")
    assert "Generation is paused: Dinner" in poll()
    UpstreamGate.for_engine().resume()
    page = poll()
    assert 'id="banner"' in page
    assert "Generation is paused" not in page
    assert len(set(stamps)) == 3


def test_card_action_updates_the_banner_and_its_stamp(
    owner_client: Client, owner: Member, admin: Member
) -> None:
    row = make_generation(Status.UNCONFIRMED, owner=owner)
    UpstreamGate.for_engine().pause(admin, "Lunch")
    url = f"/generations/{row.pk}/send-again/"
    page = owner_client.post(url, {"version": "1"}, headers=HTMX).content.decode()
    assert 'data-page-stamp="paused-' in page
    assert "Generation is paused: Lunch" in page


# --- the state --------------------------------------------------------------------------------


def test_counts_per_status_and_the_concurrency_limit_are_shown(admin_client: Client) -> None:
    for _row in range(3):
        make_generation()
    make_generation(Status.RUNNING, n=2)
    make_generation(Status.SUBMITTING)
    make_generation(Status.UNCONFIRMED)
    make_generation(Status.SUCCEEDED)
    UpstreamGate.for_engine()
    UpstreamGate.objects.update(concurrency_limit=5, concurrency_limit_changed_at=timezone.now())
    page = page_of(admin_client)
    expected = {
        Status.QUEUED: 3,
        Status.SUBMITTING: 1,
        Status.RUNNING: 1,
        Status.FETCHING: 0,
        Status.UNCONFIRMED: 1,
    }
    for status, count in expected.items():
        assert f"<dt>{status.label}</dt> <dd> {count} " in page
    assert "4 of 5" in page
    assert "1 of them is unconfirmed." in page
    images = re.findall(r"(\d+) images? in progress", page)
    assert images == ["1", "2", "1"]  # sending, generating, unconfirmed: 4 in all
    assert "after a rate limit. Recovers automatically." in page


def test_limit_is_shown_without_note_unless_it_was_reduced(
    admin_client: Client, settings: Settings
) -> None:
    assert fact("Images in progress", "0 of 20") in page_of(admin_client)
    assert "Reduced" not in page_of(admin_client)
    settings.CONCURRENCY_LIMIT = 0
    assert fact("Images in progress", "0, no limit") in page_of(admin_client)


def test_counts_are_capped(
    admin_client: Client, owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.web.counts.MAX_COUNT", 2)
    for _row in range(2):
        make_generation(owner=owner)
    assert fact(Status.QUEUED.label, "2") in page_of(admin_client)
    make_generation(owner=owner)
    assert fact(Status.QUEUED.label, "more than 2") in page_of(admin_client)


def test_generations_of_another_upstream_are_not_counted(admin_client: Client) -> None:
    make_generation()
    Generation.objects.update(upstream="live")
    assert fact(Status.QUEUED.label, "0") in page_of(admin_client)


def test_hold_shows_reason_start_and_next_retry(admin_client: Client, owner_client: Client) -> None:
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.ACCOUNT, '{"message": "<b>1102"}')
    gate, page = UpstreamGate.for_engine(), page_of(admin_client)
    assert gate.held_at
    assert gate.probe_at
    assert "Kling is on hold: its account is empty." in page
    assert "Top up the account, then press Resume." in page
    assert fact("On hold since", f"{gate.held_at:%-d %b, %H:%M:%S}") in page
    assert fact("Next retry", f"{gate.probe_at:%-d %b, %H:%M:%S}") in page
    assert "{&quot;message&quot;: &quot;&lt;b&gt;1102&quot;}" in page
    member_page = page_of(owner_client, "/")
    assert "Generation resumes automatically after a top-up." in member_page
    assert "1102" not in member_page


def test_paused_page_still_shows_the_hold(admin_client: Client, admin: Member) -> None:
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY, "invalid token")
    UpstreamGate.for_engine().pause(admin, "Lunch")
    page = page_of(admin_client)
    assert "Generation is paused: Lunch" in page
    assert "Kling is on hold: it rejects the API key." in page
    assert "invalid token" in page


def test_wait_shows_when_sending_resumes(admin_client: Client) -> None:
    Lease.record_heartbeat("worker")
    assert "Running. No request was sent since the start." in page_of(admin_client)
    UpstreamGate.for_engine().stay_silent(3600)
    until, page = UpstreamGate.for_engine().silent_until, page_of(admin_client)
    assert "Kling is busy. Sending resumes at" in page
    assert fact("Sending resumes", f"{until:%-d %b, %H:%M:%S}") in page
    assert "Running." not in page
    assert 'action="/admin/queue/resume"' in page


def test_last_heartbeat_of_the_worker_is_shown(admin_client: Client) -> None:
    assert fact("Worker last seen", "never") in page_of(admin_client)
    Lease.record_heartbeat("worker")
    assert fact("Worker last seen", "just now") in page_of(admin_client)


def test_figures_refresh_in_place(admin_client: Client) -> None:
    page = page_of(admin_client)
    [facts] = re.findall(r'<dl[^>]*id="queue-facts"[^>]*>', page)
    assert 'data-hx-get="/admin/queue/"' in facts
    assert 'data-hx-trigger="every 10s"' in facts
    [also] = re.findall(r'data-hx-select-oob="#([^"]+)"', facts)
    for name in also.split(",#"):
        assert f'id="{name}"' in page
    assert re.search(r"<script[^>]*htmx", page)
