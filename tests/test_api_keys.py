"""API keys in the database: encryption, what each task is sent and queried with, the reserve."""

import logging
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generations import encryption
from generations.engines.base import (
    EngineError,
    HoldReason,
    OnHold,
    State,
    Task,
    TaskNotFound,
    Unanswered,
)
from generations.models import (
    ApiKey,
    AuditAction,
    AuditEntry,
    Generation,
    KeyInOtherSlot,
    Member,
    Quote,
    SentRequest,
    Status,
    TransitionReason,
    UpstreamGate,
    known_keys,
)
from generations.models.api_key import RESULTS_KEPT_FOR
from generations.operations import key_rotation
from generations.permissions import Role
from generations.setup import api_key
from generations.worker import dispatch, submit, submit_outcomes
from generations.worker.upstream import Clients, TaskQueries
from klingweb import data_folder, known_secrets, log_filters
from tests import commands
from tests.builders import make_generation, make_member, store_picture
from tests.simulator import Simulator
from tests.worker_driver import make_probe_due, run_loops, run_worker

pytestmark = pytest.mark.django_db

FIRST, RESERVE = ApiKey.Slot.FIRST, ApiKey.Slot.RESERVE
OLD, NEW, SPARE = "sk-the-old-key-AAAA1111", "sk-the-new-key-BBBB2222", "sk-the-spare-CCCC3333"


@pytest.fixture
def boss(db: None) -> Member:
    return make_member("boss", role=Role.OWNER)


@pytest.fixture
def live(settings: Settings, tmp_path: Path) -> Settings:
    """An install whose keys are in the database."""
    settings.DATA_DIR = tmp_path
    settings.DEMO, settings.UPSTREAM_KEY, settings.UPSTREAM_MODE = False, "", "live"
    return settings


@pytest.fixture
def gateway(upstream: Simulator, live: Settings) -> Simulator:
    """An upstream that knows three keys, each of an account of its own."""
    live.UPSTREAM_KEY = ""
    upstream.settings(key=OLD, other_keys={NEW: 1, SPARE: 2})
    return upstream


def accounts(gateway: Simulator, kind: str) -> list[int]:
    """Whose key each request of this kind had."""
    return [each["account"] for each in gateway.requests(kind)]


def put(key: str, slot: ApiKey.Slot = FIRST, by: Member | None = None) -> ApiKey:
    return api_key.put(slot, key, by)


# --- stored and encrypted -------------------------------------------------------------------------


def test_key_is_encrypted_and_read_again(live: Settings, boss: Member) -> None:
    row = put(OLD, by=boss)
    assert row.decrypt() == OLD
    assert (row.last_four, row.slot, row.added_by) == ("1111", "first", boss)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM generations_apikey")
        assert OLD not in str(cursor.fetchall())
    path = data_folder.encryption_key_file(live.DATA_DIR)
    assert path.stat().st_mode & 0o777 == 0o600
    assert encryption.keys() == [path.read_text()]


def test_texts_of_a_key_do_not_contain_it(live: Settings) -> None:
    row = put(OLD)
    for text in (str(row), repr(row), repr(Clients().__dict__)):
        assert OLD not in text
    assert "1111" in str(row)


@pytest.mark.parametrize("key", ["short", "elevenchars"])
def test_short_key_shows_nothing_of_itself(live: Settings, key: str) -> None:
    assert put(key).last_four == ""


def test_replacing_keeps_the_old_key_only_while_tasks_need_it(live: Settings) -> None:
    old = put(OLD)
    running = make_generation(Status.RUNNING, api_key=old, next_poll_at=timezone.now())
    put(NEW)
    old.refresh_from_db()
    assert (old.is_active, old.decrypt()) == (False, OLD)
    running.mark_fetching(["https://files.example/1.png"])
    assert ApiKey.objects.erase_unused() == 0  # its file may need a new URL
    picture = running.pictures.get()
    picture.mark_lost("gone")
    running.finish_if_complete()
    assert ApiKey.objects.erase_unused() == 0  # the gateway may still have it
    kept = ApiKey.objects.uses()[old.pk]
    running.refresh_from_db()
    assert running.finished_at
    assert (kept.requests, kept.lost_until) == (0, running.finished_at + RESULTS_KEPT_FOR)
    Generation.objects.update(finished_at=timezone.now() - RESULTS_KEPT_FOR)
    assert ApiKey.objects.erase_unused() == 1
    assert ApiKey.objects.get(pk=old.pk).encrypted == ""


