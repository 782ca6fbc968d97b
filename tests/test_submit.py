"""The submit loop: what each response does to the row and the gate."""

import socket
from datetime import timedelta
from itertools import repeat
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone
from pytest_django import Settings

from generations.models import Generation, Status, Submission, UpstreamGate
from generations.models.process import this_process
from generations.worker import dispatch, submit, submit_outcomes
from generations.worker.dispatch import PreparedSubmission
from generations.worker.lease import LeasedLoop
from tests.builders import make_generation, make_submission
from tests.simulator import Simulator
from tests.worker_driver import (
    DEAD_HOLDER,
    REMOTE_HOLDER,
    REUSED_PID_HOLDER,
    make_probe_due,
    run_loops,
    run_worker,
)

pytestmark = pytest.mark.django_db


def make_queue(count: int) -> list[Generation]:
    return [make_generation() for _ in repeat(None, count)]


def statuses() -> list[str]:
    return list(Generation.objects.order_by("pk").values_list("status", flat=True))


def posts(upstream: Simulator) -> list[dict[str, Any]]:
    return upstream.requests("submit")


# --- holds -------------------------------------------------------------------------------------


def test_rejected_key_loses_no_request_and_the_hold_ends_automatically(upstream: Simulator) -> None:
    upstream.settings(key="another-key")
    make_queue(5)
    run_worker()
    assert statuses() == [Status.QUEUED] * 5
    assert UpstreamGate.for_engine().hold_reason == UpstreamGate.HoldReason.KEY

    tried = len(posts(upstream))
    make_probe_due()
    run_worker()
    assert len(posts(upstream)) == tried, "the free query was rejected"
    assert statuses() == [Status.QUEUED] * 5

    upstream.settings(key=upstream.key)
    make_probe_due()
    run_worker()
    assert statuses() == [Status.SUCCEEDED] * 5
    assert not UpstreamGate.for_engine().is_held


def test_three_unanswered_submits_in_a_row_cause_a_hold(upstream: Simulator) -> None:
    upstream.scenario("html-200", times=None)
    make_queue(5)
    run_worker()
    assert statuses() == [Status.UNCONFIRMED] * 3 + [Status.QUEUED] * 2
    assert UpstreamGate.for_engine().hold_reason == UpstreamGate.HoldReason.UNREACHED
    assert len(posts(upstream)) == 3


def test_hold_of_a_wrong_url_is_tested_by_free_queries_only(
    upstream: Simulator, settings: Settings
) -> None:
    settings.UPSTREAM_URL = f"{upstream.url}/wrong"  # 200 and HTML for every request
    make_queue(5)
    run_worker()
    expected = [Status.UNCONFIRMED] * 3 + [Status.QUEUED] * 2
    assert statuses() == expected
    make_probe_due()
    run_loops("submit")
    assert statuses() == expected
    assert UpstreamGate.for_engine().is_held
    settings.UPSTREAM_URL = upstream.url
    make_probe_due()
    run_worker()
    assert statuses() == [Status.UNCONFIRMED] * 3 + [Status.SUCCEEDED] * 2


def test_success_in_between_resets_the_unanswered_count(
    upstream: Simulator, settings: Settings
) -> None:
    settings.SUBMIT_THREADS = 1
    upstream.scenario("html-200", times=2)
    upstream.scenario("normal")
    upstream.scenario("html-200", times=2)
    make_queue(5)
    run_worker()
    unconfirmed, succeeded = Status.UNCONFIRMED, Status.SUCCEEDED
    assert statuses() == [unconfirmed, unconfirmed, succeeded, unconfirmed, unconfirmed]
    assert not UpstreamGate.for_engine().is_held


def test_upstream_busy_for_minutes_without_a_reason_causes_a_hold(
    upstream: Simulator,
) -> None:
    upstream.scenario("empty-429", times=None)
    make_queue(3)
    run_loops("submit")
    assert not UpstreamGate.for_engine().is_held
    UpstreamGate.objects.update(busy_since=timezone.now() - timedelta(minutes=6))
    run_worker()
    assert UpstreamGate.for_engine().hold_reason == UpstreamGate.HoldReason.BUSY
    assert statuses() == [Status.QUEUED] * 3


