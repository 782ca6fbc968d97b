"""Submits whose answer was lost: found where the upstream can be asked, and never sent again."""

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
from tests.builders import make_admin, make_generation, make_submission
from tests.scripted_server import ScriptedServer, reply
from tests.simulator import Simulator
from tests.worker_driver import DEAD_HOLDER, Answers, is_idle, run_loops, run_worker

pytestmark = pytest.mark.django_db

HOUR = 3600.0
DENIED = reply(400, {"code": "task_not_exist", "message": "task_not_exist", "data": None})
BROKEN = reply(502, "<html>Bad Gateway</html>", Content_Type="text/html")

# Scenarios 13 to 15 of the upstream notes, and whether the task exists all the same.
LOST_ANSWERS = {
    **dict.fromkeys(("answer-late", "cut-after-accept", "half-answer", "html-504"), True),
    **dict.fromkeys(("html-524", "empty-200", "broken-json", "no-task-id", "panic"), True),
    **dict.fromkeys(("submit-5002", "direct-data", "facade-failed"), True),
    **dict.fromkeys(("cut-before-accept", "html-200", "html-502", "empty-502"), False),
    "not-reached": False,
}


@pytest.fixture(params=["reference", "list"])
def asked(
    request: pytest.FixtureRequest,
    upstream: Simulator,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Simulator:
    """An upstream that can be asked, in either way, and has taken one of ours before."""
    settings.UPSTREAM_LOOKUP = request.param
    settings.LOOKUP_SECONDS = [0.05, 0.1, 0.2]
    monkeypatch.setattr(lookup, "MAX_CLOCK_DIFFERENCE", timedelta(0))
    make_generation(prompt="an earlier lighthouse")
    run_worker()
    return upstream


def lose_the_answer(**columns: Any) -> Generation:
    """The upstream takes it; whoever sent it is killed before the answer is written down."""
    row = make_generation(**columns)
    with closing(make_client()) as client:
        (item,) = dispatch.send_next(1)
        client.submit(item.request)
    item.submission.holder = DEAD_HOLDER
    item.submission.save()
    submit.sweep()
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED
    return row


def is_settled() -> bool:
    return is_idle() and not Generation.objects.filter(status=Status.UNCONFIRMED).exists()


def posts_for(upstream: Simulator, row: Generation) -> list[dict[str, Any]]:
    return [post for post in upstream.requests("submit") if post["prompt"] == row.prompt]


def questions(upstream: Simulator, since: int = 0) -> list[dict[str, Any]]:
    """All that was asked: of a task, by its id or our name, or for the list."""
    return [one for one in upstream.requests(since=since) if one["kind"] in ("query", "list")]


# --- every way to lose an answer ---------------------------------------------------------------


@pytest.mark.parametrize(("name", "exists"), LOST_ANSWERS.items())
def test_what_exists_is_found_and_what_does_not_is_known_not_to_be_there(
    name: str, exists: bool, asked: Simulator, settings: Settings
) -> None:
    if name == "answer-late":
        settings.SUBMIT_DEADLINE_SECONDS = 0.5
        asked.scenario(name, answer_seconds=5)
    row = make_generation(prompt=f"a red door, simulate: {name}", n=2)
    run_worker(is_settled, "nothing is unconfirmed any more")
    row.refresh_from_db()
    whys = list(row.transitions.values_list("reason", flat=True))
    assert len(posts_for(asked, row)) == 1
    if exists:
        assert (row.status, row.pictures.count()) == (Status.SUCCEEDED, 2)
        assert TransitionReason.FOUND in whys
        assert row.submissions.get().outcome == "accepted"
        assert row.submissions.get().upstream_task_id == row.upstream_task_id
    else:
        assert (row.status, row.failure) == (Status.FAILED, Failure.OURS)
        assert whys[-1] == TransitionReason.NOT_THERE
        assert row.submissions.get().outcome == "unanswered"
    assert row.next_poll_at is None
    before = len(asked.requests())
    run_loops()
    assert len(asked.requests()) == before, "asked after the end"


def test_what_was_sent_by_somebody_who_was_killed_is_found(asked: Simulator) -> None:
    row = lose_the_answer()
    run_worker(is_settled, "it is made")
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    assert len(asked.tasks()) == 2


def test_a_new_task_that_the_upstream_denies_for_a_while_is_found_in_the_end(
    asked: Simulator, settings: Settings
) -> None:
    settings.LOOKUP_SECONDS = [0.05, 0.15, 1.5]
    asked.scenario("query-not-exist-10s", for_seconds=0.7)
    row = lose_the_answer()
    run_worker(lambda: Generation.objects.get(pk=row.pk).polls == 2, "it is denied twice")
    run_worker(is_settled, "it is made")
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED


def test_a_task_that_failed_upstream_is_found_and_fails_as_any_other(asked: Simulator) -> None:
    asked.scenario("failed-pixel", seconds_from=0.05, seconds_to=0.05)
    row = lose_the_answer()
    run_worker(is_settled, "it has an end")
    row.refresh_from_db()
    assert (row.status, row.transitions.latest("pk").reason) == (
        Status.FAILED,
        TransitionReason.FAILED,
    )
    assert row.transitions.filter(reason=TransitionReason.FOUND).exists()


# --- when it cannot be asked -------------------------------------------------------------------


def test_without_a_way_to_ask_it_waits_for_a_person(upstream: Simulator) -> None:
    row = lose_the_answer()
    assert row.next_poll_at is None
    assert "external_task_id" not in upstream.requests("submit")[0]["body_keys"]
    assert not row.search_upstream(by=row.owner, version=row.version)
    assert not lookup.has_work()
    run_loops("lookup")
    assert questions(upstream) == []


def test_our_name_goes_along_under_every_profile(upstream: Simulator, settings: Settings) -> None:
    settings.UPSTREAM_LOOKUP = "reference"
    for profile in ("documented", "extended"):
        settings.UPSTREAM_PROFILE = profile
        make_generation()
        run_worker()
        assert "external_task_id" in upstream.requests("submit")[-1]["body_keys"]


def test_what_went_out_without_our_name_is_not_looked_for_by_it(
    upstream: Simulator, settings: Settings
) -> None:
    """The upstream would say, truly and in vain, that it knows no such name."""
    lost_before = lose_the_answer()
    make_generation()
    dispatch.send_next(1)
    settings.UPSTREAM_LOOKUP = "reference"
    settings.LOOKUP_SECONDS = [0]
    Generation.objects.get(status=Status.SUBMITTING).submissions.update(holder=DEAD_HOLDER)
    submit.sweep()
    for row in Generation.objects.all():
        assert row.status == Status.UNCONFIRMED
        assert not row.search_upstream(by=row.owner, version=row.version)
    assert lost_before.next_poll_at is None
    assert not lookup.has_work()


def test_nothing_is_asked_before_the_grace_has_passed(asked: Simulator, settings: Settings) -> None:
    settings.LOOKUP_SECONDS = [60, 120]
    row = lose_the_answer()
    assert row.next_poll_at
    assert row.next_poll_at >= row.status_at + timedelta(seconds=60)
    before = len(questions(asked))
    run_loops("lookup")
    assert len(questions(asked)) == before


def test_a_demo_row_is_never_looked_for_at_the_real_upstream(
    asked: Simulator, settings: Settings
) -> None:
    lose_the_answer()
    settings.UPSTREAM_MODE = "live"
    Generation.objects.update(next_poll_at=timezone.now())
    assert not lookup.has_work()


# --- no answer is no answer --------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        BROKEN,
        reply(200, "<html>Dashboard</html>"),
        reply(200, b""),
        reply(500, {"code": 5000, "message": "Internal server error"}),
        reply(429, {"code": 1302, "message": "Too many requests"}),
        reply(404, {"error": {"message": "Invalid URL", "type": "invalid_request_error"}}),
        reply(200, {"code": 0, "message": "SUCCEED", "data": {}}),
        reply(200, {"code": 0, "message": "SUCCEED", "data": []}),
        DENIED,  # every name, even that of the task it took before
    ],
    ids=["502", "page", "empty", "5000", "429", "wrong-path", "no-id", "no-tasks", "denies-all"],
)
def test_an_upstream_that_says_nothing_of_it_ends_nothing(
    answer: bytes, asked: Simulator, answers: Answers
) -> None:
    row = lose_the_answer()
    answers.are(answer)
    run_worker(lambda: Generation.objects.get(pk=row.pk).poll_failures >= 4, "it was asked in vain")
    row.refresh_from_db()
    assert (row.status, row.polls) == (Status.UNCONFIRMED, 0)


