"""The gateway's log fetched by its account API, over real HTTP, and the key for it."""

import json
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generations.models import AccountKey, AuditAction, AuditEntry, Lease, Member, Team
from generations.models.money import Comparison, GatewayLine, GatewayLog, WatchedTask
from generations.models.money.price import current_upstream
from generations.operations import key_rotation
from generations.reconciliation import importing
from generations.worker import account_log, reconcile
from tests.builders import make_member
from tests.conftest import client_for
from tests.scripted_server import ScriptedServer, reply
from tests.simulator import Simulator
from tests.test_reconciliation_pages import text_of
from tests.worker_driver import run_loops

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]

FETCH = "/admin/reconciliation/fetch"
State = GatewayLog.State


@pytest.fixture
def data_dir(settings: Settings, tmp_path: Any) -> None:
    """Encryption keys of its own."""
    settings.DATA_DIR = tmp_path


@pytest.fixture
def account(upstream: Simulator, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """The simulator's account API, with its key in the environment."""
    settings.ACCOUNT_URL, settings.ACCOUNT_KEY = upstream.url, "demo-account"
    monkeypatch.setattr(account_log, "RETRY_SECONDS", (0.0, 0.0))
    return upstream


def fetch(client: Client) -> GatewayLog:
    """Press the button for this month, and let the worker do it."""
    Lease.record_heartbeat("worker")
    response = client.post(FETCH, follow=True)
    assert response.status_code == 200
    run_loops("reconcile", seconds=30)
    return GatewayLog.objects.latest("pk")


def told(client: Client, log: GatewayLog) -> str:
    return text_of(client.get(f"/admin/reconciliation/logs/{log.pk}/"))


def test_log_of_a_month_is_fetched_by_pages_and_compared(
    account: Simulator, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [account.create_task(n=2) for _number in range(7)]
    failed = account.create_task("failed-pixel", n=1)
    account.wait_for("succeed", "failed")
    monkeypatch.setattr(account_log, "PAGE_SIZE", 3)
    monkeypatch.setattr("generations.engines.account.PAGE_SIZE", 3)
    log = fetch(admin_client)
    assert (log.state, log.lines, log.new_lines, bool(log.file)) == (State.DONE, 9, 9, False)
    lines = GatewayLine.objects.filter(task_id__in=tasks)
    assert set(lines.values_list("amount_e4", flat=True)) == {2400}
    assert lines.count() == 7
    assert sorted(each.amount_e4 for each in GatewayLine.objects.filter(task_id=failed)) == [
        -1200, 1200,
    ]  # fmt: skip
    assert Comparison.objects.filter(group=Comparison.Group.UNKNOWN).count() == 7
    assert "9 lines were read, 9 of them are new." in told(admin_client, log)
    again = fetch(admin_client)
    assert (again.lines, again.new_lines) == (9, 0)


def test_month_without_charges_is_no_error(account: Simulator, admin_client: Client) -> None:
    log = fetch(admin_client)
    assert (log.state, log.lines) == (State.DONE, 0)
    assert "0 lines were read" in told(admin_client, log)
    assert not default_storage.exists(str(log.file))


def test_api_without_pages_sends_each_day_once(account: Simulator, admin_client: Client) -> None:
    for _number in range(3):
        account.create_task()
    account.settings(account_pages=False)
    assert fetch(admin_client).lines == 3


def test_part_of_a_log_is_not_imported(
    account: Simulator, admin_client: Client, settings: Settings
) -> None:
    """A full page again and again: the rest of the day would be missing."""
    row = {"created_at": 1, "quota": 5, "type": 2}
    rows = [row | {"id": number} for number in range(100)]
    response = reply(200, {"success": True, "message": "", "data": rows})
    with ScriptedServer(response) as server:
        settings.ACCOUNT_URL = server.url
        log = fetch(admin_client)
    assert (log.state, GatewayLine.objects.count()) == (State.FAILED, 0)
    assert "The gateway sent only a part of the log of" in told(admin_client, log)


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (401, {"error": {"message": "Invalid token"}}, "The gateway refused the account key."),
        (200, {"success": False, "message": "no right"}, "It said: no right"),
        (429, {}, "The gateway is busy."),
        (500, {"message": "oops"}, "The account API did not answer."),
        (200, {"success": True, "data": {"rows": 1}}, "The account API did not answer."),
    ],
)
def test_error_says_what_to_do(
    account: Simulator,
    admin_client: Client,
    settings: Settings,
    status: int,
    body: dict[str, Any],
    text: str,
) -> None:
    with ScriptedServer(reply(status, body)) as server:
        settings.ACCOUNT_URL = server.url
        log = fetch(admin_client)
    assert log.state == State.FAILED
    page = told(admin_client, log)
    assert text in page
    assert "Fetch it again" in page
    assert not reconcile.has_work()