# --- waits -------------------------------------------------------------------------------------


def test_retry_after_stops_submits_and_polls(upstream: Simulator) -> None:
    upstream.scenario("never-ends")
    make_generation(prompt="in progress")
    run_loops("submit")
    run_loops("poll")
    upstream.scenario("too-fast-retry-after", match="busy", retry_after=1, refusals=1)
    make_generation(prompt="busy, once")
    run_loops("submit")
    refused = upstream.requests()[-1]
    assert refused["status"] == 429

    run_worker(lambda: len(upstream.tasks()) == 2, "the second is accepted")
    run_loops("poll")
    later = upstream.requests(since=refused["index"] + 1)
    assert {request["kind"] for request in later} >= {"submit", "query"}
    assert min(request["wall"] for request in later) >= refused["wall"] + 1


def test_burst_of_refusals_counts_once(
    upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UpstreamGate, "MAX_BACKOFF_SECONDS", 60)
    upstream.settings(submit_seconds=0.2)
    upstream.scenario("normal", times=7)  # so that several are in progress when it changes
    upstream.scenario("too-many", times=None)
    make_queue(16)
    run_loops("submit", seconds=2)
    refused = [post["status"] for post in posts(upstream)].count(429)
    assert refused > 1
    assert UpstreamGate.for_engine().refusals_in_a_row < refused


def test_backoff_doubles_with_each_refusal_up_to_a_minute() -> None:
    for seconds in (1, 2, 4, 8, 16, 32, 60, 60):
        assert 0.8 * seconds <= UpstreamGate.for_engine().backoff_seconds() <= 1.2 * seconds
        UpstreamGate.for_engine().wait(0)
    UpstreamGate.for_engine().clear()
    assert UpstreamGate.for_engine().backoff_seconds() < 2


def test_code_5000_is_retried_twice_and_then_unconfirmed(upstream: Simulator) -> None:
    upstream.scenario("submit-5000", times=None)
    make_generation()
    run_worker()
    assert statuses() == [Status.UNCONFIRMED]
    assert len(posts(upstream)) == 3