def test_dismissed_task_that_is_still_polled_needs_its_key(live: Settings) -> None:
    old = put(OLD)
    make_generation(Status.ABANDONED, api_key=old, next_poll_at=timezone.now())
    put(NEW)
    assert ApiKey.objects.erase_unused() == 0


def test_same_key_again_is_the_same_row(live: Settings) -> None:
    first = put(OLD)
    put(NEW)
    again = put(OLD)
    assert again.pk == first.pk
    assert again.decrypt() == OLD
    assert [row.last_four for row in ApiKey.objects.active()] == ["1111"]


def test_one_key_cannot_be_both(live: Settings) -> None:
    put(OLD)
    with pytest.raises(KeyInOtherSlot), transaction.atomic():
        put(OLD, RESERVE)
    live.UPSTREAM_KEY = NEW
    with pytest.raises(KeyInOtherSlot), transaction.atomic():
        put(NEW, RESERVE)


def test_changes_are_in_the_audit_log_by_the_last_four(live: Settings, boss: Member) -> None:
    put(OLD, by=boss)
    put(NEW, by=boss)
    api_key.remove(FIRST, boss)
    changes = AuditEntry.objects.filter(action=AuditAction.KEY_CHANGED)
    entries = list(changes.order_by("pk").values_list("before", "after", "by_name"))
    old, new = ({"last_four": f"…{four}"} for four in ("1111", "2222"))
    assert entries == [({}, old, "boss"), (old, new, "boss"), (new, {}, "boss")]
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM generations_auditentry")
        text = str(cursor.fetchall())
    assert OLD not in text
    assert NEW not in text


# --- the log --------------------------------------------------------------------------------------


def test_log_masks_every_key_that_the_process_has_seen(live: Settings) -> None:
    put(OLD).decrypt()
    try:
        raise ValueError(f"refused: {OLD}")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "", 0, "key %s failed", (OLD,), info)
    assert log_filters.MaskedSecrets().filter(record)
    text = logging.Formatter().format(record)
    assert OLD not in text
    assert "key *** failed" in text
    assert "refused: ***" in text


def test_audit_log_masks_every_key_that_the_process_has_seen(
    live: Settings, admin_client: Client
) -> None:
    put(OLD)
    [encryption_key] = encryption.keys()
    admin_client.post("/admin/queue/", {"reason": f"{OLD} and {encryption_key} leaked"})
    paused = AuditEntry.objects.get(action=AuditAction.PAUSED)
    assert paused.note == "••• and ••• leaked"


