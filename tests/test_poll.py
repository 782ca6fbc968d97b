"""The poll loop: results, errors, late and lost tasks, row leases, and its schedule."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone
from pytest_django import Settings

from generations.engines.base import FailureKind, State, Task
from generations.models import Failure, Generation, Lease, Status, TransitionReason, UpstreamGate
from generations.models.generation import GenerationQuerySet
from generations.models.status import POLLED
from generations.worker import poll
from generations.worker.poll_schedule import next_poll
from tests.builders import make_generation, make_member
from tests.scripted_server import reply
from tests.simulator import Simulator
from tests.worker_driver import DEAD_HOLDER, ScriptedUpstream, run_loops, run_worker

pytestmark = pytest.mark.django_db

TASK = "a-task"


def running(**columns: Any) -> Generation:
    now = timezone.now()
    defaults = {"upstream_task_id": TASK, "submitted_at": now, "next_poll_at": now}
    return make_generation(Status.RUNNING, **{**defaults, **columns})


def state(status: str, **more: Any) -> bytes:
    data = {"task_id": TASK, "task_status": status, "created_at": 1764000000000, **more}
    return reply(200, {"code": 0, "message": "SUCCEED", "data": data})


def finished(*urls: str) -> bytes:
    images = [{"index": index, "url": url} for index, url in enumerate(urls)]
    return state("succeed", task_result={"images": images})


PROCESSING = state("processing")
WITHOUT_IMAGES = finished()
FINISHED = finished("https://files.example/0.png")
NOT_FOUND = reply(400, {"code": "task_not_exist", "message": "task_not_exist", "data": None})
BROKEN = reply(500, "<html>")


def poll_until(row: Generation, *ends: Status) -> None:
    """Run the worker until the row has one of these statuses."""
    run_worker(lambda: Generation.objects.filter(pk=row.pk, status__in=ends).exists(), f"{ends}")
    row.refresh_from_db()


# --- success without images --------------------------------------------------------------------


def test_success_without_images_is_polled_three_more_times(
    scripted_upstream: ScriptedUpstream,
) -> None:
    server = scripted_upstream.respond_with(WITHOUT_IMAGES)
    row = running()
    run_worker(lambda: Generation.objects.filter(lost_at__isnull=False).exists(), "it is lost")
    row.refresh_from_db()
    assert (row.status, row.next_poll_at) == (Status.RUNNING, None)
    assert row.transitions.filter(reason=TransitionReason.NO_IMAGES).exists()
    assert len(server.requests) == 4

    scripted_upstream.respond_with(FINISHED)
    assert row.recheck(by=row.owner, version=row.version)
    poll_until(row, Status.FETCHING)


def test_images_listed_by_the_last_of_these_polls_are_fetched(
    scripted_upstream: ScriptedUpstream,
) -> None:
    scripted_upstream.respond_with(WITHOUT_IMAGES, WITHOUT_IMAGES, WITHOUT_IMAGES, FINISHED)
    row = running()
    poll_until(row, Status.FAILED, Status.FETCHING)
    assert row.status == Status.FETCHING


def test_failed_polls_do_not_count_as_success_without_images(
    scripted_upstream: ScriptedUpstream,
) -> None:
    scripted_upstream.respond_with(BROKEN, BROKEN, BROKEN, BROKEN, WITHOUT_IMAGES, FINISHED)
    row = running()
    poll_until(row, Status.FAILED, Status.FETCHING)
    assert row.status == Status.FETCHING


def test_task_in_progress_again_is_no_longer_without_images(
    scripted_upstream: ScriptedUpstream,
) -> None:
    empty = [WITHOUT_IMAGES] * 3
    scripted_upstream.respond_with(*empty, PROCESSING, *empty, FINISHED)
    row = running()
    poll_until(row, Status.FAILED, Status.FETCHING)
    assert row.status == Status.FETCHING
    assert row.results_without_images == 3


# --- not found, late, lost ---------------------------------------------------------------------


def test_task_that_is_found_again_is_no_longer_marked_not_found(
    scripted_upstream: ScriptedUpstream,
) -> None:
    scripted_upstream.respond_with(NOT_FOUND)
    row = running()
    run_worker(lambda: Generation.objects.get().first_not_found_at is not None, "it is not found")
    scripted_upstream.respond_with(PROCESSING)
    run_worker(lambda: Generation.objects.get().first_not_found_at is None, "it is found again")
    row.refresh_from_db()
    assert row.status == Status.RUNNING
    assert not row.is_lost


def test_lost_task_is_not_polled_until_a_recheck_and_can_then_succeed(
    scripted_upstream: ScriptedUpstream, settings: Settings
) -> None:
    settings.DOUBT_SECONDS = 0
    scripted_upstream.respond_with(NOT_FOUND)
    row = running()
    run_worker(lambda: Generation.objects.get().is_lost, "it is lost")
    assert Generation.objects.images_in_flight() == 0
    server = scripted_upstream.respond_with(FINISHED)
    run_loops("poll")
    assert server.requests == []

    row.refresh_from_db()
    assert row.recheck(by=row.owner, version=row.version)
    poll_until(row, Status.FETCHING)
    assert len(server.requests) == 1


def test_task_is_lost_after_a_day_but_not_failed(
    scripted_upstream: ScriptedUpstream, settings: Settings
) -> None:
    scripted_upstream.respond_with(PROCESSING)
    polls_of_a_day = int(settings.WATCH_SECONDS / max(settings.POLL_SECONDS))
    long_ago = timezone.now() - timedelta(hours=25)
    row = running(submitted_at=long_ago, polling_since=long_ago, polls=polls_of_a_day)
    run_worker(lambda: Generation.objects.get().is_lost, "it is lost")
    row.refresh_from_db()
    assert row.status == Status.RUNNING
    assert row.transitions.latest("pk").reason == TransitionReason.WATCH_EXPIRED


def test_clock_set_ahead_by_a_day_ends_no_task(scripted_upstream: ScriptedUpstream) -> None:
    server = scripted_upstream.respond_with(PROCESSING)
    long_ago = timezone.now() - timedelta(hours=25)
    row = running(submitted_at=long_ago, polling_since=long_ago, polls=3)
    run_worker(lambda: len(server.requests) >= 3, "it is still polled")
    row.refresh_from_db()
    assert row.status == Status.RUNNING
    assert not row.is_lost


def test_late_task_is_still_polled_and_changes_its_version_once(
    scripted_upstream: ScriptedUpstream,
) -> None:
    server = scripted_upstream.respond_with(PROCESSING)
    row = running(submitted_at=timezone.now() - timedelta(minutes=6))
    run_worker(lambda: len(server.requests) >= 3, "it is still polled")
    row.refresh_from_db()
    assert row.is_late
    assert row.version == 2


# --- the gate ----------------------------------------------------------------------------------


def test_rejected_key_causes_a_hold_that_a_good_poll_ends(
    scripted_upstream: ScriptedUpstream,
) -> None:
    scripted_upstream.respond_with(
        reply(401, {"code": 1002, "message": "Authorization is invalid"})
    )
    row = running()
    run_worker(lambda: UpstreamGate.for_engine().is_held, "the gate is held")
    assert UpstreamGate.for_engine().hold_reason == UpstreamGate.HoldReason.KEY
    scripted_upstream.respond_with(PROCESSING)
    run_worker(lambda: not UpstreamGate.for_engine().is_held, "the gate is open")
    row.refresh_from_db()
    assert row.status == Status.RUNNING


def test_retry_after_of_a_poll_stops_all_requests(upstream: Simulator) -> None:
    upstream.scenario("query-429-retry-after", polls=1, retry_after=1)
    make_generation()
    run_loops("submit")
    run_worker(lambda: len(upstream.requests("query")) == 1, "it is polled")
    make_generation(prompt="another")
    run_worker()
    (refused,) = [one for one in upstream.requests("query") if one["status"] == 429]
    later = upstream.requests(since=refused["index"] + 1)
    assert {request["kind"] for request in later} == {"submit", "query", "file"}
    assert min(request["wall"] for request in later) >= refused["wall"] + 1


# --- row leases and batches --------------------------------------------------------------------


def test_claims_of_a_dead_process_are_polled_immediately(
    scripted_upstream: ScriptedUpstream,
) -> None:
    scripted_upstream.respond_with(FINISHED)
    soon = timezone.now() + timedelta(seconds=30)
    row = running(next_poll_at=soon)
    Lease.objects.create(name="poll", holder=DEAD_HOLDER, expires_at=soon)
    run_loops("poll")
    row.refresh_from_db()
    assert row.status == Status.FETCHING


def test_claimed_rows_are_not_polled_by_others(scripted_upstream: ScriptedUpstream) -> None:
    server = scripted_upstream.respond_with(FINISHED)
    running()
    assert len(Generation.objects.claim_due(10, lease_seconds=60)) == 1
    assert Generation.objects.claim_due(10, lease_seconds=60) == []
    run_loops("poll")
    assert server.requests == []


def test_longest_due_row_is_claimed_first() -> None:
    owner, now = make_member(), timezone.now()
    late, later = (
        running(owner=owner, next_poll_at=now - timedelta(seconds=ago)) for ago in (5, 9)
    )
    running(owner=owner, next_poll_at=now + timedelta(seconds=9))
    assert Generation.objects.claim_due(1, 60) == [later]
    assert Generation.objects.claim_due(5, 60) == [late]


def test_row_that_changed_meanwhile_is_not_rescheduled() -> None:
    row = running()
    (claimed,) = Generation.objects.claim_due(1, 60)
    assert claimed.next_poll_at
    row.mark_failed(Failure.OURS, "ended")
    now = timezone.now()
    Generation.objects.reschedule([(now, 0, row.pk, claimed.next_poll_at)])
    row.refresh_from_db()
    assert row.next_poll_at is None


def test_result_that_cannot_be_written_does_not_affect_others(
    scripted_upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_upstream.respond_with(FINISHED)
    owner = make_member()
    bad, good = running(owner=owner, n=2), running(owner=owner)
    mark_fetching = GenerationQuerySet.mark_fetching

    def fail_for_one(rows: GenerationQuerySet, results: dict[int, Any]) -> set[int]:
        if bad.pk in results:
            raise DatabaseError("value out of range")
        return mark_fetching(rows, results)

    with monkeypatch.context() as broken:
        broken.setattr(GenerationQuerySet, "mark_fetching", fail_for_one)
        poll_until(good, Status.FETCHING)
    bad.refresh_from_db()
    assert bad.status == Status.RUNNING
    poll_until(bad, Status.FETCHING)


def test_poll_interval_grows_with_age_and_failures(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.POLL_SECONDS = [4, 8, 20, 60]
    for age, failures, seconds in (
        (0, 0, 4),
        (59, 0, 4),
        (61, 0, 8),
        (301, 0, 20),
        (1801, 0, 60),
        (0, 1, 8),
        (0, 3, 32),
        (0, 9, 60),
        (1801, 9, 60),
    ):
        assert 0.8 * seconds <= next_poll(age, failures) <= 1.2 * seconds


def test_number_of_statements_is_constant_for_finished_tasks(
    django_assert_max_num_queries: Any,
) -> None:
    owner = make_member()
    for count in (2, 40):
        rows = [running(owner=owner) for _row in range(count)]
        finished_rows = {row.pk: (["https://files.example/1.png"], "response") for row in rows}
        with django_assert_max_num_queries(12):
            changed = Generation.objects.mark_fetching(finished_rows)
        assert changed == set(finished_rows)
        for row in rows:
            row.refresh_from_db()
            assert (row.status, row.last_response, row.version) == (Status.FETCHING, "response", 2)
            assert row.pictures.count() == 1
            assert row.transitions.latest("pk").reason == TransitionReason.COMPLETED


def test_only_running_rows_are_marked_fetching() -> None:
    failed, still_running = running(), running()
    failed.mark_failed(Failure.OURS, "failed")
    results = {row.pk: (["https://files.example/1.png"], "") for row in (failed, still_running)}
    assert Generation.objects.mark_fetching(results) == {still_running.pk}
    assert not failed.pictures.exists()


def test_poll_concurrency_follows_rate_and_latency(settings: Settings) -> None:
    settings.POLL_SECONDS, settings.POLL_THREADS = [2, 5], 64
    row = running()
    for seconds, polled, threads in (
        (0.02, 10, poll.MIN_THREADS),
        (0.5, 100, 38),  # 50 a second x 0.5 s each x 1.5
        (0.5, 1000, 64),  # never above the setting
    ):
        Generation.objects.exclude(pk=row.pk).delete()
        owner = make_member()
        Generation.objects.bulk_create(
            Generation(
                owner=owner,
                idempotency_key=str(uuid4()),
                prompt="a pear",
                aspect_ratio="1:1",
                status=Status.RUNNING,
                upstream_task_id="t",
                accepted_at=timezone.now(),
                next_poll_at=timezone.now(),
            )
            for _row in range(polled - 1)
        )
        concurrency = poll.PollConcurrency()
        concurrency.observe([poll.PollResult(row, timezone.now(), KeyError(), seconds, ())] * 50)
        assert concurrency.limit() == threads
    concurrency.measured_at -= 1
    concurrency.processor_seconds -= 60  # a whole core since then
    assert concurrency.limit() == 48, "fewer, because they wait for each other"


def test_failures_are_recorded_after_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """They lock the counters of money, which a batch must not hold while it waits for others."""
    order: list[str] = []
    rows = [make_generation(Status.RUNNING, next_poll_at=timezone.now()) for _row in range(3)]
    outcomes: list[Task | Exception] = [
        Task("a", State.FAILED, reason="no", kind=FailureKind.POLICY),
        Task("b", State.RUNNING),
        TimeoutError(),
    ]
    report, mark_failed = UpstreamGate.report, Generation.mark_failed

    def reporting(self: UpstreamGate, *arguments: Any, **options: Any) -> Any:
        order.append("gate")
        return report(self, *arguments, **options)

    def failing(self: Generation, *arguments: Any, **options: Any) -> bool:
        order.append("failed")
        return mark_failed(self, *arguments, **options)

    monkeypatch.setattr(UpstreamGate, "report", reporting)
    monkeypatch.setattr(Generation, "mark_failed", failing)
    with ThreadPoolExecutor(1) as pool:
        polls = poll.Polls(cast(Any, None), pool)
        for row, outcome in zip(rows, outcomes, strict=True):
            polls.pending[row.pk] = cast(Any, None)
            polls.results.put(poll.PollResult(row, timezone.now(), outcome, 0.1, ((None, None),)))
        polls.record_results()
    assert order == ["gate", "failed"]
    rows[0].refresh_from_db()
    assert rows[0].status == Status.FAILED


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads a plan of SQLite")
def test_due_polls_are_found_without_reading_dismissed_rows() -> None:
    """Dismissed rows are kept for ever, so the status alone finds more and more of them."""
    for rows in (
        poll._polled(),
        Generation.objects.filter(status__in=POLLED, next_poll_at__lte=timezone.now()),
    ):
        assert "generation_due_poll_idx (status=? AND next_poll_at" in rows.explain()