def test_after_all_that_it_is_found_when_the_upstream_speaks_again(
    asked: Simulator, answers: Answers, settings: Settings
) -> None:
    row = lose_the_answer()
    answers.are(BROKEN)
    run_worker(lambda: Generation.objects.get(pk=row.pk).poll_failures >= 2, "it was asked in vain")
    settings.UPSTREAM_URL = asked.url
    run_worker(is_settled, "it is made")
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED


def test_the_gaps_between_vain_questions_grow(settings: Settings) -> None:
    settings.UPSTREAM_LOOKUP, settings.LOOKUP_SECONDS = "reference", [60]
    row = make_generation(Status.UNCONFIRMED, next_poll_at=timezone.now())
    for seconds in (120, 240, 480, 960, 1800, 1800):
        before = timezone.now()
        lookup._retry_later(row)
        row.refresh_from_db()
        assert row.next_poll_at
        gap = (row.next_poll_at - before).total_seconds()
        assert 0.8 * seconds <= gap <= 1.2 * seconds + 1


def test_a_retry_after_silences_the_whole_key(asked: Simulator, answers: Answers) -> None:
    lose_the_answer()
    server = answers.are(reply(429, {"code": 1302, "message": "slow"}, Retry_After="600"))
    run_worker(lambda: UpstreamGate.for_engine().silent_until is not None, "silence was asked for")
    told = len(server.requests)
    Generation.objects.filter(status=Status.UNCONFIRMED).update(next_poll_at=timezone.now())
    assert not lookup.has_work()
    run_loops("lookup")
    assert len(server.requests) == told