def test_unsent_request_is_queued_again_and_succeeds_later(
    upstream: Simulator, settings: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        settings.UPSTREAM_URL = f"http://127.0.0.1:{closing.getsockname()[1]}"
    row = make_generation()
    run_worker(lambda: row.submissions.count() > 1, "it was submitted twice")
    run_worker(lambda: statuses() == [Status.QUEUED], "it is queued again")
    outcomes = set(row.submissions.values_list("outcome", flat=True))
    assert outcomes == {Submission.Outcome.POSTPONED}

    settings.UPSTREAM_URL = upstream.url
    run_worker()
    assert statuses() == [Status.SUCCEEDED]
    assert len(posts(upstream)) == 1


# --- late and lost responses -------------------------------------------------------------------


@pytest.mark.parametrize(
    "holder", [DEAD_HOLDER, REUSED_PID_HOLDER], ids=["dead", "reused process id"]
)
def test_submit_of_a_dead_worker_is_unconfirmed(holder: str) -> None:
    row = make_generation(Status.SUBMITTING, attempt=1)
    in_time = timezone.now() + timedelta(minutes=1)
    make_submission(row, holder=holder, deadline_at=in_time)
    submit.sweep()
    assert statuses() == [Status.UNCONFIRMED]


@pytest.mark.parametrize(
    "holder", [this_process(), REMOTE_HOLDER], ids=["this process", "another machine"]
)
def test_submit_of_a_possibly_live_worker_is_unconfirmed_after_its_deadline(holder: str) -> None:
    row = make_generation(Status.SUBMITTING, attempt=1)
    in_time = timezone.now() + timedelta(minutes=1)
    submission = make_submission(row, holder=holder, deadline_at=in_time)
    submit.sweep()
    assert statuses() == [Status.SUBMITTING]
    Submission.objects.filter(pk=submission.pk).update(deadline_at=timezone.now())
    submit.sweep()
    assert statuses() == [Status.UNCONFIRMED]


def test_sweep_ignores_submissions_of_earlier_attempts() -> None:
    row = make_generation(Status.SUBMITTING, attempt=2)
    make_submission(row, attempt=1, holder=DEAD_HOLDER)
    submit.sweep()
    assert statuses() == [Status.SUBMITTING]


@pytest.mark.parametrize(
    ("scenario", "end"), [("normal", Status.SUCCEEDED), ("content-refused", Status.FAILED)]
)
def test_response_after_the_sweep_still_counts(
    upstream: Simulator, monkeypatch: pytest.MonkeyPatch, scenario: str, end: Status
) -> None:
    def record_late(item: PreparedSubmission, post: Any) -> None:
        Submission.objects.update(deadline_at=timezone.now())
        submit.sweep()
        assert statuses() == [Status.UNCONFIRMED]
        record(item, post)

    record = submit_outcomes.record_outcome
    monkeypatch.setattr(submit_outcomes, "record_outcome", record_late)
    upstream.scenario(scenario)
    make_generation()
    run_worker(lambda: statuses() == [end], f"it is {end}")
    assert len(posts(upstream)) == 1


def test_response_is_saved_after_database_errors(
    upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_running, refusals = Generation.mark_running, iter(range(2))

    def refuse_twice(*args: Any) -> bool:
        if next(refusals, None) is not None:
            raise DatabaseError("the database is locked")
        return mark_running(*args)

    monkeypatch.setattr(Generation, "mark_running", refuse_twice)
    make_generation()
    run_worker()
    assert statuses() == [Status.SUCCEEDED]
    assert len(posts(upstream)) == 1


def test_pending_responses_are_saved_when_the_loop_is_interrupted(
    upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.settings(submit_seconds=0.3)
    make_queue(2)

    first_call = iter([True])

    def interrupt(*args: object) -> bool:
        if is_first := next(first_call, False):
            return is_first
        raise SystemExit("as django-q2 does after the timeout")

    monkeypatch.setattr(LeasedLoop, "renew", interrupt)
    with pytest.raises(SystemExit):
        run_loops("submit")
    assert sorted(statuses()) == [Status.QUEUED, Status.RUNNING]
    (task,) = upstream.tasks()
    assert Generation.objects.filter(upstream_task_id=task["task_id"]).exists()


def test_response_that_cannot_be_saved_is_logged_with_its_task_id_and_not_resent(
    upstream: Simulator,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*args: object) -> bool:
        raise DatabaseError("the disk is full")

    settings.SUBMIT_DEADLINE_SECONDS = 0.5
    monkeypatch.setattr(dispatch, "SWEEP_MARGIN_SECONDS", 0)
    with monkeypatch.context() as broken:
        broken.setattr(Generation, "mark_running", refuse)
        row = make_generation()
        run_loops("submit")
    (task,) = upstream.tasks()
    assert task["task_id"] in caplog.text
    row.submissions.update(holder=DEAD_HOLDER)
    run_worker()
    assert statuses() == [Status.UNCONFIRMED]
    assert len(posts(upstream)) == 1


def test_every_post_opens_a_new_connection(upstream: Simulator) -> None:
    make_queue(3)
    run_worker()
    assert len({post["remote_port"] for post in posts(upstream)}) == 3


def test_response_is_stored_as_received(upstream: Simulator) -> None:
    upstream.scenario("bad-parameter")
    row = make_generation()
    run_worker()
    submission = row.submissions.get()
    assert (submission.outcome, submission.http_status, submission.code) == ("refused", 400, "1201")
    assert "aspect_ratio value" in submission.response
    row.refresh_from_db()
    assert "aspect_ratio value" in row.failure_message
