"""The queue page: limits that admins set, who waits, and the history of holds."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generations.models import (
    AuditAction,
    AuditEntry,
    Member,
    Status,
    UpstreamGate,
    hold_history,
)
from generations.models.concurrency_limit import GAP_VARIABLE, LIMIT_VARIABLE
from generations.worker import dispatch
from tests.builders import make_generation

pytestmark = pytest.mark.django_db

URL = "/admin/queue/"


def page_of(client: Client) -> str:
    page = re.sub(r"</?time[^>]*>", "", client.get(URL).content.decode())
    return " ".join(page.split())


def save(client: Client, limit: str, gap: str) -> int:
    return client.post(f"{URL}limits", {"limit": limit, "gap": gap}).status_code


# --- limits --------------------------------------------------------------------------------------


def test_the_worker_follows_the_limit_of_an_admin_at_once(
    admin_client: Client, admin: Member, settings: Settings
) -> None:
    settings.CONCURRENCY_LIMIT = 20
    assert save(admin_client, "2", "0.5") == 302
    for _number in range(4):
        make_generation()
    assert len(dispatch.claim_next(8)) == 2
    gate = UpstreamGate.for_engine()
    assert (gate.configured_limit, gate.submit_gap_seconds) == (2, 0.5)
    assert "2 of 2" in page_of(admin_client)
    entry = AuditEntry.objects.get(action=AuditAction.QUEUE_CHANGED)
    assert (entry.by, entry.before, entry.after) == (
        admin,
        {"limit": None, "gap": None},
        {"limit": 2, "gap": 0.5},
    )


def test_seconds_may_have_a_comma(admin_client: Client) -> None:
    assert save(admin_client, "", "0,5") == 302
    assert UpstreamGate.for_engine().submit_gap_seconds == 0.5
    assert save(admin_client, "", "0,5,5") == 422


def test_empty_fields_are_the_default_and_the_same_values_are_no_change(
    admin_client: Client, settings: Settings
) -> None:
    save(admin_client, "2", "0.5")
    save(admin_client, "2", "0.5")
    save(admin_client, "", "")
    gate = UpstreamGate.for_engine()
    assert gate.configured_limit == settings.CONCURRENCY_LIMIT
    assert gate.submit_gap_seconds == settings.SUBMIT_GAP_SECONDS
    assert AuditEntry.objects.filter(action=AuditAction.QUEUE_CHANGED).count() == 2


def test_no_limit_of_our_own(admin_client: Client) -> None:
    save(admin_client, "0", "0")
    assert UpstreamGate.for_engine().grow() == 0
    assert UpstreamGate.for_engine().submit_gap_seconds == 0


@pytest.mark.parametrize(
    ("limit", "gap", "error"),
    [("-1", "", "limit"), ("many", "", "limit"), ("100001", "", "limit"), ("", "61", "gap"),
     ("", "nan", "gap"), ("", "-1", "gap"), ("", "x", "gap")],
)  # fmt: skip
def test_invalid_limits_are_refused_beside_their_field(
    admin_client: Client, limit: str, gap: str, error: str
) -> None:
    response = admin_client.post(f"{URL}limits", {"limit": limit, "gap": gap})
    assert response.status_code == 422
    assert f'id="{error}-error"' in response.content.decode()
    assert not UpstreamGate.objects.exists()


def test_the_environment_wins_and_says_so(admin_client: Client, settings: Settings) -> None:
    save(admin_client, "2", "0.5")
    settings.VARIABLES_SET = frozenset({LIMIT_VARIABLE})
    settings.CONCURRENCY_LIMIT = 7
    assert UpstreamGate.for_engine().grow() == 7
    page = page_of(admin_client)
    assert f"Set by {LIMIT_VARIABLE} in the environment." in page
    assert 'name="limit"' not in page
    assert GAP_VARIABLE not in page
    save(admin_client, "9", "3")
    gate = UpstreamGate.for_engine()
    assert (gate.own_concurrency_limit, gate.own_submit_gap_seconds) == (2, 3)
    settings.VARIABLES_SET = frozenset({LIMIT_VARIABLE, GAP_VARIABLE})
    assert 'id="save-limits"' not in page_of(admin_client)


def test_a_lower_limit_counts_before_what_was_learned(
    admin_client: Client, settings: Settings
) -> None:
    settings.CONCURRENCY_LIMIT, settings.CONCURRENCY_GROW_SECONDS = 20, 3600
    gate = UpstreamGate.for_engine()
    gate.shrink(12, timezone.now())
    assert UpstreamGate.for_engine().grow() == 15
    save(admin_client, "4", "")
    assert UpstreamGate.for_engine().grow() == 4


# --- who waits -----------------------------------------------------------------------------------


def test_people_are_listed_with_what_they_have(
    admin_client: Client, owner: Member, stranger: Member
) -> None:
    make_generation(Status.RUNNING, owner=owner, n=3)
    for _number in range(2):
        make_generation(owner=stranger, created_at=timezone.now() - timedelta(minutes=7))
    rows = re.findall(r"<td>([^<]+)</td>\s*(.*?)</tr>", page_of(admin_client))
    cells = {name: re.findall(r">\s*([^<>]*?)\s*</td>", rest) for name, rest in rows}
    assert cells[owner.name] == ["3", "0", "–"]
    assert cells[stranger.name] == ["0", "2", "7 min ago"]
    assert list(cells) == [stranger.name, owner.name]


# --- holds ---------------------------------------------------------------------------------------


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


def test_a_hold_is_recorded_once_at_its_start_and_once_at_its_end(admin_client: Client) -> None:
    gate = UpstreamGate.for_engine()
    for _number in range(5):
        gate.hold(UpstreamGate.HoldReason.ACCOUNT, "no money")
    assert actions() == [AuditAction.HELD]
    stale = UpstreamGate.for_engine()
    UpstreamGate.for_engine().clear()
    stale.clear()  # another process has seen the same good answer
    assert actions() == [AuditAction.HELD, AuditAction.HOLD_ENDED]
    held, ended = AuditEntry.objects.order_by("pk")
    assert held.after["hold_reason"] == ended.after["hold_reason"] == "account"
    assert held.by is None
    page = page_of(admin_client)
    assert "<td>Kling: The account is empty or blocked</td>" in page
    assert "a good answer" in page


def test_holds_that_flap_are_recorded_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = UpstreamGate.for_engine()
    for _number in range(10):
        gate.hold(UpstreamGate.HoldReason.KEY)
        gate.clear()
    assert actions() == [AuditAction.HELD, AuditAction.HOLD_ENDED]
    monkeypatch.setattr(hold_history, "MIN_GAP", timedelta(0))
    gate.hold(UpstreamGate.HoldReason.KEY)
    assert actions() == [AuditAction.HELD, AuditAction.HOLD_ENDED, AuditAction.HELD]


def test_resume_ends_a_hold_in_the_name_of_the_admin(admin_client: Client, admin: Member) -> None:
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY)
    admin_client.post(f"{URL}resume")
    ended = AuditEntry.objects.get(action=AuditAction.HOLD_ENDED)
    assert ended.by == admin


def test_waits_alone_are_no_holds() -> None:
    gate = UpstreamGate.for_engine()
    gate.wait(5)
    gate.clear()
    assert actions() == []


def test_pauses_are_listed_with_who_ended_them(admin_client: Client, admin: Member) -> None:
    admin_client.post(URL, {"reason": "Lunch"})
    gate = UpstreamGate.for_engine()
    assert gate.paused_at
    admin_client.post(
        f"{URL}resume", {"pause": f"{gate.paused_at.timestamp():.6f}".replace(".", "")}
    )
    page = page_of(admin_client)
    assert "<td>Paused: Lunch</td>" in page
    assert f"> {admin.username} </td>" in page