def test_a_refused_key_holds_the_line(asked: Simulator, answers: Answers) -> None:
    row = lose_the_answer()
    answers.are(reply(401, {"code": 1002, "message": "Authorization is invalid"}))
    run_worker(lambda: UpstreamGate.for_engine().is_held, "the line is held")
    row.refresh_from_db()
    assert (row.status, UpstreamGate.for_engine().hold_reason) == (
        Status.UNCONFIRMED,
        UpstreamGate.HoldReason.KEY,
    )


def test_a_list_that_does_not_reach_back_proves_nothing(
    asked: Simulator, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.UPSTREAM_LOOKUP = "list"
    monkeypatch.setattr(lookup, "MAX_CLOCK_DIFFERENCE", timedelta(minutes=10))
    row = make_generation(prompt="a red door, simulate: html-502")
    run_worker(lambda: Generation.objects.get(pk=row.pk).poll_failures >= 3, "it was asked in vain")
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED


# --- whose task it is --------------------------------------------------------------------------


def task(task_id: str, name: str = "", made_at: datetime | None = None) -> dict[str, Any]:
    created = made_at or timezone.now()
    info = {"external_task_id": name} if name else {}
    milliseconds = int(created.timestamp() * 1000)
    return {
        "task_id": task_id, "task_status": "processing", "task_info": info,
        "created_at": milliseconds, "updated_at": milliseconds,
    }  # fmt: skip


def page(*tasks: Any) -> bytes:
    return reply(200, {"code": 0, "message": "SUCCEED", "data": list(tasks)})


def test_a_task_that_another_generation_has_is_never_bound_again(
    asked: Simulator, settings: Settings, answers: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    settings.UPSTREAM_LOOKUP = "list"
    row = lose_the_answer()
    make_generation(Status.RUNNING, upstream_task_id="a-taken-one")
    name = row.external_id
    answers.are(page(task("a-taken-one", name), task("the-free-one", name), task("third", name)))
    run_worker(lambda: Generation.objects.get(pk=row.pk).status == Status.RUNNING, "it is found",
          lease_names=["lookup"])  # fmt: skip
    row.refresh_from_db()
    assert row.upstream_task_id == "the-free-one"
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert any("a-taken-one" in error for error in errors)
    assert any("third" in error for error in errors), "paid twice, and nobody is told"


def test_one_that_only_others_have_is_left_as_it_is(
    asked: Simulator, settings: Settings, answers: Answers
) -> None:
    settings.UPSTREAM_LOOKUP = "list"
    row = lose_the_answer()
    other = make_generation(Status.QUEUED)
    make_submission(other, upstream_task_id="a-late-answer-of-another")
    answers.are(page(task("a-late-answer-of-another", row.external_id)))
    run_worker(lambda: Generation.objects.get(pk=row.pk).poll_failures >= 2, "it was asked in vain",
          lease_names=["lookup"])  # fmt: skip
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED


def test_a_task_under_another_name_is_not_ours(
    asked: Simulator, settings: Settings, answers: Answers
) -> None:
    settings.UPSTREAM_LOOKUP = "reference"
    row = lose_the_answer()
    stranger = task("somebody-elses", "another-name")
    answers.are(reply(200, {"code": 0, "message": "SUCCEED", "data": stranger}))
    run_worker(lambda: Generation.objects.get(pk=row.pk).poll_failures >= 2, "it was asked in vain")
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED


# --- a person in between -----------------------------------------------------------------------


def test_sent_again_it_is_not_overtaken_by_what_is_told_of_the_first(
    asked: Simulator, settings: Settings
) -> None:
    settings.LOOKUP_SECONDS = [HOUR]
    row = lose_the_answer()
    Generation.objects.filter(pk=row.pk).update(next_poll_at=timezone.now())
    (looked_for,) = Generation.objects.claim_lookups(5, 60)
    first = row.submissions.get()
    row.refresh_from_db()
    assert row.send_again(by=row.owner, version=row.version)
    assert row.next_poll_at is None
    assert not looked_for.mark_found(first, "the-first")
    assert not looked_for.mark_not_there(first)
    assert not looked_for.reschedule_lookup(5, polls=1, poll_failures=0)

    second = row.mark_submitting(60)
    assert second
    row.mark_unconfirmed(second, TransitionReason.NO_ANSWER)
    assert not looked_for.mark_found(first, "the-first")
    assert not looked_for.mark_not_there(first)
    assert not looked_for.reschedule_lookup(5, polls=1, poll_failures=0)
    row.refresh_from_db()
    assert (row.status, row.attempt, row.upstream_task_id) == (Status.UNCONFIRMED, 2, "")


def test_what_is_found_after_it_was_sent_again_is_told_as_money(
    asked: Simulator, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.LOOKUP_SECONDS = [HOUR]
    row = lose_the_answer()
    stale = Generation.objects.get(pk=row.pk)
    assert row.send_again(by=row.owner, version=row.version)
    lookup._record_found(stale, row.submissions.get(), ("the-first",))
    assert "the-first" in caplog.text
    row.refresh_from_db()
    assert row.status == Status.QUEUED


def test_a_second_submit_that_is_refused_as_a_double_leads_to_the_first(
    asked: Simulator, settings: Settings
) -> None:
    settings.LOOKUP_SECONDS = [HOUR]
    row = lose_the_answer()
    assert row.send_again(by=row.owner, version=row.version)
    run_worker(lambda: Generation.objects.get(pk=row.pk).attempt == 2 and is_idle(), "it was sent")
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED
    assert row.search_upstream(by=row.owner, version=row.version)
    run_worker(is_settled, "it is made")
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    outcomes = row.submissions.order_by("attempt").values_list("outcome", "upstream_task_id")
    assert list(outcomes) == [("accepted", row.upstream_task_id), ("refused", "")]
    assert len(asked.tasks()) == 2


def test_given_up_it_is_not_looked_for_any_more(asked: Simulator) -> None:
    row = lose_the_answer()
    assert row.abandon(by=row.owner, version=row.version)
    assert row.next_poll_at is None
    assert not lookup.has_work()


def test_whoever_looks_again_and_again_does_not_shorten_the_doubt(
    asked: Simulator, settings: Settings
) -> None:
    settings.LOOKUP_SECONDS = [HOUR, 2 * HOUR, 3 * HOUR]
    asked.scenario("query-never-exists")
    row = lose_the_answer()
    for look in range(1, 6):
        assert row.search_upstream(by=row.owner, version=row.version)
        run_worker(lambda: not lookup.has_work(), "it is denied")
        row.refresh_from_db()
        assert (row.status, row.polls) == (Status.UNCONFIRMED, look)
    Generation.objects.filter(pk=row.pk).update(status_at=timezone.now() - timedelta(hours=3))
    row.refresh_from_db()
    assert row.search_upstream(by=row.owner, version=row.version)
    run_worker(is_settled, "it is known not to be there")
    row.refresh_from_db()
    assert (row.status, row.failure) == (Status.FAILED, Failure.OURS)


def test_looking_again_is_fenced_by_the_version_and_recorded(
    asked: Simulator, settings: Settings
) -> None:
    settings.LOOKUP_SECONDS = [HOUR]
    row = lose_the_answer()
    assert not row.search_upstream(by=row.owner, version=row.version - 1)
    assert row.search_upstream(by=row.owner, version=row.version)
    last = row.transitions.latest("pk")
    assert (last.reason, last.by) == (TransitionReason.LOOKED_AGAIN, row.owner)


# --- leases ------------------------------------------------------------------------------------


def test_what_one_looks_for_no_other_does_and_what_a_dead_one_held_is_looked_for_at_once(
    asked: Simulator, settings: Settings
) -> None:
    settings.LOOKUP_SECONDS = [0]
    row = lose_the_answer()
    assert [one.pk for one in Generation.objects.claim_lookups(5, 60)] == [row.pk]
    assert Generation.objects.claim_lookups(5, 60) == []
    Lease.objects.filter(name="lookup").delete()
    Lease.objects.create(
        name="lookup", holder=DEAD_HOLDER, expires_at=timezone.now() + timedelta(seconds=9)
    )
    run_loops("lookup")
    row.refresh_from_db()
    assert row.status == Status.RUNNING


def test_the_pump_leaves_it_alone_and_it_is_due_oldest_first(
    asked: Simulator, settings: Settings
) -> None:
    settings.LOOKUP_SECONDS = [HOUR]
    now = timezone.now()
    rows = [lose_the_answer(prompt=f"door {number}") for number in range(3)]
    for row, ago in zip(rows, (5, 9, -9), strict=True):
        due = now - timedelta(seconds=ago)
        Generation.objects.filter(pk=row.pk).update(next_poll_at=due)
    assert Generation.objects.claim_due(10, 60) == []
    assert Generation.objects.claim_lookups(1, 60) == [rows[1]]
    assert Generation.objects.claim_lookups(5, 60) == [rows[0]]


# --- "it is this task" -------------------------------------------------------------------------


@pytest.fixture
def admin(db: None) -> Member:
    return make_admin()


def its_task(upstream: Simulator, row: Generation) -> str:
    (found,) = [one for one in upstream.tasks() if one["prompt"] == row.prompt]
    return str(found["task_id"])


def test_an_admin_who_found_its_task_names_it_and_it_is_fetched(
    upstream: Simulator, admin: Member
) -> None:
    row = lose_the_answer()
    assert row.set_task_id(admin, row.version, f"  {its_task(upstream, row)}\n")
    assert row.next_poll_at
    assert row.next_poll_at <= timezone.now()
    run_worker()
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    assert row.transitions.get(reason=TransitionReason.NAMED).by == admin
    assert row.submissions.get().upstream_task_id == row.upstream_task_id


def test_a_task_that_another_generation_has_cannot_be_named(
    upstream: Simulator, admin: Member
) -> None:
    row = lose_the_answer()
    other = make_generation(Status.SUCCEEDED)
    with pytest.raises(TaskTaken):
        row.set_task_id(admin, row.version, other.upstream_task_id)
    row.refresh_from_db()
    assert (row.status, row.version) == (Status.UNCONFIRMED, 3)


@pytest.mark.parametrize("typed", ["", "  ", "x" * 201])
def test_what_cannot_be_a_task_is_not_named(typed: str, upstream: Simulator, admin: Member) -> None:
    row = lose_the_answer()
    assert not row.set_task_id(admin, row.version, typed)


def test_a_stale_page_names_nothing(upstream: Simulator, admin: Member) -> None:
    row = lose_the_answer()
    assert not row.set_task_id(admin, row.version - 1, "some-task")
    sending = make_generation()
    dispatch.send_next(1)
    sending.refresh_from_db()
    assert not sending.set_task_id(admin, sending.version, "some-task")
    assert Generation.objects.get(pk=sending.pk).status == Status.SUBMITTING


def test_a_mistyped_task_is_doubted_lost_and_can_be_corrected(
    upstream: Simulator, settings: Settings, admin: Member
) -> None:
    settings.DOUBT_SECONDS = 0
    row = lose_the_answer()
    assert row.set_task_id(admin, row.version, "a-typing-error")
    assert not row.set_task_id(admin, row.version, "too early: it is watched")
    run_worker(lambda: Generation.objects.get(pk=row.pk).is_lost, "the upstream denies it")
    row.refresh_from_db()
    settings.DOUBT_SECONDS = 600
    assert row.set_task_id(admin, row.version, its_task(upstream, row))
    assert not row.is_lost
    run_worker()
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    assert row.transitions.filter(reason=TransitionReason.NAMED, by=admin).count() == 2
    assert row.submissions.get().upstream_task_id == row.upstream_task_id


# --- how the list is read ----------------------------------------------------------------------

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TEN_MINUTES_AGO = NOW - timedelta(minutes=10)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def read(*pages: bytes, since: datetime = TEN_MINUTES_AGO) -> tuple[Listing, int]:
    """The listing of these pages, and how many were asked for."""
    with ScriptedServer(*pages) as server:
        client = kling_responses.make_client(server.url)
        listing = client.list_tasks(since)
        client.close()
        assert all(f"pageNum={number}&" in asked.path
                   for number, asked in enumerate(server.requests, 1))  # fmt: skip
        return listing, len(server.requests)


def test_the_list_is_read_back_to_the_moment_and_no_further() -> None:
    first = page(task("c", "our-c", ago(1)), task("b", "our-b", ago(5)))
    listing, asked = read(first, page(task("a", "our-a", ago(11))), page(task("0", "", ago(99))))
    assert asked == 2
    assert listing.task_ids == {"our-c": ("c",), "our-b": ("b",), "our-a": ("a",)}
    assert listing.covers(ago(10))
    assert not listing.covers(ago(11))


def test_several_of_one_name_come_the_newest_first() -> None:
    listing, _asked = read(page(task("b", "ours", ago(1)), task("a", "ours", ago(11))))
    assert listing.task_ids == {"ours": ("b", "a")}


@pytest.mark.parametrize(
    "pages",
    [
        [page(task("a", "ours", ago(99)), task("b", "ours too", ago(1))), page()],  # oldest first
        [page(task("a", "ours", ago(1)))],  # the same page for ever
        [page(task("a", "ours", ago(1))), page()],  # cut: nobody knows after how many
        [page(task("a", "ours", ago(1)), {"task_id": "b"}), page()],  # without a time
        [page()],
    ],
)
def test_a_list_that_shows_no_order_or_does_not_go_back_reaches_nowhere(
    pages: list[bytes],
) -> None:
    listing, asked = read(*pages)
    assert not listing.covers(ago(10))
    assert asked <= 2


def test_other_gateways_lists_are_read_too() -> None:
    seconds = {"id": 17, "external_task_id": "ours", "created_at": ago(11).timestamp()}
    nested = {"data": {"total": 1, "items": [{"task_id": "outer", "data": seconds}]}}
    listing, _asked = read(reply(200, {"code": "success", "message": "", **nested}))
    assert listing.task_ids == {"ours": ("outer",)}
    assert listing.covers(ago(10))


@pytest.mark.parametrize(
    ("answer", "error"),
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
def test_a_page_that_cannot_be_read_is_no_list(answer: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(answer)
