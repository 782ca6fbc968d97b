"""API keys that are gone: what was sent with them waits, and is asked for with no foreign key."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generations.models import (
    ApiKey,
    AuditAction,
    AuditEntry,
    Generation,
    Member,
    Quote,
    Status,
    Submission,
    TransitionReason,
    UpstreamGate,
)
from generations.permissions import Role
from generations.setup import api_key
from generations.worker import dispatch, fetch, poll
from klingweb.known_secrets import fingerprint_of
from tests.builders import make_generation, make_member
from tests.simulator import Simulator
from tests.worker_driver import run_loops, run_worker

pytestmark = pytest.mark.django_db

OLD, NEW, SPARE = "sk-the-old-key-AAAA1111", "sk-the-new-key-BBBB2222", "sk-the-spare-CCCC3333"
URL = "/admin/keys/"


@pytest.fixture
def boss(db: None) -> Member:
    return make_member("boss", role=Role.OWNER)


@pytest.fixture
def gateway(upstream: Simulator, settings: Settings, tmp_path: Path) -> Simulator:
    """Three keys, each of an account of its own. The environment has the old one."""
    settings.DATA_DIR, settings.DEMO, settings.UPSTREAM_MODE = tmp_path, False, "live"
    settings.UPSTREAM_KEY = OLD
    upstream.settings(key=OLD, other_keys={NEW: 1, SPARE: 2})
    return upstream


def status_of(row: Generation) -> Status:
    return Status(Generation.objects.get(pk=row.pk).status)


def accounts(gateway: Simulator, kind: str) -> set[int]:
    """Whose keys the requests of this kind had."""
    return {each["account"] for each in gateway.requests(kind)}


def sent(**columns: Any) -> Generation:
    """A request that was sent with the key of the environment, and is in progress."""
    row = make_generation(**columns)
    run_worker(lambda: status_of(row) == Status.RUNNING, "it runs", ["submit"])
    return row


def heartbeat() -> None:
    poll.sweep()
    fetch.sweep()


def test_submission_names_the_environments_key_without_its_text(gateway: Simulator) -> None:
    row = sent()
    row.refresh_from_db()
    key = row.api_key
    assert key is not None
    assert row.submissions.get().api_key == key
    assert (key.encrypted, key.last_four, key.is_active) == ("", "1111", False)
    assert key.fingerprint == fingerprint_of(OLD)
    assert UpstreamGate.for_engine().api_key == key


def test_tasks_of_a_replaced_environment_key_wait_for_it(
    gateway: Simulator, settings: Settings, boss: Member, client: Client
) -> None:
    """No foreign query, no second POST, nothing lost; and it goes on when the key is back."""
    settings.DOUBT_SECONDS = 0
    row = sent(owner=boss)
    settings.UPSTREAM_KEY = NEW
    after = make_generation(owner=boss, prompt="after")
    run_worker(lambda: status_of(after) == Status.SUCCEEDED, "it is generated")
    heartbeat()
    run_loops("poll")
    row.refresh_from_db()
    assert (row.status, row.lost_at, row.first_not_found_at) == (Status.RUNNING, None, None)
    assert (row.is_key_missing, row.attempt, row.polls) == (True, 1, 0)
    asked = {each["task_id"] for each in gateway.requests("query")}
    assert row.upstream_task_id not in asked
    assert [each["account"] for each in gateway.tasks()] == [0, 1]

    client.force_login(boss)
    card = client.get("/").content.decode()
    assert "The API key that sent this is gone" in card
    assert "Put the key back on the page Engines and keys." in card
    overview = client.get("/admin/").content.decode()
    assert "1 request that was sent with the key ending in 1111 waits for it" in overview
    page = client.get(URL).content.decode()
    assert "No longer in KLINGWEB_UPSTREAM_KEY." in page
    assert "1 request waits for it." in page
    assert "Put it back in the environment, or enter it here." in page
    assert not poll.has_work()  # so no loop runs for it

    settings.UPSTREAM_KEY = OLD
    heartbeat()
    assert poll.has_work()
    run_worker(lambda: status_of(row) == Status.SUCCEEDED, "it is stored")
    row.refresh_from_db()
    assert (row.key_missing_since, row.attempt) == (None, 1)
    reasons = list(row.transitions.values_list("reason", flat=True))
    assert [each for each in reasons if each.startswith("key-")] == ["key-missing", "key-back"]
    assert len(gateway.tasks()) == 2


def test_missing_key_that_is_entered_in_the_browser_is_the_same_key(
    gateway: Simulator, settings: Settings, boss: Member
) -> None:
    row = sent()
    settings.UPSTREAM_KEY = ""
    api_key.put(ApiKey.Slot.FIRST, NEW, boss)
    heartbeat()
    assert Generation.objects.get(pk=row.pk).is_key_missing
    api_key.put(ApiKey.Slot.RESERVE, OLD, boss)
    heartbeat()
    run_worker(lambda: status_of(row) == Status.SUCCEEDED, "it is stored")
    assert accounts(gateway, "query") == {0}


def test_owner_says_that_another_key_is_of_the_same_account(
    gateway: Simulator, settings: Settings, boss: Member, client: Client
) -> None:
    gateway.settings(key=NEW, other_keys={OLD: 0})
    row = sent()
    settings.UPSTREAM_KEY = NEW
    heartbeat()
    run_loops("poll")
    assert gateway.requests("query") == []
    client.force_login(boss)
    old, new = ApiKey.objects.get(last_four="1111"), ApiKey.objects.environment()
    assert new is not None
    page = client.get(URL).content.decode()
    assert "If the key ending in 2222 belongs to the same account" in page
    response = client.post(f"{URL}{old.pk}/same-account", {"key": new.pk}, follow=True)
    assert "The key ending in 2222 is asked for these requests" in response.content.decode()
    run_worker(lambda: status_of(row) == Status.SUCCEEDED, "it is stored")
    entry = AuditEntry.objects.filter(action=AuditAction.KEY_CHANGED).latest("pk")
    assert (entry.by, entry.before, entry.after) == (
        boss,
        {"last_four": "…1111"},
        {"last_four": "…2222"},
    )
    # A page from before, when nothing is missing any more.
    response = client.post(f"{URL}{old.pk}/same-account", {"key": new.pk}, follow=True)
    assert "The keys have changed." in response.content.decode()


def test_wrong_word_about_an_account_proves_nothing(
    gateway: Simulator, settings: Settings, boss: Member
) -> None:
    settings.DOUBT_SECONDS = 0
    row = sent()
    settings.UPSTREAM_KEY = NEW
    old, new = ApiKey.objects.get(), ApiKey.objects.environment()
    assert new is not None
    api_key.use_instead(old, new, boss)
    asked = lambda: Generation.objects.get(pk=row.pk).poll_failures > 2  # noqa: E731
    run_worker(asked, "it was asked for", ["poll"])
    row.refresh_from_db()
    assert (row.status, row.lost_at, row.first_not_found_at) == (Status.RUNNING, None, None)
    settings.UPSTREAM_KEY = OLD
    run_worker(lambda: status_of(row) == Status.SUCCEEDED, "it is stored")


def test_waiting_request_can_be_dismissed_and_leaves_the_limit(
    gateway: Simulator, settings: Settings, boss: Member
) -> None:
    row = sent(owner=boss, n=2)
    settings.UPSTREAM_KEY = NEW
    assert Generation.objects.images_in_flight() == 2
    heartbeat()
    assert Generation.objects.images_in_flight() == 0
    row.refresh_from_db()
    assert row.abandon(boss, row.version)
    settings.UPSTREAM_KEY = OLD
    heartbeat()
    run_worker(lambda: status_of(row) == Status.SUCCEEDED, "its images are kept")


def test_file_of_a_missing_key_waits_without_a_try(gateway: Simulator, settings: Settings) -> None:
    gateway.scenario("file-403-once")
    row = sent()
    run_worker(lambda: status_of(row) == Status.FETCHING, "it is done", ["poll"])
    settings.UPSTREAM_KEY = NEW
    run_loops("fetch")
    picture = row.pictures.get()
    assert (picture.state, picture.tries) == ("wanted", 0)
    assert accounts(gateway, "query") == {0}
    settings.UPSTREAM_KEY = OLD
    row.pictures.update(next_try_at=timezone.now())
    run_worker(lambda: status_of(row) == Status.SUCCEEDED, "it is stored")


def test_lost_file_is_asked_for_with_a_removed_key(
    gateway: Simulator, settings: Settings, boss: Member, client: Client
) -> None:
    """As long as the gateway may have it, a removed key is kept for reading."""
    settings.UPSTREAM_KEY = ""
    api_key.put(ApiKey.Slot.FIRST, OLD, boss)
    gateway.scenario("file-403-once")
    row = sent()
    run_worker(lambda: status_of(row) == Status.FETCHING, "it is done", ["poll"])
    row.pictures.get().mark_lost("gone")
    row.refresh_from_db()
    row.finish_if_complete()
    api_key.put(ApiKey.Slot.FIRST, NEW, boss)
    polls = len(gateway.requests("query"))
    client.force_login(boss)
    assert "images that could not be downloaded may still be there." in client.get(URL).text
    row.refresh_from_db()
    assert row.fetch_again(boss, row.version)
    run_worker(lambda: status_of(row) == Status.SUCCEEDED, "it is stored", ["fetch"])
    assert len(gateway.requests("query")) == polls + 1
    assert accounts(gateway, "query") == {0}


def test_key_of_an_earlier_release_is_unknown_and_its_not_found_proves_nothing(
    gateway: Simulator, settings: Settings
) -> None:
    settings.DOUBT_SECONDS = 0
    row = sent()
    Generation.objects.update(api_key=None)
    Submission.objects.update(api_key=None)
    settings.UPSTREAM_KEY = NEW
    asked = lambda: Generation.objects.get(pk=row.pk).poll_failures > 1  # noqa: E731
    run_worker(asked, "it was asked for", ["poll"])
    assert Generation.objects.get(pk=row.pk).lost_at is None
    settings.UPSTREAM_KEY = OLD
    run_worker(lambda: status_of(row) == Status.SUCCEEDED, "it is stored")


# --- Retry-After of another key ------------------------------------------------------------------


def test_retry_after_of_another_key_is_booked_on_its_own_gate(
    gateway: Simulator, settings: Settings, boss: Member
) -> None:
    settings.UPSTREAM_KEY = ""
    gateway.settings(key=OLD, other_keys={NEW: 0})
    gateway.scenario("query-429-retry-after", polls=1, retry_after=30)
    api_key.put(ApiKey.Slot.FIRST, OLD, boss)
    row = sent()
    new = api_key.put(ApiKey.Slot.FIRST, NEW, boss)
    gateway.settings(key=NEW, other_keys={})  # the old one is revoked
    run_loops("poll")
    row.refresh_from_db()
    assert row.api_key_id is not None
    old = UpstreamGate.for_key(row.api_key_id)
    assert UpstreamGate.silent_keys() == {new.pk}
    assert (old.hold_reason, old.refused_queries) == ("", 0)  # of a key that sends nothing


# --- the task of an earlier attempt --------------------------------------------------------------


@pytest.fixture
def two_attempts(gateway: Simulator, settings: Settings, boss: Member) -> Generation:
    """Accepted by the first account without an answer, then sent again to the second."""
    gateway.scenario("cut-after-accept")
    quote = Quote("kling", "kling-v1", "", 500, 1)
    row, _is_new = Generation.objects.request(
        owner=boss, key="k", quote=quote, prompt="one", aspect_ratio="1:1"
    )
    run_worker(lambda: status_of(row) == Status.UNCONFIRMED, "it is in doubt", ["submit"])
    gateway.scenario("normal")
    settings.UPSTREAM_KEY = ""
    api_key.put(ApiKey.Slot.FIRST, NEW, boss)
    api_key.put(ApiKey.Slot.RESERVE, OLD, boss)
    Member.objects.update(submit_not_before=None, unanswered_in_a_row=0)
    row.refresh_from_db()
    assert row.send_again(boss, row.version, quote)
    [item] = dispatch.claim_next(1)
    item.generation.mark_unconfirmed(item.submission, TransitionReason.WORKER_DIED)
    row.refresh_from_db()
    return row


def test_task_that_answered_an_earlier_attempt_is_polled_with_its_key(
    gateway: Simulator, two_attempts: Generation, boss: Member
) -> None:
    """The late answer named the task, and then an admin enters it."""
    [task] = gateway.tasks()
    first = two_attempts.submissions.get(attempt=1)
    first.upstream_task_id, first.outcome = task["task_id"], Submission.Outcome.ACCEPTED
    first.save()
    assert two_attempts.set_task_id(boss, two_attempts.version, task["task_id"])
    assert two_attempts.api_key_id == first.api_key_id
    run_worker(lambda: status_of(two_attempts) == Status.SUCCEEDED, "it is stored")
    assert accounts(gateway, "query") == {0}
    assert two_attempts.submissions.get(attempt=2).upstream_task_id == ""


def test_entered_task_of_an_earlier_attempt_is_found_with_its_key(
    gateway: Simulator, two_attempts: Generation, boss: Member
) -> None:
    """Nobody knows which attempt it belongs to: the other account does not find it."""
    [task] = gateway.tasks()
    assert two_attempts.set_task_id(boss, two_attempts.version, task["task_id"])
    run_worker(lambda: status_of(two_attempts) == Status.SUCCEEDED, "it is stored")
    assert accounts(gateway, "query") == {0, 1}
    found = two_attempts.submissions.get(upstream_task_id=task["task_id"])
    assert found.attempt == 1
    two_attempts.refresh_from_db()
    assert two_attempts.api_key_id == found.api_key_id


def test_task_of_the_last_attempt_stays_with_its_key(
    gateway: Simulator, two_attempts: Generation, boss: Member, settings: Settings
) -> None:
    """An answer named it, so that its own account does not find it is no reason to ask another."""
    last = two_attempts.submissions.get(attempt=2)
    assert two_attempts.mark_running(last, "task-of-the-last", 0)
    two_attempts.submissions.record_task_id("task-of-the-last")
    settings.DOUBT_SECONDS = 3600
    asked = lambda: Generation.objects.get(pk=two_attempts.pk).polls > 2  # noqa: E731
    run_worker(asked, "it was asked for", ["poll"])
    assert accounts(gateway, "query") == {1}
