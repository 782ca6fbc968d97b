"""The page Engines and keys: who sees and changes what, and that no key is ever shown."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generations.models import ApiKey, AuditEntry, Member, Status, UpstreamGate
from generations.permissions import Role
from generations.setup import api_key
from klingweb import data_folder
from tests.builders import make_generation, make_member
from tests.conftest import client_for
from tests.simulator import Simulator

pytestmark = pytest.mark.django_db

URL = "/admin/keys/"
FIRST, RESERVE = ApiKey.Slot.FIRST, ApiKey.Slot.RESERVE
OLD, NEW, SPARE = "sk-the-old-key-AAAA1111", "sk-the-new-key-BBBB2222", "sk-the-spare-CCCC3333"


@pytest.fixture
def boss(db: None) -> Member:
    return make_member("boss", role=Role.OWNER)


@pytest.fixture
def boss_client(boss: Member) -> Client:
    return client_for(boss)


@pytest.fixture
def gateway(simulator: Simulator, settings: Settings, tmp_path: Path) -> Simulator:
    settings.DATA_DIR, settings.GATEWAY_URL = tmp_path, simulator.url
    settings.DEMO, settings.UPSTREAM_KEY, settings.UPSTREAM_MODE = False, "", "live"
    simulator.settings(key=OLD, other_keys={NEW: 1, SPARE: 2})
    return simulator


def page_of(client: Client, url: str = URL) -> str:
    return " ".join(client.get(url).content.decode().split())


def put(client: Client, key: str, slot: str = "first") -> str:
    response = client.post(f"{URL}{slot}/put", {"api_key": key}, follow=True)
    return " ".join(response.content.decode().split())


def test_key_is_tested_stored_and_never_shown(
    boss_client: Client, gateway: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    page = put(boss_client, f" {OLD} ")
    assert "The key ending in 1111 is in use. No restart is needed." in page
    assert "ends in 1111" in page
    assert [each["kind"] for each in gateway.requests()] == ["query"]
    assert ApiKey.objects.get().decrypt() == OLD
    for text in (page, page_of(boss_client), caplog.text, str(AuditEntry.objects.values())):
        assert OLD not in text


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("sk-nobody-has-this-one", "The gateway refused this key."),
        ("two words", "An API key has no spaces"),
        ("", "Enter the API key."),
        ("x" * 501, "Use at most 500 characters."),
    ],
)
def test_refused_key_changes_nothing_and_is_not_sent_back(
    boss_client: Client, gateway: Simulator, key: str, error: str
) -> None:
    put(boss_client, OLD)
    response = boss_client.post(f"{URL}first/put", {"api_key": key})
    page = response.content.decode()
    assert response.status_code == 422
    assert error in page
    assert '<details class="fold" name="key" open>' in page
    assert "Enter it again: keys are not sent back." in page
    assert not key or key not in page
    assert [row.decrypt() for row in ApiKey.objects.active()] == [OLD]


def test_same_key_for_both_is_refused(boss_client: Client, gateway: Simulator) -> None:
    put(boss_client, OLD)
    assert "This key is already the other one" in put(boss_client, OLD, "reserve")


def test_key_that_cannot_be_stored_changes_nothing(
    boss_client: Client, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(data_folder, "create_encryption_key", full)
    assert "nothing was changed. Check the server’s disk." in put(boss_client, OLD)
    assert not ApiKey.objects.exists()


def test_stored_key_is_tested_by_a_free_query(boss_client: Client, gateway: Simulator) -> None:
    put(boss_client, OLD)
    page = boss_client.post(f"{URL}first/test", follow=True).content.decode()
    assert "The gateway accepts the key ending in 1111." in page
    gateway.settings(key="sk-another-key-0000")
    page = boss_client.post(f"{URL}first/test", follow=True).content.decode()
    assert "The gateway refused this key." in page
    assert {each["kind"] for each in gateway.requests()} == {"query"}
    assert boss_client.post(f"{URL}reserve/test").status_code == 404


def test_removed_key_leaves_generation_on_hold(boss_client: Client, gateway: Simulator) -> None:
    put(boss_client, OLD)
    row = ApiKey.objects.get()
    make_generation(Status.RUNNING, api_key=row)
    boss_client.post(f"{URL}first/remove")
    page = page_of(boss_client)
    assert "Replaced key" in page
    assert "Kept for what was sent with it." in page
    assert "no API key can be used" in boss_client.get("/").content.decode()


def test_states_of_the_keys(boss_client: Client, gateway: Simulator) -> None:
    put(boss_client, OLD)
    put(boss_client, SPARE, "reserve")
    page = page_of(boss_client)
    assert page.count("Used for new images.") == 1
    assert "Ready: it takes over" in page
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.ACCOUNT)
    page = page_of(boss_client)
    assert "The account is empty or blocked." in page
    assert page.index("On hold since") < page.index("Used for new images.")
    boss_client.post("/admin/queue/resume")
    assert "On hold since" not in page_of(boss_client)
    ApiKey.objects.filter(slot=FIRST).update(unreadable_at="2026-01-01T00:00:00Z")
    assert "the encryption key does not fit" in page_of(boss_client)


def test_key_of_the_environment_is_read_only(
    boss_client: Client, gateway: Simulator, settings: Settings
) -> None:
    settings.UPSTREAM_KEY = OLD
    page = page_of(boss_client)
    assert "Set by KLINGWEB_UPSTREAM_KEY in the environment." in page
    assert "ends in 1111" in page
    assert OLD not in page
    assert f"{URL}first/put" not in page
    for change in ("put", "remove"):
        assert boss_client.post(f"{URL}first/{change}", {"api_key": NEW}).status_code == 404
    tested = boss_client.post(f"{URL}first/test", follow=True).content.decode()
    assert "accepts the key ending in 1111" in tested
    assert "is the reserve" in put(boss_client, SPARE, "reserve")


def test_short_key_has_no_last_four_in_the_message(
    boss_client: Client, gateway: Simulator, settings: Settings
) -> None:
    settings.UPSTREAM_KEY = "test-key"
    gateway.settings(key="test-key")
    page = boss_client.post(f"{URL}first/test", follow=True).content.decode()
    assert "The gateway accepts the key." in page


def test_stored_key_behind_the_environment_is_named(
    boss_client: Client, gateway: Simulator, settings: Settings
) -> None:
    put(boss_client, NEW)
    settings.UPSTREAM_KEY = OLD
    page = page_of(boss_client)
    assert "Key entered in the browser" in page
    assert "KLINGWEB_UPSTREAM_KEY wins." in page


def test_admins_see_but_do_not_change(admin_client: Client, gateway: Simulator) -> None:
    api_key.put(FIRST, OLD, None)
    page = page_of(admin_client)
    assert "ends in 1111" in page
    assert "Only owners change keys." in page
    for change in ("put", "test", "remove"):
        assert f"{URL}first/{change}" not in page
        assert admin_client.post(f"{URL}first/{change}", {"api_key": NEW}).status_code == 403
    assert ApiKey.objects.get().is_active


@pytest.mark.django_db(transaction=True)
def test_first_key_of_the_demo_leads_to_the_restart(
    boss_client: Client, gateway: Simulator, settings: Settings
) -> None:
    settings.DEMO, settings.UPSTREAM_MODE = True, "simulator"
    page = page_of(boss_client)
    assert "Demo: no key is set." in page
    assert f"{URL}reserve/put" not in page
    assert boss_client.post(f"{URL}reserve/put", {"api_key": NEW}).status_code == 404
    response = boss_client.post(f"{URL}first/put", {"api_key": OLD})
    assert response["Location"] == "/setup/restart/"
    assert api_key.is_stored()


def test_errors_of_the_last_hour_are_counted(boss_client: Client, gateway: Simulator) -> None:
    """As on the overview: requests of the last hour that failed."""
    for status in (Status.SUCCEEDED, Status.RUNNING, Status.FAILED, Status.FAILED):
        make_generation(status)
    make_generation(Status.FAILED, upstream="demo")
    make_generation(Status.FAILED, created_at=timezone.now() - timedelta(hours=2))
    assert "2 of 4" in page_of(boss_client)
    assert "2 of 4 requests, none charged" in page_of(boss_client, "/admin/")