def test_gateway_that_is_away_is_told(
    account: Simulator, admin_client: Client, settings: Settings
) -> None:
    settings.ACCOUNT_URL = "http://127.0.0.1:9"
    assert "KLINGWEB_ACCOUNT_URL" in told(admin_client, fetch(admin_client))


def test_interrupted_fetch_goes_on_with_the_next_day(account: Simulator, admin: Member) -> None:
    account.create_task()
    log = importing.start_fetch(timezone.now().date().replace(day=1), admin)
    answers = iter([True] * 3)
    account_log.fetch(log, lambda: next(answers, False))
    log.refresh_from_db()
    assert (log.state, log.fetched["days"]) == (State.FETCHING, 3)
    before = len(account.requests("account"))
    run_loops("reconcile", seconds=30)
    log.refresh_from_db()
    assert (log.state, log.lines) == (State.DONE, 1)
    days = log.fetched["days"]
    assert len(account.requests("account")) - before == days - 3


def test_two_admins_fetch_one_month_once(account: Simulator, admin: Member, owner: Member) -> None:
    month = timezone.now().date().replace(day=1)
    assert importing.start_fetch(month, admin) == importing.start_fetch(month, owner)
    assert GatewayLog.objects.count() == 1


def test_canceled_fetch_imports_nothing(account: Simulator, admin_client: Client) -> None:
    account.create_task()
    admin_client.post(FETCH)
    log = GatewayLog.objects.get()
    admin_client.post(f"/admin/reconciliation/logs/{log.pk}/cancel")
    run_loops("reconcile", seconds=30)
    assert "Nothing was imported." in told(admin_client, log)
    assert not GatewayLine.objects.exists()


def test_quota_is_not_taken_for_another_currency(account: Simulator, admin_client: Client) -> None:
    Team.objects.create(currency="EUR")
    assert "in US dollars" in told(admin_client, fetch(admin_client))


# --- the key -------------------------------------------------------------------------------------


def test_account_key_is_tested_stored_encrypted_and_removed(
    account: Simulator, admin_client: Client, settings: Settings
) -> None:
    owner_client = client_for(make_member("boss", role="owner"))
    settings.ACCOUNT_KEY = ""
    account.settings(account_key="account-key-0123456789")
    assert admin_client.post(FETCH).url == "/admin/keys/"  # type: ignore[attr-defined]
    assert "Fetch the log" not in text_of(admin_client.get("/admin/reconciliation/"))
    put = "/admin/keys/account/store"
    refused = owner_client.post(put, {"account_key": "wrong-key-0123456789"}, follow=True)
    assert "The account API refused this key." in text_of(refused)
    assert AccountKey.objects.stored() is None
    stored = owner_client.post(put, {"account_key": "account-key-0123456789"}, follow=True)
    page = text_of(stored)
    assert "ends in 6789" in page
    assert "account-key-0123456789" not in page
    row = AccountKey.objects.get()
    assert "account-key" not in row.encrypted
    assert key_rotation.rotate().rows == 1
    assert AccountKey.objects.secret() == "account-key-0123456789"
    tested = owner_client.post("/admin/keys/account/ask", follow=True)
    assert "The account API accepts the key." in text_of(tested)
    assert fetch(admin_client).state == State.DONE
    owner_client.post("/admin/keys/account/forget")
    assert AccountKey.objects.get().encrypted == ""
    changes = AuditEntry.objects.filter(action=AuditAction.KEY_CHANGED)
    assert "account-key-0123456789" not in json.dumps(list(changes.values()), default=str)


def test_only_owners_change_the_account_key(account: Simulator, admin_client: Client) -> None:
    for name in ("store", "ask", "forget"):
        assert admin_client.post(f"/admin/keys/account/{name}").status_code == 403


# --- watched tasks -------------------------------------------------------------------------------


def watch(task_id: str) -> WatchedTask:
    row = WatchedTask.objects.create(
        upstream=current_upstream(), task_id=task_id, next_check_at=timezone.now()
    )
    assert reconcile.has_work()
    run_loops("reconcile", seconds=10)
    row.refresh_from_db()
    return row


def test_watched_task_is_asked_for_until_it_has_ended(upstream: Simulator) -> None:
    done, failed = upstream.create_task(n=2), upstream.create_task("failed-pixel")
    upstream.wait_for("succeed", "failed")
    row = watch(done)
    assert (row.outcome, row.images, row.next_check_at) == ("succeeded", 2, None)
    row = watch(failed)
    assert (row.outcome, row.message) == ("failed", "Image pixel is invalid")
    row = watch("a-task-of-nobody")
    assert row.outcome == "not-found"
    assert row.next_check_at
    assert not reconcile.has_work()
    assert len(upstream.requests("query")) >= 3
