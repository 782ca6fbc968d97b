"""The overview of the admin: what it says, and the decisions that are made on it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from generations.models import (
    AuditAction,
    AuditEntry,
    Failure,
    Generation,
    Lease,
    Member,
    Picture,
    Quote,
    Recovered,
    Setting,
    Status,
    Team,
    TransitionReason,
    UpstreamGate,
    team_settings,
)
from generations.models.money import CheckedLedger, Limit, LimitRequest, Period, Price, Window
from generations.models.money.refused_kind import RefusedKind
from generations.models.money.usage import pace_e4
from generations.operations import ledger_check
from generations.requests import ACTIONS, GenerationRequest, NotOffered, Unpriced, create
from generations.web.admin import doubtful, figures
from generations.web.admin.gate_state import ago
from generations.web.admin.week import recovered_text, week
from tests.builders import make_generation, make_submission
from tests.conftest import client_for
from tests.faulty_database import failing_audit_entry
from tests.forms import HTMX

pytestmark = pytest.mark.django_db

PRICE_E4 = 1200


def page_of(client: Client, url: str = "/admin/") -> str:
    """The page with one space between words, and without <time> tags."""
    page = re.sub(r"</?time[^>]*>", "", client.get(url).content.decode())
    return " ".join(page.split())


def press(owner: Member, key: str, n: int = 1, **columns: object) -> Generation:
    """A request with its reservation."""
    quote = Quote("kling", "kling-v1", "", PRICE_E4, n)
    values = {"prompt": f"A pear, {key}", "aspect_ratio": "1:1", "n": n} | columns
    row, _created = Generation.objects.request(owner=owner, key=key, quote=quote, **values)
    return row


def in_state(row: Generation, status: Status, **columns: object) -> Generation:
    """Bring a row into a state without its loops; its submission was sent 12 minutes ago."""
    now = timezone.now()
    values = {"status": status, "attempt": 1} | columns
    if status == Status.RUNNING:
        values |= {"upstream_task_id": f"task-{row.pk}", "accepted_at": now}
    Generation.objects.filter(pk=row.pk).update(**values)
    row.refresh_from_db()
    make_submission(row, sent_at=now - timedelta(minutes=12))
    return row


def decide(client: Client, row: Generation, action: str, **data: object) -> str:
    values = {"version": str(row.version)} | data
    response = client.post(f"/admin/decide/{row.pk}/{action}", values, follow=True)
    return " ".join(response.content.decode().split())


# --- the state ------------------------------------------------------------------------------


def test_state_says_whether_generation_works(admin_client: Client, admin: Member) -> None:
    assert "Not running: the worker has no heartbeat." in page_of(admin_client)
    Lease.record_heartbeat("worker")
    assert "Running. No request was sent since the start." in page_of(admin_client)
    gate = UpstreamGate.for_engine()
    UpstreamGate.objects.update(answered_at=timezone.now() - timedelta(seconds=4))
    assert re.search(
        r"Generating\. Last answer from the gateway [45] s ago\.", page_of(admin_client)
    )
    gate.hold(UpstreamGate.HoldReason.ACCOUNT)
    page = page_of(admin_client)
    assert "Kling is on hold: its account is empty. Other engines go on." in page
    assert 'id="resume"' in page
    gate.pause(admin, "Lunch")
    page = page_of(admin_client)
    assert "Paused: Lunch" in page
    assert 'id="resume"' in page
    assert 'id="pause"' not in page


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (47 * 3600, "47 h ago"),
        (48 * 3600, "2 days ago"),
    ],
)
def test_ago(seconds: int, expected: str) -> None:
    assert ago(timezone.now() - timedelta(seconds=seconds + 0.1)) == expected


def test_resume_from_the_overview_returns_there(admin_client: Client, admin: Member) -> None:
    UpstreamGate.for_engine().pause(admin, "Lunch")
    pause = re.search(r'name="pause" value="([^"]+)"', page_of(admin_client))
    assert pause
    response = admin_client.post("/admin/queue/resume", {"pause": pause[1], "page": "overview"})
    assert response["Location"] == "/admin/"
    assert not UpstreamGate.for_engine().is_paused


def test_refresh_renders_the_content_alone(admin_client: Client) -> None:
    page = admin_client.get("/admin/", headers=HTMX).content.decode()
    assert page.lstrip().startswith('<div id="overview"')
    assert "<html" not in page


def test_nothing_to_decide(admin_client: Client) -> None:
    assert "Nothing needs a decision." in page_of(admin_client)


# --- generations -------------------------------------------------------------------------------


def test_unconfirmed_is_dismissed_from_the_overview(
    admin_client: Client, admin: Member, owner: Member
) -> None:
    row = in_state(press(owner, "lost light", n=4), Status.UNCONFIRMED)
    page = page_of(admin_client)
    assert f"{owner.name}, 4 images:" in page
    assert "“A pear, lost light”" in page
    assert "Sent 12 min ago, no answer. $0.48 may have been charged." in page
    assert "Dismissed. $0.48 counts as charged." in decide(admin_client, row, "dismiss")
    row.refresh_from_db()
    assert (row.status, row.charged_e4) == (Status.ABANDONED, 4 * PRICE_E4)
    entry = AuditEntry.objects.get(action=AuditAction.DISMISSED)
    assert (entry.by, entry.target_id, entry.target_label) == (
        admin,
        str(row.pk),
        f"generation {row.pk}",
    )
    assert "Nothing needs a decision." in page_of(admin_client)


def test_several_are_dismissed_at_once_after_a_page_that_says_the_cost(
    admin_client: Client, owner: Member
) -> None:
    rows = [
        in_state(press(owner, name, n=2, is_private=name == "c"), Status.UNCONFIRMED)
        for name in ("a", "b", "c")
    ]
    assert "?select=unconfirmed#stuck-unconfirmed" in page_of(admin_client, "/admin/queue/")
    page = page_of(admin_client, "/admin/queue/?select=unconfirmed")
    ticked = re.findall(r'name="row" value="([^"]+)" form="decide-several" checked', page)
    assert ticked == [f"{row.pk}:{row.version}" for row in rows]
    answer = {"row": ticked, "action": "dismiss"}
    page = admin_client.post("/admin/decide/several", answer).content.decode()
    assert "Dismiss 3 requests?" in page
    assert "Up to $0.72 counts as charged" in page
    assert "A pear" not in page
    assert not Generation.objects.filter(status=Status.ABANDONED).exists()
    Generation.objects.filter(pk=rows[1].pk).update(version=rows[1].version + 1)
    answer["confirmed"] = "1"
    page = admin_client.post("/admin/decide/several", answer, follow=True).content.decode()
    assert "2 requests were decided." in page
    assert "1 request was left as it is. This generation has changed." in page
    assert set(Generation.objects.filter(status=Status.ABANDONED)) == {rows[0], rows[2]}
    assert AuditEntry.objects.filter(action=AuditAction.DISMISSED).count() == 2
    assert admin_client.post("/admin/decide/several", {"action": "send-again"}).status_code == 404
    nothing = admin_client.post("/admin/decide/several", {"action": "dismiss"}, follow=True)
    assert "Select at least one request." in nothing.content.decode()


def test_a_database_that_is_busy_meanwhile_does_not_hide_what_was_decided(
    admin_client: Client, owner: Member
) -> None:
    rows = [in_state(press(owner, name), Status.UNCONFIRMED) for name in ("a", "b", "c")]
    answer: dict[str, Any] = {"row": [f"{row.pk}:{row.version}" for row in rows]}
    answer |= {"action": "dismiss", "confirmed": "1"}
    with failing_audit_entry(2):
        page = admin_client.post("/admin/decide/several", answer, follow=True).content.decode()
    assert "1 request was decided." in page
    assert "2 requests were left as they are. Could not save." in page
    assert list(Generation.objects.filter(status=Status.ABANDONED)) == rows[:1]


@pytest.mark.parametrize("action", ["dismiss", "recheck", "enter-task-id"])
def test_outdated_page_changes_nothing(admin_client: Client, owner: Member, action: str) -> None:
    row = in_state(press(owner, "a"), Status.RUNNING, lost_at=timezone.now())
    Generation.objects.filter(pk=row.pk).update(version=row.version + 1)
    page = decide(admin_client, row, action, upstream_task_id="new")
    assert "This generation has changed." in page
    row.refresh_from_db()
    assert row.status == Status.RUNNING
    assert row.lost_at is not None
    assert not AuditEntry.objects.exists()


def test_private_prompt_of_another_is_masked_and_can_still_be_decided(
    admin_client: Client, owner: Member
) -> None:
    row = in_state(press(owner, "the-secret", is_private=True), Status.UNCONFIRMED)
    for url in ("/admin/", "/admin/queue/"):
        page = page_of(admin_client, url)
        assert "the-secret" not in page
        assert f"{owner.name}, 1 image: private" in page
        assert f'href="/generations/{row.pk}/"' not in page
    assert "the-secret" not in decide(admin_client, row, "dismiss")
    assert "the-secret" not in str(AuditEntry.objects.values())
    row.refresh_from_db()
    assert row.status == Status.ABANDONED


def test_own_private_prompt_is_shown(admin_client: Client, admin: Member) -> None:
    in_state(press(admin, "my own", is_private=True), Status.UNCONFIRMED)
    assert "“A pear, my own”" in page_of(admin_client)


def test_what_a_member_asks_to_check_is_listed_first(admin_client: Client, owner: Member) -> None:
    rows = [make_generation(Status.UNCONFIRMED, owner=owner, attempt=1) for _row in range(12)]
    assert f'id="decision-{rows[-1].pk}"' not in admin_client.get("/admin/").content.decode()
    rows[-1].ask_admin(owner, rows[-1].version)
    page = admin_client.get("/admin/").content.decode()
    assert re.findall(r'id="decision-(\d+)"', page)[0] == str(rows[-1].pk)


def test_lost_task_is_checked_again(admin_client: Client, owner: Member) -> None:
    row = in_state(press(owner, "a"), Status.RUNNING, lost_at=timezone.now())
    assert "Sent 12 min ago, no result. $0.12 may have been charged." in page_of(admin_client)
    assert "Checking again, which is free." in decide(admin_client, row, "recheck")
    row.refresh_from_db()
    assert row.lost_at is None
    assert row.next_poll_at is not None
    assert AuditEntry.objects.get().action == AuditAction.RECHECKED


def test_running_task_that_the_gateway_does_not_know_is_in_doubt(admin_client: Client) -> None:
    row = make_generation(Status.RUNNING, upstream_task_id="mistyped")
    text = "The gateway does not know this task ID"
    assert text not in admin_client.get("/admin/").content.decode()
    Generation.objects.filter(pk=row.pk).update(first_not_found_at=timezone.now())
    page = admin_client.get("/admin/").content.decode()
    assert text in page
    assert "1 not found by the gateway" in page
    assert text in admin_client.get("/admin/queue/").content.decode()


@pytest.mark.parametrize("page", ["overview", "queue"])
def test_task_that_the_gateway_does_not_know_is_decided_from_both_pages(
    admin_client: Client, owner: Member, page: str
) -> None:
    url = {"overview": "/admin/", "queue": "/admin/queue/"}[page]
    now = timezone.now()
    mistyped, unknown = (
        in_state(press(owner, key), Status.RUNNING, first_not_found_at=now) for key in "ab"
    )
    buttons = admin_client.get(url).content.decode()
    for row in (mistyped, unknown):
        assert f'id="decision-{row.pk}-enter"' in buttons
        assert f'id="decision-{row.pk}-dismiss"' in buttons
    decide(admin_client, mistyped, "enter-task-id", upstream_task_id="in-the-log", page=page)
    mistyped.refresh_from_db()
    assert (mistyped.upstream_task_id, mistyped.first_not_found_at) == ("in-the-log", None)
    assert "$0.12 counts as charged." in decide(admin_client, unknown, "dismiss", page=page)
    unknown.refresh_from_db()
    assert unknown.status == Status.ABANDONED


def test_task_id_is_entered_and_a_taken_one_is_explained(
    admin_client: Client, owner: Member
) -> None:
    row = in_state(press(owner, "a"), Status.UNCONFIRMED)
    make_generation(Status.RUNNING, upstream_task_id="taken")
    refused = (
        ("", "Enter the task ID"),
        ("taken", "already has this task"),
        ("x y", "A task ID has no spaces."),
    )
    for task_id, error in refused:
        response = admin_client.post(
            f"/admin/decide/{row.pk}/enter-task-id",
            {"version": str(row.version), "upstream_task_id": task_id},
        )
        assert response.status_code == 422
        page = response.content.decode()
        assert error in page
        assert f'aria-describedby="decision-{row.pk}-task-error"' in page
    page = decide(admin_client, row, "enter-task-id", upstream_task_id="in-the-log", page="queue")
    assert "Checking this task, which is free." in page
    assert "<h1>Queue</h1>" in page
    row.refresh_from_db()
    assert (row.status, row.upstream_task_id) == (Status.RUNNING, "in-the-log")


def test_search_is_offered_only_where_the_gateway_can_be_searched(
    admin_client: Client, owner: Member, settings: Settings
) -> None:
    settings.UPSTREAM_LOOKUP = "reference"
    row = in_state(press(owner, "a"), Status.UNCONFIRMED, next_poll_at=timezone.now())
    assert f'id="decision-{row.pk}-search"' in page_of(admin_client)
    assert "Checking again, which is free." in decide(admin_client, row, "search")
    settings.UPSTREAM_LOOKUP = ""
    page = page_of(admin_client)
    assert f'id="decision-{row.pk}-search"' not in page
    assert f'<summary class="button primary" id="decision-{row.pk}-enter">' in page


def test_late_task_is_no_decision_at_first(admin_client: Client, owner: Member) -> None:
    row = in_state(press(owner, "a"), Status.RUNNING, late_at=timezone.now())
    assert "Nothing needs a decision." in page_of(admin_client)
    assert f'id="decision-{row.pk}-dismiss"' in page_of(admin_client, "/admin/queue/")
    hours_ago = timezone.now() - timedelta(hours=2)
    Generation.objects.filter(pk=row.pk).update(late_at=hours_ago)
    assert f'id="decision-{row.pk}-dismiss"' in page_of(admin_client)


def test_failed_download_is_started_again(admin_client: Client) -> None:
    row = make_generation(Status.FAILED, failure=Failure.FILES, n=2)
    old = make_generation(Status.FAILED, failure=Failure.FILES, prompt="An old pear")
    eight_days_ago = timezone.now() - timedelta(days=8)
    Generation.objects.filter(pk=old.pk).update(created_at=eight_days_ago)
    page = page_of(admin_client)
    assert "2 images could not be downloaded. Downloading them again is free." in page
    assert "An old pear" not in page
    row.refresh_from_db()
    assert "Downloading again, which is free." in decide(admin_client, row, "fetch-again")
    assert set(row.pictures.values_list("state", flat=True)) == {Picture.State.WANTED}


def test_members_decide_nothing(owner_client: Client, owner: Member) -> None:
    row = in_state(press(owner, "a"), Status.UNCONFIRMED)
    response = owner_client.post(f"/admin/decide/{row.pk}/dismiss", {"version": str(row.version)})
    assert response.status_code == 403
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED


def test_only_actions_that_cost_nothing_more_are_possible(
    admin_client: Client, owner: Member
) -> None:
    row = in_state(press(owner, "a"), Status.UNCONFIRMED)
    url = f"/admin/decide/{row.pk}/send-again"
    assert admin_client.post(url, {"version": str(row.version)}).status_code == 404


def test_queries_do_not_grow_with_what_waits(admin_client: Client, owner: Member) -> None:
    def count() -> int:
        page_of(admin_client)  # fills caches
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page_of(admin_client)
        return len(queries)

    in_state(press(owner, "0"), Status.UNCONFIRMED)
    few = count()
    for number in range(1, 30):
        in_state(press(owner, str(number)), Status.UNCONFIRMED)
    assert count() == few
    page = page_of(admin_client)
    assert page.count('class="decision"') == 10
    assert 'href="/admin/queue/#stuck"' in page


# --- money -------------------------------------------------------------------------------------


def test_request_for_more_is_granted_from_the_overview(admin_client: Client, owner: Member) -> None:
    Limit.objects.put(Limit.Scope.MEMBER, Window.MONTH, member=owner, money_e4=800_000)
    Limit.objects.put(Limit.Scope.TEAM, Window.MONTH, money_e4=8_000_000)
    row = LimitRequest.objects.create(person=owner, amount_e4=200_000, reason="Review on Friday")
    page = page_of(admin_client)
    assert f"{owner.name} wants $20.00 until" in page
    assert "Has $80.00 left of $80.00." in page
    admin_client.post(f"/admin/requests/{row.pk}/grant")
    assert "Nothing needs a decision." in page_of(admin_client)


def test_refused_kinds_are_counted_until_they_have_a_price(
    admin_client: Client, owner: Member, settings: Settings
) -> None:
    settings.UNPRICED = "refuse"
    for number in range(3):
        with pytest.raises(Unpriced):
            create(owner, GenerationRequest("A pear", "1:1"), f"key-{number}")
    kind = RefusedKind.objects.get()
    assert (kind.count, kind.engine) == (3, "kling")
    page = page_of(admin_client)
    assert "Kling 1 was refused 3 times since" in page
    query = f"engine=kling&amp;model={kind.model}&amp;option="
    form = page_of(admin_client, f"/admin/generations/price/add/?{query.replace('&amp;', '&')}")
    assert f'value="{kind.model}"' in form
    assert f"/admin/generations/price/add/?{query}" in page
    Price.objects.create(engine="kling", model=kind.model, amount_e4=PRICE_E4)
    assert not RefusedKind.objects.exists()
    assert "Nothing needs a decision." in page_of(admin_client)


def test_hidden_kind_is_decided_and_no_longer_offered(
    admin_client: Client, admin: Member, owner: Member, settings: Settings
) -> None:
    settings.UNPRICED = "refuse"
    with pytest.raises(Unpriced):
        create(owner, GenerationRequest("A pear", "1:1"), "key-0")
    kind = RefusedKind.objects.get()
    page = page_of(admin_client)
    assert "Hide this model" in page
    page = admin_client.post(f"/admin/kinds/{kind.pk}/hide", follow=True).content.decode()
    assert "Kling 1 is not offered any more." in page
    assert "Nothing needs a decision." in page
    Price.objects.create(engine="kling", model="kling-v1", amount_e4=PRICE_E4)
    with pytest.raises(NotOffered):
        create(owner, GenerationRequest("A pear", "1:1"), "key-1")
    assert not RefusedKind.objects.exists()
    entry = AuditEntry.objects.get(action=AuditAction.SETTING_CHANGED)
    assert (entry.by, entry.after) == (admin, {"value": ["kling kling-v1"]})
    assert admin_client.post(f"/admin/kinds/{kind.pk}/hide").status_code == 404


def test_hidden_option_is_no_choice_of_the_studio(owner_client: Client) -> None:
    Setting.objects.create(name="upstream_profile", value="extended")
    team_settings.forget()
    assert 'value="2k"' in owner_client.get("/").content.decode()
    Setting.objects.create(name="hidden_kinds", value=["kling kling-v1 2k"])
    team_settings.forget()
    assert 'value="2k"' not in owner_client.get("/").content.decode()


def test_refused_kinds_are_no_matter_where_they_are_only_counted(
    admin_client: Client, owner: Member, settings: Settings
) -> None:
    settings.UNPRICED = "refuse"
    with pytest.raises(Unpriced):
        create(owner, GenerationRequest("A pear", "1:1"), "key")
    Team(unpriced=Team.Unpriced.COUNT).save()
    assert "Nothing needs a decision." in page_of(admin_client)


def test_sending_again_without_a_price_is_counted_and_changes_nothing(
    owner: Member, settings: Settings
) -> None:
    settings.UNPRICED = "refuse"
    row = in_state(press(owner, "a"), Status.UNCONFIRMED)
    with pytest.raises(Unpriced):
        ACTIONS["send-again"](row, owner, row.version)
    assert RefusedKind.objects.get().count == 1
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED


def test_difference_in_the_ledger_is_shown_until_a_check_finds_none(
    admin_client: Client, owner: Member
) -> None:
    press(owner, "a")
    Period.objects.filter(member=owner, window=Window.DAY).update(charged_e4=12_000)
    ledger_check.check_daily()
    page = page_of(admin_client)
    assert "The ledger does not add up." in page
    assert "1.2, but the entries say 0" in page
    Period.objects.filter(member=owner, window=Window.DAY).update(charged_e4=0)
    ledger_check.check_daily()
    assert CheckedLedger.objects.get().count == 0
    assert "The ledger does not add up." not in page_of(admin_client)


def test_at_risk_is_what_the_ledger_reserves_for_rows_in_doubt(
    owner: Member, settings: Settings
) -> None:
    press(owner, "waits")
    twice = in_state(press(owner, "a", n=2), Status.UNCONFIRMED)
    assert twice.send_again(owner, twice.version, Quote("kling", "kling-v1", "", 2000, 2))
    in_state(twice, Status.UNCONFIRMED, attempt=2)
    in_state(press(owner, "b"), Status.RUNNING, lost_at=timezone.now())
    in_state(press(owner, "c"), Status.RUNNING, late_at=timezone.now())
    in_state(press(owner, "d"), Status.RUNNING)
    in_state(press(owner, "e"), Status.RUNNING, first_not_found_at=timezone.now())
    in_state(press(owner, "f"), Status.RUNNING, key_missing_since=timezone.now())
    assert doubtful.at_risk() == doubtful.AtRisk(
        amount_e4=2 * PRICE_E4 + 2 * 2000 + 4 * PRICE_E4,
        unconfirmed=1,
        late=1,
        lost=1,
        not_found=1,
        key_missing=1,
    )


def test_spent_is_the_months_counter_against_the_budget(
    admin_client: Client, owner: Member
) -> None:
    row = in_state(press(owner, "a", n=4), Status.UNCONFIRMED)
    assert row.abandon(owner, row.version)
    assert "No budget is set." in page_of(admin_client)
    Limit.objects.put(Limit.Scope.TEAM, Window.MONTH, money_e4=8_000_000)
    page = page_of(admin_client)
    assert '<a class="figure" href="/usage/">$0.48</a>' in page
    assert "of $800.00. Forecast" in page
    Limit.objects.put(Limit.Scope.TEAM, Window.MONTH, money_e4=4_000)
    assert "of $0.40. The budget is used." in page_of(admin_client)


START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "expected"), [(1, 300_000), (24, 300_000), (240, 30_000), (720, 10_000)]
)
def test_forecast_needs_a_day(hours: int, expected: int) -> None:
    now = START + timedelta(hours=hours)
    assert pace_e4(10_000, START, END, now) == expected


def test_budget_that_will_not_last_says_until_when() -> None:
    now = START + timedelta(days=10)
    text = figures._budget_text(4_000_000, 12_000_000, 8_000_000, START, now)
    assert text == "of $800.00. Forecast $1,200.00: the budget is used about 21 November."


# --- errors, the week, what was recovered --------------------------------------------------------


def test_errors_of_the_last_hour_and_whether_they_were_charged(admin_client: Client) -> None:
    assert "No requests." in page_of(admin_client)
    for _number in range(3):
        make_generation(Status.SUCCEEDED)
    row = make_generation(Status.FAILED)
    make_generation(Status.FAILED, created_at=timezone.now() - timedelta(hours=2))
    page = page_of(admin_client)
    assert "25.0 %" in page
    assert "1 of 4 requests, none charged" in page
    Generation.objects.filter(pk=row.pk).update(charged_e4=1)
    assert "1 of 4 requests, 1 charged" in page_of(admin_client)


def test_images_in_progress_name_those_that_are_unconfirmed(
    admin_client: Client, owner: Member
) -> None:
    make_generation(Status.RUNNING, n=3)
    assert "3 of 20 images in progress<" in page_of(admin_client)
    in_state(press(owner, "a", n=4), Status.UNCONFIRMED)
    assert "7 of 20 images in progress, 4 of them unconfirmed" in page_of(admin_client)


def test_week_is_read_from_the_counters_of_days(owner: Member, stranger: Member) -> None:
    row = in_state(press(owner, "a", n=3), Status.UNCONFIRMED)
    row.abandon(owner, row.version)
    press(stranger, "b")
    now = timezone.now()
    this_week = week(now)
    assert [bar.images for bar in this_week.bars] == [0, 0, 0, 0, 0, 0, 3]
    assert (this_week.bars[-1].is_today, this_week.bars[-1].height) == (True, 100)
    assert (this_week.images, this_week.people, this_week.people_today) == (3, 2, 2)
    assert week(now + timedelta(days=6)).images == 3
    assert week(now + timedelta(days=6)).people_today == 0
    assert week(now + timedelta(days=8)).images == 0


@pytest.mark.parametrize("doubt", ["late", "lost", "unconfirmed", "dismissed", ""])
def test_images_after_a_doubt_are_recovered(owner: Member, doubt: str) -> None:
    row = press(owner, "a", n=2)
    submission = row.mark_submitting(60)
    assert submission
    if doubt == "unconfirmed":
        row.mark_unconfirmed(submission, TransitionReason.NO_ANSWER)
    row.mark_running(submission, "task", 0)
    if doubt in ("late", "dismissed"):
        row.mark_late()
    if doubt == "lost":
        row.mark_lost(TransitionReason.NO_LONGER_FOUND)
    if doubt == "dismissed":
        assert row.abandon(owner, row.version)
    assert row.mark_fetching(["https://files.example/1", "https://files.example/2"])
    row.pictures.update(
        state=Picture.State.STORED, width=1, height=1, size_bytes=1, file="a.png", sha256="0"
    )
    assert row.finish_if_complete()
    now = timezone.now()
    expected = (2, 2 * PRICE_E4) if doubt else (0, 0)
    assert Recovered.objects.since(now - timedelta(hours=1)) == expected
    assert ("2 images were recovered" in recovered_text(now)) == bool(doubt)
    assert ("worth $0.24" in recovered_text(now)) == bool(doubt)


# --- system and changes --------------------------------------------------------------------------


def test_system_names_every_part(admin_client: Client, settings: Settings) -> None:
    Lease.record_heartbeat("worker")
    row = make_generation(Status.RUNNING)
    now = timezone.now()
    for attempt, seconds in ((1, 0.2), (2, 0.5), (3, 9)):
        make_submission(
            row, attempt=attempt, sent_at=now, answered_at=now + timedelta(seconds=seconds)
        )
    page = page_of(admin_client)
    assert "median answer 0.50 s" in page
    assert re.search(r"heartbeat \d s ago", page)
    assert re.search(r"(SQLite|PostgreSQL), [\d.,]+.(bytes|KB|MB|GB)", page)
    assert re.search(r"[\d.,]+.GB left", page)
    assert "none recorded" in page
    assert settings.VERSION in page


def test_recent_changes_leave_out_sign_ins(admin_client: Client, admin: Member) -> None:
    AuditEntry.objects.record(
        AuditAction.LIMIT_CHANGED,
        admin,
        label="Yuki Sato",
        before={"money_e4": 1_000_000},
        after={"money_e4": 1_200_000},
    )
    for _number in range(20):
        AuditEntry.objects.record(AuditAction.SIGNED_IN, admin)
    page = page_of(admin_client)
    assert f"{admin.name} raised the limit of Yuki Sato" in page
    assert "$100.00 → $120.00" in page
    assert "signed in" not in page
    assert 'href="/admin/audit-log/"' in page


def test_other_admins_see_the_same(owner: Member) -> None:
    other = Member.objects.create(username="second", role="owner")
    in_state(press(owner, "a"), Status.UNCONFIRMED)
    assert "no answer." in page_of(client_for(other))
