"""Lookups: lost submit responses are searched for upstream, and never submitted again."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from generations.engines.base import Listing, OnHold, SlowDown, Unanswered
from generations.models import (
    Failure,
    Generation,
    Lease,
    Member,
    Status,
    TaskTaken,
    TransitionReason,
    UpstreamGate,
)
from generations.worker import dispatch, lookup, submit
from generations.worker.upstream import make_client
from tests import kling_responses
from tests.builders import UNPRICED, make_admin, make_generation, make_submission
from tests.scripted_server import ScriptedServer, reply
from tests.simulator import Simulator
from tests.worker_driver import DEAD_HOLDER, ScriptedUpstream, is_idle, run_loops, run_worker

pytestmark = pytest.mark.django_db

HOUR = 3600.0
NOT_FOUND = reply(400, {"code": "task_not_exist", "message": "task_not_exist", "data": None})
BROKEN = reply(502, "<html>Bad Gateway</html>", Content_Type="text/html")

# Scenarios 13 to 15 of docs/upstream.md, and whether the task exists.
LOST_RESPONSES = {
    **dict.fromkeys(("answer-late", "cut-after-accept", "half-answer", "html-504"), True),
    **dict.fromkeys(("html-524", "empty-200", "broken-json", "no-task-id", "panic"), True),
    **dict.fromkeys(("submit-5002", "direct-data", "facade-failed"), True),
    **dict.fromkeys(("cut-before-accept", "html-200", "html-502", "empty-502"), False),
    "not-reached": False,
}


@pytest.fixture(params=["reference", "list"])
def lookup_upstream(
    request: pytest.FixtureRequest,
    upstream: Simulator,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Simulator:
    """An upstream with lookups, by id or by list, that has accepted one of our requests."""
    settings.UPSTREAM_LOOKUP = request.param
    settings.LOOKUP_SECONDS = [0.05, 0.1, 0.2]
    monkeypatch.setattr(lookup, "MAX_CLOCK_DIFFERENCE", timedelta(0))
    make_generation(prompt="an earlier lighthouse")
    run_worker()
    return upstream


def lose_response(**columns: Any) -> Generation:
    """Submit a row whose worker is killed before it records the response."""
    row = make_generation(**columns)
    with closing(make_client()) as client:
        (item,) = dispatch.claim_next(1)
        client.submit(item.request)
    item.submission.holder = DEAD_HOLDER
    item.submission.save()
    submit.sweep()
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED
    return row


def is_resolved() -> bool:
    return is_idle() and not Generation.objects.filter(status=Status.UNCONFIRMED).exists()


def posts_for(upstream: Simulator, row: Generation) -> list[dict[str, Any]]:
    return [post for post in upstream.requests("submit") if post["prompt"] == row.prompt]


def queries(upstream: Simulator, since: int = 0) -> list[dict[str, Any]]:
    """All queries: for a task, by its id or ours, or for the list."""
    return [one for one in upstream.requests(since=since) if one["kind"] in ("query", "list")]


# --- every way to lose a response --------------------------------------------------------------


@pytest.mark.parametrize(("name", "exists"), LOST_RESPONSES.items())
def test_existing_task_is_found_and_a_missing_one_fails(
    name: str, exists: bool, lookup_upstream: Simulator, settings: Settings
) -> None:
    if name == "answer-late":
        settings.SUBMIT_DEADLINE_SECONDS = 0.5
        lookup_upstream.scenario(name, answer_seconds=5)
    row = make_generation(prompt=f"a red door, simulate: {name}", n=2)
    run_worker(is_resolved, "no row is unconfirmed")
    row.refresh_from_db()
    reasons = list(row.transitions.values_list("reason", flat=True))
    assert len(posts_for(lookup_upstream, row)) == 1
    if exists:
        assert (row.status, row.pictures.count()) == (Status.SUCCEEDED, 2)
        assert TransitionReason.FOUND in reasons
        assert row.submissions.get().outcome == "accepted"
        assert row.submissions.get().upstream_task_id == row.upstream_task_id
    else:
        assert (row.status, row.failure) == (Status.FAILED, Failure.OURS)
        assert reasons[-1] == TransitionReason.NOT_FOUND
        assert row.submissions.get().outcome == "unanswered"
    assert row.next_poll_at is None
    before = len(lookup_upstream.requests())
    run_loops()
    assert len(lookup_upstream.requests()) == before, "queried after the end"


def test_task_of_a_killed_worker_is_found(lookup_upstream: Simulator) -> None:
    row = lose_response()
    run_worker(is_resolved, "it has succeeded")
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    assert len(lookup_upstream.tasks()) == 2


def test_task_that_is_not_found_at_first_is_found_later(
    lookup_upstream: Simulator, settings: Settings
) -> None:
    settings.LOOKUP_SECONDS = [0.05, 0.15, 1.5]
    lookup_upstream.scenario("query-not-exist-10s", for_seconds=0.7)
    row = lose_response()
    run_worker(lambda: Generation.objects.get(pk=row.pk).polls == 2, "not found twice")
    run_worker(is_resolved, "it has succeeded")
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED


def test_found_task_that_failed_upstream_fails(lookup_upstream: Simulator) -> None:
    lookup_upstream.scenario("failed-pixel", seconds_from=0.05, seconds_to=0.05)
    row = lose_response()
    run_worker(is_resolved, "it is final")
    row.refresh_from_db()
    assert (row.status, row.transitions.latest("pk").reason) == (
        Status.FAILED,
        TransitionReason.FAILED,
    )
    assert row.transitions.filter(reason=TransitionReason.FOUND).exists()


# --- without lookups ---------------------------------------------------------------------------


def test_without_lookups_a_person_decides(upstream: Simulator) -> None:
    row = lose_response()
    assert row.next_poll_at is None
    assert "external_task_id" not in upstream.requests("submit")[0]["body_keys"]
    assert not row.search_upstream(by=row.owner, version=row.version)
    assert not lookup.has_work()
    run_loops("lookup")
    assert queries(upstream) == []


def test_external_id_is_sent_in_every_profile(upstream: Simulator, settings: Settings) -> None:
    settings.UPSTREAM_LOOKUP = "reference"
    for profile in ("documented", "extended"):
        settings.UPSTREAM_PROFILE = profile
        make_generation()
        run_worker()
        assert "external_task_id" in upstream.requests("submit")[-1]["body_keys"]


def test_request_without_an_external_id_is_not_looked_up(
    upstream: Simulator, settings: Settings
) -> None:
    """The upstream would rightly not find this id, which proves nothing."""
    lost_before = lose_response()
    make_generation()
    dispatch.claim_next(1)
    settings.UPSTREAM_LOOKUP = "reference"
    settings.LOOKUP_SECONDS = [0]
    Generation.objects.get(status=Status.SUBMITTING).submissions.update(holder=DEAD_HOLDER)
    submit.sweep()
    for row in Generation.objects.all():
        assert row.status == Status.UNCONFIRMED
        assert not row.search_upstream(by=row.owner, version=row.version)
    assert lost_before.next_poll_at is None
    assert not lookup.has_work()


def test_first_lookup_waits_for_the_first_delay(
    lookup_upstream: Simulator, settings: Settings
) -> None:
    settings.LOOKUP_SECONDS = [60, 120]
    row = lose_response()
    assert row.next_poll_at
    assert row.next_poll_at >= row.status_at + timedelta(seconds=60)
    before = len(queries(lookup_upstream))
    run_loops("lookup")
    assert len(queries(lookup_upstream)) == before


def test_demo_row_is_never_looked_up_at_the_live_upstream(
    lookup_upstream: Simulator, settings: Settings
) -> None:
    lose_response()
    settings.UPSTREAM_MODE = "live"
    Generation.objects.update(next_poll_at=timezone.now())
    assert not lookup.has_work()


# --- unusable responses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        BROKEN,
        reply(200, "<html>Dashboard</html>"),
        reply(200, b""),
        reply(500, {"code": 5000, "message": "Internal server error"}),
        reply(429, {"code": 1302, "message": "Too many requests"}),
        reply(404, {"error": {"message": "Invalid URL", "type": "invalid_request_error"}}),
        reply(200, {"code": 0, "message": "SUCCEED", "data": {}}),
        reply(200, {"code": 0, "message": "SUCCEED", "data": []}),
        NOT_FOUND,  # for every id, also that of an accepted task
    ],
    ids=["502", "page", "empty", "5000", "429", "wrong-path", "no-id", "no-tasks", "finds-nothing"],
)
def test_unusable_response_ends_no_row(
    response: bytes, lookup_upstream: Simulator, scripted_upstream: ScriptedUpstream
) -> None:
    row = lose_response()
    scripted_upstream.respond_with(response)
    run_worker(lambda: Generation.objects.get(pk=row.pk).poll_failures >= 4, "lookups failed")
    row.refresh_from_db()
    assert (row.status, row.polls) == (Status.UNCONFIRMED, 0)


def test_task_is_found_after_the_upstream_has_recovered(
    lookup_upstream: Simulator, scripted_upstream: ScriptedUpstream, settings: Settings
) -> None:
    row = lose_response()
    scripted_upstream.respond_with(BROKEN)
    run_worker(lambda: Generation.objects.get(pk=row.pk).poll_failures >= 2, "lookups failed")
    settings.UPSTREAM_URL = lookup_upstream.url
    run_worker(is_resolved, "it has succeeded")
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED


def test_gaps_between_failed_lookups_grow(settings: Settings) -> None:
    settings.UPSTREAM_LOOKUP, settings.LOOKUP_SECONDS = "reference", [60]
    row = make_generation(Status.UNCONFIRMED, next_poll_at=timezone.now())
    for seconds in (120, 240, 480, 960, 1800, 1800):
        before = timezone.now()
        lookup._retry_later(row)
        row.refresh_from_db()
        assert row.next_poll_at
        gap = (row.next_poll_at - before).total_seconds()
        assert 0.8 * seconds <= gap <= 1.2 * seconds + 1


def test_retry_after_stops_all_lookups(
    lookup_upstream: Simulator, scripted_upstream: ScriptedUpstream
) -> None:
    lose_response()
    server = scripted_upstream.respond_with(
        reply(429, {"code": 1302, "message": "slow"}, Retry_After="600")
    )
    run_worker(lambda: UpstreamGate.for_engine().silent_until is not None, "the gate is silent")
    count = len(server.requests)
    Generation.objects.filter(status=Status.UNCONFIRMED).update(next_poll_at=timezone.now())
    assert not lookup.has_work()
    run_loops("lookup")
    assert len(server.requests) == count


def test_rejected_key_causes_a_hold(
    lookup_upstream: Simulator, scripted_upstream: ScriptedUpstream
) -> None:
    row = lose_response()
    scripted_upstream.respond_with(
        reply(401, {"code": 1002, "message": "Authorization is invalid"})
    )
    run_worker(lambda: UpstreamGate.for_engine().is_held, "the gate is held")
    row.refresh_from_db()
    assert (row.status, UpstreamGate.for_engine().hold_reason) == (
        Status.UNCONFIRMED,
        UpstreamGate.HoldReason.KEY,
    )


def test_list_that_does_not_go_back_far_enough_proves_nothing(
    lookup_upstream: Simulator, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.UPSTREAM_LOOKUP = "list"
    monkeypatch.setattr(lookup, "MAX_CLOCK_DIFFERENCE", timedelta(minutes=10))
    row = make_generation(prompt="a red door, simulate: html-502")
    run_worker(lambda: Generation.objects.get(pk=row.pk).poll_failures >= 3, "lookups failed")
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED


# --- which task belongs to which row -----------------------------------------------------------


def task(task_id: str, external_id: str = "", created_at: datetime | None = None) -> dict[str, Any]:
    info = {"external_task_id": external_id} if external_id else {}
    milliseconds = int((created_at or timezone.now()).timestamp() * 1000)
    return {
        "task_id": task_id,
        "task_status": "processing",
        "task_info": info,
        "created_at": milliseconds,
        "updated_at": milliseconds,
    }


def page(*tasks: Any) -> bytes:
    return reply(200, {"code": 0, "message": "SUCCEED", "data": list(tasks)})


def test_task_of_another_generation_is_never_assigned(
    lookup_upstream: Simulator,
    settings: Settings,
    scripted_upstream: ScriptedUpstream,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.UPSTREAM_LOOKUP = "list"
    row = lose_response()
    make_generation(Status.RUNNING, upstream_task_id="a-taken-one")
    name = row.external_id
    scripted_upstream.respond_with(
        page(task("a-taken-one", name), task("the-free-one", name), task("third", name))
    )
    run_worker(
        lambda: Generation.objects.get(pk=row.pk).status == Status.RUNNING,
        "it is found",
        lease_names=["lookup"],
    )
    row.refresh_from_db()
    assert row.upstream_task_id == "the-free-one"
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert any("a-taken-one" in error for error in errors)
    assert any("third" in error for error in errors), "the second charge is not logged"


def test_row_whose_only_task_belongs_to_another_stays_unconfirmed(
    lookup_upstream: Simulator, settings: Settings, scripted_upstream: ScriptedUpstream
) -> None:
    settings.UPSTREAM_LOOKUP = "list"
    row = lose_response()
    other = make_generation(Status.QUEUED)
    make_submission(other, upstream_task_id="a-late-answer-of-another")
    scripted_upstream.respond_with(page(task("a-late-answer-of-another", row.external_id)))
    run_worker(
        lambda: Generation.objects.get(pk=row.pk).poll_failures >= 2,
        "lookups failed",
        lease_names=["lookup"],
    )
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED


def test_task_with_another_external_id_is_not_assigned(
    lookup_upstream: Simulator, settings: Settings, scripted_upstream: ScriptedUpstream
) -> None:
    settings.UPSTREAM_LOOKUP = "reference"
    row = lose_response()
    other = task("of-another", "another-id")
    scripted_upstream.respond_with(reply(200, {"code": 0, "message": "SUCCEED", "data": other}))
    run_worker(lambda: Generation.objects.get(pk=row.pk).poll_failures >= 2, "lookups failed")
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED


# --- actions of people during a lookup ---------------------------------------------------------


def test_result_of_the_first_attempt_does_not_change_the_second(
    lookup_upstream: Simulator, settings: Settings
) -> None:
    settings.LOOKUP_SECONDS = [HOUR]
    row = lose_response()
    Generation.objects.filter(pk=row.pk).update(next_poll_at=timezone.now())
    (claimed,) = Generation.objects.claim_lookups(5, 60)
    first = row.submissions.get()
    row.refresh_from_db()
    assert row.send_again(by=row.owner, version=row.version, quote=UNPRICED)
    assert row.next_poll_at is None
    assert not claimed.mark_found(first, "the-first")
    assert not claimed.mark_not_found(first)
    assert not claimed.reschedule_lookup(5, polls=1, poll_failures=0)

    second = row.mark_submitting(60)
    assert second
    row.mark_unconfirmed(second, TransitionReason.NO_ANSWER)
    assert not claimed.mark_found(first, "the-first")
    assert not claimed.mark_not_found(first)
    assert not claimed.reschedule_lookup(5, polls=1, poll_failures=0)
    row.refresh_from_db()
    assert (row.status, row.attempt, row.upstream_task_id) == (Status.UNCONFIRMED, 2, "")


def test_task_found_after_sending_again_is_logged(
    lookup_upstream: Simulator, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.LOOKUP_SECONDS = [HOUR]
    row = lose_response()
    stale = Generation.objects.get(pk=row.pk)
    assert row.send_again(by=row.owner, version=row.version, quote=UNPRICED)
    lookup._record_found(stale, row.submissions.get(), ("the-first",))
    assert "the-first" in caplog.text
    row.refresh_from_db()
    assert row.status == Status.QUEUED


def test_submit_refused_as_duplicate_leads_to_the_first_task(
    lookup_upstream: Simulator, settings: Settings
) -> None:
    settings.LOOKUP_SECONDS = [HOUR]
    row = lose_response()
    assert row.send_again(by=row.owner, version=row.version, quote=UNPRICED)
    run_worker(
        lambda: Generation.objects.get(pk=row.pk).attempt == 2 and is_idle(), "it was submitted"
    )
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED
    assert row.search_upstream(by=row.owner, version=row.version)
    run_worker(is_resolved, "it has succeeded")
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    outcomes = row.submissions.order_by("attempt").values_list("outcome", "upstream_task_id")
    assert list(outcomes) == [("accepted", row.upstream_task_id), ("refused", "")]
    assert len(lookup_upstream.tasks()) == 2


def test_dismissed_row_is_not_looked_up(lookup_upstream: Simulator) -> None:
    row = lose_response()
    assert row.abandon(by=row.owner, version=row.version)
    assert row.next_poll_at is None
    assert not lookup.has_work()


def test_manual_lookups_do_not_shorten_the_total_time(
    lookup_upstream: Simulator, settings: Settings
) -> None:
    settings.LOOKUP_SECONDS = [HOUR, 2 * HOUR, 3 * HOUR]
    lookup_upstream.scenario("query-never-exists")
    row = lose_response()
    for count in range(1, 6):
        assert row.search_upstream(by=row.owner, version=row.version)
        run_worker(lambda: not lookup.has_work(), "the lookup is done")
        row.refresh_from_db()
        assert (row.status, row.polls) == (Status.UNCONFIRMED, count)
    Generation.objects.filter(pk=row.pk).update(status_at=timezone.now() - timedelta(hours=3))
    row.refresh_from_db()
    assert row.search_upstream(by=row.owner, version=row.version)
    run_worker(is_resolved, "it is proven not to exist")
    row.refresh_from_db()
    assert (row.status, row.failure) == (Status.FAILED, Failure.OURS)


def test_manual_lookup_checks_the_version_and_is_recorded(
    lookup_upstream: Simulator, settings: Settings
) -> None:
    settings.LOOKUP_SECONDS = [HOUR]
    row = lose_response()
    assert not row.search_upstream(by=row.owner, version=row.version - 1)
    assert row.search_upstream(by=row.owner, version=row.version)
    last = row.transitions.latest("pk")
    assert (last.reason, last.by) == (TransitionReason.RECHECKED, row.owner)


# --- row leases --------------------------------------------------------------------------------


def test_claimed_lookups_are_exclusive_until_their_process_dies(
    lookup_upstream: Simulator, settings: Settings
) -> None:
    settings.LOOKUP_SECONDS = [0]
    row = lose_response()
    assert [one.pk for one in Generation.objects.claim_lookups(5, 60)] == [row.pk]
    assert Generation.objects.claim_lookups(5, 60) == []
    Lease.objects.filter(name="lookup").delete()
    Lease.objects.create(
        name="lookup", holder=DEAD_HOLDER, expires_at=timezone.now() + timedelta(seconds=9)
    )
    run_loops("lookup")
    row.refresh_from_db()
    assert row.status == Status.RUNNING


def test_lookups_are_claimed_oldest_first_and_never_polled(
    lookup_upstream: Simulator, settings: Settings
) -> None:
    settings.LOOKUP_SECONDS = [HOUR]
    now = timezone.now()
    rows = [lose_response(prompt=f"door {number}") for number in range(3)]
    for row, ago in zip(rows, (5, 9, -9), strict=True):
        due = now - timedelta(seconds=ago)
        Generation.objects.filter(pk=row.pk).update(next_poll_at=due)
    assert Generation.objects.claim_due(10, 60) == []
    assert Generation.objects.claim_lookups(1, 60) == [rows[1]]
    assert Generation.objects.claim_lookups(5, 60) == [rows[0]]


# --- a task id entered by an admin -------------------------------------------------------------


@pytest.fixture
def admin(db: None) -> Member:
    return make_admin()


def task_id_of(upstream: Simulator, row: Generation) -> str:
    (found,) = [one for one in upstream.tasks() if one["prompt"] == row.prompt]
    return str(found["task_id"])


def test_task_id_entered_by_an_admin_is_polled(upstream: Simulator, admin: Member) -> None:
    row = lose_response()
    assert row.set_task_id(admin, row.version, f"  {task_id_of(upstream, row)}\n")
    assert row.next_poll_at
    assert row.next_poll_at <= timezone.now()
    run_worker()
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    assert row.transitions.get(reason=TransitionReason.TASK_ID_ENTERED).by == admin
    assert row.submissions.get().upstream_task_id == row.upstream_task_id


def test_task_id_of_another_generation_is_rejected(upstream: Simulator, admin: Member) -> None:
    row = lose_response()
    other = make_generation(Status.SUCCEEDED)
    with pytest.raises(TaskTaken):
        row.set_task_id(admin, row.version, other.upstream_task_id)
    row.refresh_from_db()
    assert (row.status, row.version) == (Status.UNCONFIRMED, 3)


@pytest.mark.parametrize("typed", ["", "  ", "x" * 501])
def test_invalid_task_id_is_rejected(typed: str, upstream: Simulator, admin: Member) -> None:
    row = lose_response()
    assert not row.set_task_id(admin, row.version, typed)


def test_task_id_from_a_stale_page_is_rejected(upstream: Simulator, admin: Member) -> None:
    row = lose_response()
    assert not row.set_task_id(admin, row.version - 1, "some-task")
    sending = make_generation()
    dispatch.claim_next(1)
    sending.refresh_from_db()
    assert not sending.set_task_id(admin, sending.version, "some-task")
    assert Generation.objects.get(pk=sending.pk).status == Status.SUBMITTING


def test_mistyped_task_id_can_be_corrected_when_the_task_is_lost(
    upstream: Simulator, settings: Settings, admin: Member
) -> None:
    settings.DOUBT_SECONDS = 0
    row = lose_response()
    assert row.set_task_id(admin, row.version, "a-typing-error")
    assert not row.set_task_id(admin, row.version, "too early: it is polled")
    run_worker(lambda: Generation.objects.get(pk=row.pk).is_lost, "it is lost")
    row.refresh_from_db()
    settings.DOUBT_SECONDS = 600
    assert row.set_task_id(admin, row.version, task_id_of(upstream, row))
    assert not row.is_lost
    run_worker()
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    assert row.transitions.filter(reason=TransitionReason.TASK_ID_ENTERED, by=admin).count() == 2
    assert row.submissions.get().upstream_task_id == row.upstream_task_id


# --- reading the list --------------------------------------------------------------------------

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TEN_MINUTES_AGO = NOW - timedelta(minutes=10)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def read(*pages: bytes, since: datetime = TEN_MINUTES_AGO) -> tuple[Listing, int]:
    """Return the listing of these pages, and how many were requested."""
    with ScriptedServer(*pages) as server:
        client = kling_responses.make_client(server.url)
        listing = client.list_tasks(since)
        client.close()
        assert all(
            f"pageNum={number}&" in received.path
            for number, received in enumerate(server.requests, 1)
        )
        return listing, len(server.requests)


def test_list_is_read_back_to_the_given_time_only() -> None:
    first = page(task("c", "our-c", ago(1)), task("b", "our-b", ago(5)))
    listing, requested = read(
        first, page(task("a", "our-a", ago(11))), page(task("0", "", ago(99)))
    )
    assert requested == 2
    assert listing.task_ids == {"our-c": ("c",), "our-b": ("b",), "our-a": ("a",)}
    assert listing.covers(ago(10))
    assert not listing.covers(ago(11))


def test_several_tasks_with_one_id_are_listed_newest_first() -> None:
    listing, _requested = read(page(task("b", "ours", ago(1)), task("a", "ours", ago(11))))
    assert listing.task_ids == {"ours": ("b", "a")}


@pytest.mark.parametrize(
    "pages",
    [
        [page(task("a", "ours", ago(99)), task("b", "ours too", ago(1))), page()],  # oldest first
        [page(task("a", "ours", ago(1)))],  # the same page forever
        [page(task("a", "ours", ago(1))), page()],  # possibly truncated
        [page(task("a", "ours", ago(1)), {"task_id": "b"}), page()],  # without a time
        [page()],
    ],
)
def test_list_without_order_or_end_covers_nothing(
    pages: list[bytes],
) -> None:
    listing, requested = read(*pages)
    assert not listing.covers(ago(10))
    assert requested <= 2


def test_lists_of_other_gateways_are_read() -> None:
    seconds = {"id": 17, "external_task_id": "ours", "created_at": ago(11).timestamp()}
    nested = {"data": {"total": 1, "items": [{"task_id": "outer", "data": seconds}]}}
    listing, _requested = read(reply(200, {"code": "success", "message": "", **nested}))
    assert listing.task_ids == {"ours": ("outer",)}
    assert listing.covers(ago(10))


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (BROKEN, Unanswered),
        (reply(200, "<html>"), Unanswered),
        (reply(200, {"code": 0, "data": None}), Unanswered),
        (reply(200, {"code": 0, "data": ["a", "b"]}), Unanswered),
        (reply(200, {"code": 0, "data": [{"no": "id"}]}), Unanswered),
        (reply(200, {"code": 5000, "message": "broken", "data": []}), Unanswered),
        (reply(400, {"code": 1201, "message": "pageSize"}), Unanswered),
        (reply(429, {"code": 1303, "message": "slow"}, Retry_After="3"), SlowDown),
        (reply(401, {"code": 1002, "message": "key"}), OnHold),
    ],
)
def test_unreadable_page_raises(response: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(response)