@pytest.fixture
def key_of_another_process(live: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored by a process that this one is not."""
    row = put(OLD)
    data_folder.gateway_mark(live.DATA_DIR).touch()
    monkeypatch.setattr(known_secrets, "_seen", set())
    monkeypatch.setattr(known_secrets, "_fingerprints", set())
    monkeypatch.setitem(known_keys._changed_at, "read", 0)
    assert OLD in known_secrets.mask(f"{OLD} of {row}")


@pytest.mark.usefixtures("key_of_another_process")
def test_audit_log_masks_a_key_that_another_process_has_stored(admin: Member) -> None:
    entry = AuditEntry.objects.record(AuditAction.PAUSED, admin, note=f"api_key={OLD}, leaked")
    assert entry.note == "api_key=•••, leaked"


@pytest.mark.usefixtures("key_of_another_process")
def test_log_of_web_and_worker_masks_a_key_that_another_process_has_stored(
    client: Client, django_assert_num_queries: Any
) -> None:
    client.get("/healthz")
    for text in (OLD, f"({OLD})", f"Bearer {OLD}.", f"?key={OLD}&x=1", repr({"key": OLD})):
        assert OLD not in known_secrets.mask(text)
    with django_assert_num_queries(0):
        known_keys.refresh()  # nothing has changed


# --- a wrong encryption key -----------------------------------------------------------------------


def lose_encryption_key(live: Settings) -> str:
    """Put another encryption key in the place of the right one; return that."""
    path = data_folder.encryption_key_file(live.DATA_DIR)
    right = path.read_text()
    path.write_text(encryption.new_key())
    return right


def test_wrong_encryption_key_sends_nothing_and_loses_nothing(
    gateway: Simulator, live: Settings
) -> None:
    row = put(OLD)
    gateway.scenario("never-ends")
    running = make_generation(prompt="running")
    run_worker(lambda: status_of(running) == Status.RUNNING, "it runs")
    right = lose_encryption_key(live)
    problem = api_key.prepare()
    assert "does not fit the stored API keys (First key …1111)" in problem
    assert str(data_folder.encryption_key_file(live.DATA_DIR)) in problem
    queued = make_generation(prompt="queued")
    before = len(gateway.requests())
    submit.sweep()
    run_loops()
    assert len(gateway.requests()) == before
    assert (status_of(queued), status_of(running)) == (Status.QUEUED, Status.RUNNING)
    assert UpstreamGate.for_engine().hold_reason == UpstreamGate.HoldReason.NO_KEY
    assert Generation.objects.get(pk=running.pk).lost_at is None

    data_folder.encryption_key_file(live.DATA_DIR).write_text(right)
    submit.sweep()  # the heartbeat
    run_worker(lambda: status_of(queued) == Status.SUCCEEDED, "it is generated")
    assert not UpstreamGate.for_engine().is_held
    assert ApiKey.objects.get(pk=row.pk).unreadable_at is None


def test_key_that_becomes_unreadable_in_a_run_claims_nothing(
    gateway: Simulator, live: Settings
) -> None:
    put(OLD)
    lose_encryption_key(live)  # nobody has looked yet
    row = make_generation()
    run_loops("submit")
    assert (status_of(row), gateway.requests("submit")) == (Status.QUEUED, [])


def test_missing_encryption_key_is_not_replaced_silently(live: Settings) -> None:
    put(OLD)
    data_folder.encryption_key_file(live.DATA_DIR).unlink()
    assert "does not fit" in api_key.prepare()
    assert not data_folder.encryption_key_file(live.DATA_DIR).exists()


@pytest.mark.parametrize("lose", [Path.unlink, lambda path: path.write_text(encryption.new_key())])
def test_lost_encryption_key_is_put_back_after_another_key_was_entered(
    live: Settings, lose: Callable[[Path], Any]
) -> None:
    """Neither the rows of before nor the one of after need to be entered again."""
    put(OLD)
    put(SPARE, RESERVE)
    path, second = (
        each(live.DATA_DIR)
        for each in (data_folder.encryption_key_file, data_folder.second_encryption_key_file)
    )
    right = path.read_text()
    lose(path)
    put(NEW)
    assert second.stat().st_mode & 0o777 == 0o600
    old, spare, new = ApiKey.objects.order_by("pk")
    assert (old.is_readable(), spare.is_readable(), new.decrypt()) == (False, False, NEW)
    assert all((old.encrypted, spare.encrypted))

    path.write_text(right)  # from a backup
    assert stored_keys() == [OLD, SPARE, NEW]
    submit.sweep()
    assert key_rotation.rotate().unreadable == ()
    assert not second.exists()
    assert stored_keys() == [OLD, SPARE, NEW]
    assert len(encryption.keys()) == 1


def test_variable_wins_over_the_file(live: Settings) -> None:
    live.ENCRYPTION_KEYS = [encryption.new_key()]
    row = put(OLD)
    assert not data_folder.encryption_key_file(live.DATA_DIR).exists()
    assert row.decrypt() == OLD
    live.ENCRYPTION_KEYS = [encryption.new_key()]
    assert "KLINGWEB_ENCRYPTION_KEY" in api_key.prepare()


# --- rotation -------------------------------------------------------------------------------------


def stored_keys() -> list[str]:
    return [row.decrypt() for row in ApiKey.objects.exclude(encrypted="").order_by("pk")]


@pytest.fixture
def two_keys(live: Settings) -> None:
    put(OLD)
    put(SPARE, RESERVE)


@pytest.mark.usefixtures("two_keys")
def test_rotation_encrypts_again_and_forgets_the_old_key(live: Settings) -> None:
    [before], tokens = encryption.keys(), set(ApiKey.objects.values_list("encrypted", flat=True))
    assert "2 API keys were encrypted again." in commands.run("keys", "rotate").stdout
    [after] = encryption.keys()
    assert after != before
    assert not tokens & set(ApiKey.objects.values_list("encrypted", flat=True))
    assert stored_keys() == [OLD, SPARE]


class Interrupted(BaseException):
    """A kill, which no code handles."""


def interrupt(monkeypatch: pytest.MonkeyPatch, number: int, model: type[Any] = ApiKey) -> None:
    """Kill the rotation before its durable step with this number, from 0."""
    left = [number]

    def before(action: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Interrupted
            return action(*arguments, **options)

        return step

    for owner, name in ((data_folder, "write_encryption_keys"), (model, "save")):
        monkeypatch.setattr(owner, name, before(getattr(owner, name)))


@pytest.mark.usefixtures("two_keys")
@pytest.mark.parametrize("step", range(4))
def test_rotation_may_be_interrupted_before_each_step(
    live: Settings, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Its steps: the new encryption key, two rows, the old one goes."""
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        interrupt(patched, step)
        key_rotation.rotate()
    assert stored_keys() == [OLD, SPARE]
    key_rotation.rotate()
    assert stored_keys() == [OLD, SPARE]
    assert len(encryption.keys()) == 1


@pytest.mark.usefixtures("two_keys")
def test_rotation_has_four_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test before has interrupted it at each."""
    interrupt(monkeypatch, 4)
    assert key_rotation.rotate().rows == 2


@pytest.mark.usefixtures("two_keys")
def test_old_encryption_key_stays_while_a_row_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(ApiKey, "save", lambda *_arguments, **_options: None)
        key_rotation.rotate()
    assert len(encryption.keys()) == 2
    assert stored_keys() == [OLD, SPARE]


@pytest.mark.usefixtures("two_keys")
def test_rotation_leaves_what_it_cannot_read(live: Settings) -> None:
    right = lose_encryption_key(live)
    put(NEW)
    before = ApiKey.objects.get(slot=RESERVE).encrypted
    done = key_rotation.rotate()
    assert (done.rows, done.unreadable) == (1, ("First key …1111", "Reserve key …3333"))
    assert ApiKey.objects.get(slot=RESERVE).encrypted == before
    data_folder.write_encryption_keys(live.DATA_DIR, [*encryption.keys(), right])
    assert stored_keys() == [OLD, SPARE, NEW]


@pytest.mark.usefixtures("two_keys")
def test_rotation_with_the_variable_uses_its_first_key(live: Settings) -> None:
    old = encryption.keys()
    live.ENCRYPTION_KEYS = [encryption.new_key(), *old]
    assert key_rotation.rotate().rows == 2
    live.ENCRYPTION_KEYS = live.ENCRYPTION_KEYS[:1]
    assert stored_keys() == [OLD, SPARE]


# --- which key a request is sent with -------------------------------------------------------------


def status_of(row: Generation) -> Status:
    return Status(Generation.objects.get(pk=row.pk).status)


def test_each_task_is_queried_with_the_key_it_was_sent_with(gateway: Simulator) -> None:
    """Three accounts: none knows the tasks of another."""
    put(OLD)
    gateway.scenario("never-ends", times=1, seconds_from=0, seconds_to=0)
    before = make_generation(prompt="before")
    run_worker(lambda: status_of(before) == Status.RUNNING, "it runs")
    new = put(NEW)
    after = make_generation(prompt="after")
    run_worker(lambda: status_of(after) == Status.SUCCEEDED, "it is generated")
    after.refresh_from_db()
    assert after.api_key == new
    assert after.submissions.get().api_key == new
    assert accounts(gateway, "submit") == [0, 1]
    of_task: dict[str, set[int]] = {each["task_id"]: set() for each in gateway.tasks()}
    for each in gateway.requests("query"):
        of_task[each["task_id"]].add(each["account"])
    assert list(of_task.values()) == [{0}, {1}]
    before.refresh_from_db()
    assert (before.status, before.first_not_found_at) == (Status.RUNNING, None)


def test_file_is_asked_for_with_the_key_of_its_task(gateway: Simulator) -> None:
    put(OLD)
    gateway.scenario("file-403-once")
    row = make_generation()
    run_worker(lambda: status_of(row) == Status.RUNNING, "it runs", ["submit"])
    put(NEW)
    run_worker(lambda: status_of(row) == Status.FETCHING, "it is done", ["poll"])
    polls = len(gateway.requests("query"))
    run_worker(lambda: status_of(row) == Status.SUCCEEDED, "it is stored", ["fetch"])
    assert len(gateway.requests("query")) == polls + 1  # for the new URL
    assert set(accounts(gateway, "query")) == {0}


def test_revoked_key_of_the_same_account_loses_nothing(gateway: Simulator) -> None:
    gateway.settings(key=OLD, other_keys={NEW: 0})
    put(OLD)
    row = make_generation()
    run_worker(lambda: status_of(row) == Status.RUNNING, "it runs", ["submit"])
    put(NEW)
    gateway.settings(key=NEW, other_keys={})  # the old one is refused from now on
    run_worker(lambda: status_of(row) == Status.SUCCEEDED, "it is stored")


def test_revoked_key_of_another_account_ends_nothing(
    gateway: Simulator, settings: Settings
) -> None:
    settings.DOUBT_SECONDS = 0
    put(OLD)
    row = make_generation()
    run_worker(lambda: status_of(row) == Status.RUNNING, "it runs", ["submit"])
    put(NEW)
    gateway.settings(key="sk-nobody-has-this-one", other_keys={NEW: 1})
    run_worker(lambda: poll_failures(row) > 2, "it was asked for", ["poll"])
    row.refresh_from_db()
    assert (row.status, row.lost_at, row.first_not_found_at) == (Status.RUNNING, None, None)


def poll_failures(row: Generation) -> int:
    return Generation.objects.get(pk=row.pk).poll_failures


class Answers:
    """A client that answers each query in the same way."""

    name = "kling"

    def __init__(self, answer: EngineError | Task) -> None:
        self.answer = answer

    def task(self, upstream_task_id: str) -> Task:
        if isinstance(self.answer, Task):
            return self.answer
        raise self.answer


REFUSED, UNKNOWN = OnHold("no", reason=HoldReason.KEY), TaskNotFound("task_not_exist")
DONE = Task("t", State.SUCCEEDED)


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        (DONE, [], DONE),
        (UNKNOWN, [DONE], TaskNotFound),  # its own account says so
        (REFUSED, [UNKNOWN, DONE], DONE),
        (REFUSED, [UNKNOWN], OnHold),
        (OnHold("empty", reason=HoldReason.ACCOUNT), [DONE], OnHold),
        (None, [UNKNOWN], Unanswered),
        (None, [DONE], DONE),
    ],
)
def test_only_its_own_account_says_that_a_task_does_not_exist(
    own: Any, others: list[Any], expected: Any
) -> None:
    clients: list[Any] = [(number, Answers(other)) for number, other in enumerate(others)]
    own_client = cast(Any, own and (None, Answers(own)))
    queries = TaskQueries(own_client, clients, is_replaced=bool(clients))
    outcome = queries.query("t").outcome
    assert outcome is DONE if expected is DONE else isinstance(outcome, expected)


def test_environment_wins_and_its_tasks_wait_when_it_is_gone(
    gateway: Simulator, settings: Settings
) -> None:
    settings.UPSTREAM_KEY, settings.DOUBT_SECONDS = OLD, 0
    put(NEW)
    row = make_generation()
    run_worker(lambda: status_of(row) == Status.RUNNING, "it runs", ["submit"])
    assert accounts(gateway, "submit") == [0]
    settings.UPSTREAM_KEY = ""  # another account's key is left
    run_loops("poll", "poll", "poll")
    row.refresh_from_db()
    assert (accounts(gateway, "query"), row.lost_at) == ([], None)
    settings.UPSTREAM_KEY = OLD
    run_worker(lambda: status_of(row) == Status.SUCCEEDED, "it is stored")


def test_key_is_checked_again_under_the_lock(gateway: Simulator) -> None:
    """The row is prepared, and then the key is replaced: it is not claimed with the old one."""
    put(OLD)
    row, gate = make_generation(), UpstreamGate.for_engine()
    put(NEW)
    assert dispatch.claim_next(1, gates=[gate]) == []
    assert status_of(row) == Status.QUEUED


def test_row_that_was_claimed_but_not_sent_is_queued_again(gateway: Simulator) -> None:
    put(OLD)
    row = make_generation()
    [item] = dispatch.claim_next(1)
    submit_outcomes.take_back(item, TransitionReason.KEY_REPLACED)
    row.refresh_from_db()
    assert (row.status, row.submissions.get().outcome) == (Status.QUEUED, "postponed")
    assert row.transitions.latest("pk").reason == TransitionReason.KEY_REPLACED
    assert gateway.requests("submit") == []


def test_late_response_to_the_old_key_does_not_touch_the_new_gate(live: Settings) -> None:
    put(OLD)
    make_generation()
    [item] = dispatch.claim_next(1)
    put(NEW)
    submit_outcomes._record_error(item, OnHold("revoked", reason=HoldReason.KEY))
    assert not UpstreamGate.for_engine().is_held
    assert UpstreamGate.for_key(item.submission.api_key_id).is_held


def test_without_a_key_generation_is_on_hold(gateway: Simulator, boss: Member) -> None:
    put(OLD)
    row = make_generation()
    api_key.remove(FIRST, boss)
    run_loops("submit")
    assert (status_of(row), gateway.requests("submit")) == (Status.QUEUED, [])
    current = UpstreamGate.current_or_none()
    assert current is not None
    assert current.hold_reason == UpstreamGate.HoldReason.NO_KEY
    put(NEW)
    run_worker(lambda: status_of(row) == Status.SUCCEEDED, "it is generated")


def test_task_of_a_removed_key_is_finished(gateway: Simulator, boss: Member) -> None:
    put(OLD)
    row = make_generation()
    run_worker(lambda: status_of(row) == Status.RUNNING, "it runs", ["submit"])
    api_key.remove(FIRST, boss)
    run_worker(lambda: status_of(row) == Status.SUCCEEDED, "it is stored")


# --- the reserve ----------------------------------------------------------------------------------


def test_reserve_takes_over_an_empty_account_and_gives_back(gateway: Simulator) -> None:
    put(OLD)
    put(SPARE, RESERVE)
    gateway.settings(empty_accounts=[0])
    rows = [make_generation(owner=make_member()) for _ in range(6)]
    run_worker(lambda: {status_of(row) for row in rows} == {Status.SUCCEEDED}, "all are generated")
    assert [each["account"] for each in gateway.tasks()] == [2] * 6
    first, reserve = (UpstreamGate.for_key(key) for key in ApiKey.objects.in_order())
    assert (first.hold_reason, reserve.hold_reason) == (UpstreamGate.HoldReason.ACCOUNT, "")
    assert UpstreamGate.for_engine() == reserve
    assert accounts(gateway, "submit").count(0) <= UpstreamGate.MAX_SUSPECTS

    gateway.settings(empty_accounts=[])
    tested = make_generation()
    make_probe_due()
    run_worker(lambda: status_of(tested) == Status.SUCCEEDED, "it tested the first key")
    later = make_generation()
    run_worker(lambda: status_of(later) == Status.SUCCEEDED, "it is generated")
    assert [each["account"] for each in gateway.tasks()][-2:] == [0, 0]
    assert UpstreamGate.for_engine() == first


def test_refused_test_of_the_first_key_costs_no_request(gateway: Simulator) -> None:
    put(OLD)
    put(SPARE, RESERVE)
    gateway.settings(empty_accounts=[0])
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.ACCOUNT)
    make_probe_due()
    row = make_generation()
    run_worker(lambda: status_of(row) == Status.SUCCEEDED, "it is generated")
    assert accounts(gateway, "submit") == [0, 2]
    assert Generation.objects.get(pk=row.pk).attempt == 2


def test_row_that_both_keys_refuse_is_not_at_fault(live: Settings) -> None:
    """The first is empty, the reserve accepted others meanwhile, and then is empty as well."""
    put(OLD)
    put(SPARE, RESERVE)
    first, reserve = (UpstreamGate.for_key(key) for key in ApiKey.objects.in_order())
    row, empty = make_generation(), OnHold("empty", reason=HoldReason.ACCOUNT)
    [item] = dispatch.claim_next(1, gates=[first])
    submit_outcomes._record_error(item, empty)
    reserve.report_submit(None, SentRequest(0, row.owner_id, timezone.now()))
    [item] = dispatch.claim_next(1, gates=[reserve])
    submit_outcomes._record_error(item, empty)
    assert status_of(row) == Status.QUEUED


def test_resume_gives_the_requests_back_to_the_first(live: Settings) -> None:
    put(OLD)
    put(SPARE, RESERVE)
    first = UpstreamGate.for_engine()
    first.hold(UpstreamGate.HoldReason.ACCOUNT)
    reserve = UpstreamGate.for_engine()
    assert reserve != first
    reserve.resume()
    assert UpstreamGate.for_engine() == first


@pytest.mark.parametrize(
    "reason", [each for each in UpstreamGate.HoldReason if each != UpstreamGate.HoldReason.NO_KEY]
)
def test_reserve_takes_over_only_for_the_key_or_its_account(
    live: Settings, reason: UpstreamGate.HoldReason
) -> None:
    put(OLD)
    put(SPARE, RESERVE)
    first = UpstreamGate.for_engine()
    first.hold(reason)
    takes_over = reason in {"account", "key", "rights"}
    assert (UpstreamGate.for_engine() != first) == takes_over
    assert len(UpstreamGate.in_turn()) == (2 if takes_over else 1)


def test_pause_is_one_for_all_keys_and_for_new_ones(live: Settings, boss: Member) -> None:
    put(OLD)
    put(SPARE, RESERVE)
    assert UpstreamGate.for_engine().pause(boss, "Lunch")
    put(NEW)
    gates = [UpstreamGate.for_key(key) for key in ApiKey.objects.in_order()]
    assert [gate.pause_reason for gate in gates] == ["Lunch", "Lunch"]
    make_generation()
    assert dispatch.claim_next(1) == []
    gates[0].resume()
    assert not UpstreamGate.of_engine().filter(paused_at__isnull=False).exists()


def test_limits_are_apart_but_a_replaced_key_counts_for_its_slot(
    live: Settings, boss: Member
) -> None:
    live.CONCURRENCY_LIMIT = 2
    old = put(OLD)
    put(SPARE, RESERVE)
    make_generation(Status.RUNNING, api_key=old, n=2)
    put(NEW)
    row = make_generation()
    first, reserve = (UpstreamGate.for_key(key) for key in ApiKey.objects.in_order())
    assert dispatch.claim_next(1, gates=[first]) == []
    [item] = dispatch.claim_next(1, gates=[reserve])
    assert (item.generation.pk, item.submission.api_key_id) == (row.pk, reserve.api_key_id)


def test_silence_of_one_key_delays_no_poll_of_the_other(gateway: Simulator) -> None:
    first, spare = put(OLD), put(SPARE, RESERVE)
    now = timezone.now() - timedelta(seconds=1)
    silent = make_generation(Status.RUNNING, api_key=first, next_poll_at=now)
    heard = make_generation(Status.RUNNING, api_key=spare, next_poll_at=now)
    UpstreamGate.for_key(first.pk).stay_silent(30)
    keys = UpstreamGate.silent_keys()
    claimed = Generation.objects.claim_due(8, 60, except_keys=keys)
    assert [row.pk for row in claimed] == [heard.pk]
    assert Generation.objects.get(pk=silent.pk).next_poll_at == now
    assert Generation.objects.claim_due(8, 60, except_keys={None, spare.pk})[0].pk == silent.pk


# --- taking over ----------------------------------------------------------------------------------


def test_key_of_an_earlier_release_is_taken_over(live: Settings) -> None:
    path = data_folder.old_upstream_key_file(live.DATA_DIR)
    path.write_text(f"{OLD}\n")
    running = make_generation(Status.RUNNING, next_poll_at=timezone.now())
    done = make_generation(Status.SUCCEEDED)
    assert api_key.prepare() == ""
    row = ApiKey.objects.get()
    assert (row.decrypt(), row.slot, row.is_active) == (OLD, "first", True)
    assert not path.exists()
    assert data_folder.uses_gateway(live.DATA_DIR)
    for generation in (running, done):
        generation.refresh_from_db()
    assert (running.api_key, done.api_key) == (row, None)


def test_kill_before_the_file_is_deleted_repeats_the_take_over(
    live: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = data_folder.old_upstream_key_file(live.DATA_DIR)
    path.write_text(OLD)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", _killed)
        with pytest.raises(Interrupted):
            api_key.prepare()
    assert path.exists()
    assert stored_keys() == [OLD]
    api_key.prepare()
    assert stored_keys() == [OLD]
    assert not path.exists()


def _killed(*_arguments: object, **_options: object) -> None:
    raise Interrupted


def test_old_file_does_not_replace_a_newer_key(live: Settings) -> None:
    put(NEW)
    data_folder.old_upstream_key_file(live.DATA_DIR).write_text(OLD)
    api_key.prepare()
    assert [row.decrypt() for row in ApiKey.objects.active()] == [NEW]


def test_start_marks_a_key_whose_process_was_killed_before_the_mark(live: Settings) -> None:
    put(OLD)  # the mark comes after the commit, which never comes in this test
    assert not api_key.is_stored()
    api_key.prepare()
    assert api_key.is_stored()


# --- the command ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("two_keys")
def test_command_lists_the_last_four_only() -> None:
    printed = commands.run("keys", "list").stdout
    assert "1111" in printed
    assert OLD not in printed
    assert [key["state"] for key in commands.run_json("keys", "list")["keys"]] == ["in use"] * 2


def test_command_generates_a_key_that_settings_accept(live: Settings) -> None:
    live.ENCRYPTION_KEYS = [commands.run("keys", "generate").stdout.strip()]
    assert put(OLD).decrypt() == OLD


def test_rotation_that_cannot_write_says_so(
    two_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(data_folder, "write_encryption_keys", full)
    assert "The rotation did not end." in commands.refusal("keys", "rotate")
    assert stored_keys() == [OLD, SPARE]


# --- attempts with the keys of two accounts ------------------------------------------------------


@pytest.fixture
def sent_twice(gateway: Simulator, boss: Member, live: Settings) -> Generation:
    """Accepted with one key, without an answer; then sent again with another key, in doubt too."""
    put(OLD)
    gateway.scenario("cut-after-accept")
    quote = Quote("kling", "kling-v1", "", 500, 1)
    row, _is_new = Generation.objects.request(
        owner=boss, key="k", quote=quote, prompt="one", aspect_ratio="1:1"
    )
    run_worker(lambda: status_of(row) == Status.UNCONFIRMED, "it is in doubt", ["submit"])
    put(NEW)
    gateway.scenario("normal")
    Member.objects.update(submit_not_before=None, unanswered_in_a_row=0)
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED
    row.send_again(boss, row.version, quote)
    return row


def test_key_of_an_earlier_attempt_in_doubt_is_kept(sent_twice: Generation) -> None:
    [_item] = dispatch.claim_next(1)
    assert ApiKey.objects.erase_unused() == 0
    assert all(ApiKey.objects.values_list("encrypted", flat=True))


def test_lookup_in_one_account_proves_nothing_about_another(
    sent_twice: Generation, gateway: Simulator, live: Settings
) -> None:
    live.UPSTREAM_LOOKUP, live.LOOKUP_SECONDS = "reference", (0.01, 0.01)
    known = make_generation(prompt="two")
    Member.objects.update(submit_not_before=None, unanswered_in_a_row=0)
    [item, other] = sorted(dispatch.claim_next(2), key=lambda each: each.generation.pk)
    assert other.generation.pk == known.pk
    item.generation.mark_unconfirmed(item.submission, TransitionReason.WORKER_DIED)
    for _round in range(6):
        rows = Generation.objects.filter(pk=sent_twice.pk, status=Status.UNCONFIRMED)
        rows.update(next_poll_at=timezone.now())
        run_loops("lookup")
    assert status_of(sent_twice) == Status.UNCONFIRMED


@pytest.mark.usefixtures("media_root")
def test_task_of_an_earlier_account_is_charged_too(sent_twice: Generation, live: Settings) -> None:
    live.UPSTREAM_LOOKUP = "reference"
    [item] = dispatch.claim_next(1)
    item.generation.claim_task_id("task-b")
    item.generation.mark_running(item.submission, "task-b", 1.0)
    sent_twice.refresh_from_db()
    sent_twice.mark_fetching(["https://files.example/1.png"])
    store_picture(sent_twice.pictures.get())
    sent_twice.refresh_from_db()
    sent_twice.finish_if_complete()
    sent_twice.refresh_from_db()
    assert (sent_twice.status, sent_twice.charged_e4) == (Status.SUCCEEDED, 1000)
