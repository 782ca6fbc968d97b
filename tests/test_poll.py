"""The watch over everything in flight: no answer ends a task but its own end."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError
from django.utils import timezone
from pytest_django import Settings

from generations.models import Failure, Generation, Lease, Status, TransitionReason, UpstreamGate
from generations.models.generation_queryset import GenerationQuerySet
from generations.worker import poll
from generations.worker.poll_schedule import next_poll
from tests.builders import make_generation, make_member
from tests.scripted_server import reply
from tests.simulator import Simulator
from tests.worker_driver import DEAD_HOLDER, Answers, run_loops, run_worker

pytestmark = pytest.mark.django_db

TASK = "a-task"


def running(**columns: Any) -> Generation:
    now = timezone.now()
    usual = {"upstream_task_id": TASK, "submitted_at": now, "next_poll_at": now}
    return make_generation(Status.RUNNING, **{**usual, **columns})


def state(status: str, **more: Any) -> bytes:
    data = {"task_id": TASK, "task_status": status, "created_at": 1764000000000, **more}
    return reply(200, {"code": 0, "message": "SUCCEED", "data": data})


def made(*urls: str) -> bytes:
    images = [{"index": index, "url": url} for index, url in enumerate(urls)]
    return state("succeed", task_result={"images": images})


PROCESSING = state("processing")
WITHOUT_PICTURES = made()
MADE = made("https://files.example/0.png")
DENIED = reply(400, {"code": "task_not_exist", "message": "task_not_exist", "data": None})
BROKEN = reply(500, "<html>")


def watch(row: Generation, *ends: Status) -> None:
    """Poll until the row stands at one of these."""
    run_worker(lambda: Generation.objects.filter(pk=row.pk, status__in=ends).exists(), f"{ends}")
    row.refresh_from_db()


# --- done, and nothing listed ---------------------------------------------------------------------


def test_done_without_pictures_is_asked_again_three_times(answers: Answers) -> None:
    server = answers.are(WITHOUT_PICTURES)
    row = running()
    watch(row, Status.FAILED, Status.FETCHING)
    assert (row.failure, row.failure_message) == ("ours", "finished without image")
    assert len(server.requests) == 4


def test_pictures_that_are_listed_at_the_third_look_are_fetched(answers: Answers) -> None:
    answers.are(WITHOUT_PICTURES, WITHOUT_PICTURES, WITHOUT_PICTURES, MADE)
    row = running()
    watch(row, Status.FAILED, Status.FETCHING)
    assert row.status == Status.FETCHING


def test_failed_polls_before_it_do_not_count_as_looks(answers: Answers) -> None:
    answers.are(BROKEN, BROKEN, BROKEN, BROKEN, WITHOUT_PICTURES, MADE)
    row = running()
    watch(row, Status.FAILED, Status.FETCHING)
    assert row.status == Status.FETCHING


# --- denied, late, lost ---------------------------------------------------------------------------


def test_a_denied_task_that_is_known_again_is_doubted_no_more(answers: Answers) -> None:
    answers.are(DENIED)
    row = running()
    run_worker(lambda: Generation.objects.get().first_not_found_at is not None, "it is doubted")
    answers.are(PROCESSING)
    run_worker(lambda: Generation.objects.get().first_not_found_at is None, "it is known again")
    row.refresh_from_db()
    assert row.status == Status.RUNNING
    assert not row.is_lost


def test_a_lost_one_is_asked_no_more_until_somebody_looks_again_and_then_a_success_wins(
    answers: Answers, settings: Settings
) -> None:
    settings.DOUBT_SECONDS = 0
    answers.are(DENIED)
    row = running()
    run_worker(lambda: Generation.objects.get().is_lost, "it is lost")
    assert Generation.objects.images_in_flight() == 0
    server = answers.are(MADE)
    run_loops("poll")
    assert server.requests == []

    row.refresh_from_db()
    assert row.recheck(by=row.owner, version=row.version)
    watch(row, Status.FETCHING)
    assert len(server.requests) == 1


def test_after_a_day_nobody_watches_any_more_but_nothing_has_failed(
    answers: Answers, settings: Settings
) -> None:
    answers.are(PROCESSING)
    a_day_of_looks = int(settings.WATCH_SECONDS / max(settings.POLL_SECONDS))
    long_ago = timezone.now() - timedelta(hours=25)
    row = running(submitted_at=long_ago, polling_since=long_ago, polls=a_day_of_looks)
    run_worker(lambda: Generation.objects.get().is_lost, "it is lost")
    row.refresh_from_db()
    assert row.status == Status.RUNNING
    assert row.transitions.latest("pk").reason == TransitionReason.ENDLESS


def test_a_clock_that_jumps_ahead_by_a_day_ends_nothing(answers: Answers) -> None:
    server = answers.are(PROCESSING)
    long_ago = timezone.now() - timedelta(hours=25)
    row = running(submitted_at=long_ago, polling_since=long_ago, polls=3)
    run_worker(lambda: len(server.requests) >= 3, "it is polled on")
    row.refresh_from_db()
    assert row.status == Status.RUNNING
    assert not row.is_lost


def test_a_late_one_is_still_watched_and_bumps_its_card_once(answers: Answers) -> None:
    server = answers.are(PROCESSING)
    row = running(submitted_at=timezone.now() - timedelta(minutes=6))
    run_worker(lambda: len(server.requests) >= 3, "it is polled on")
    row.refresh_from_db()
    assert row.is_late
    assert row.version == 2


# --- the line -------------------------------------------------------------------------------------


def test_a_refused_key_holds_the_submits_keeps_the_task_and_opens_with_a_good_poll(
    answers: Answers,
) -> None:
    answers.are(reply(401, {"code": 1002, "message": "Authorization is invalid"}))
    row = running()
    run_worker(lambda: UpstreamGate.now().is_held, "the line is held")
    assert UpstreamGate.now().hold_reason == UpstreamGate.HoldReason.KEY
    answers.are(PROCESSING)
    run_worker(lambda: not UpstreamGate.now().is_held, "the line is open")
    row.refresh_from_db()
    assert row.status == Status.RUNNING


def test_a_retry_after_told_to_a_poll_silences_everything(upstream: Simulator) -> None:
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


# --- leases ---------------------------------------------------------------------------------------


def test_what_a_dead_pump_had_claimed_is_asked_at_once(answers: Answers) -> None:
    answers.are(MADE)
    soon = timezone.now() + timedelta(seconds=30)
    row = running(next_poll_at=soon)
    Lease.objects.create(name="poll", holder=DEAD_HOLDER, expires_at=soon)
    run_loops("poll")
    row.refresh_from_db()
    assert row.status == Status.FETCHING


def test_what_a_living_pump_has_claimed_is_left_to_it(answers: Answers) -> None:
    server = answers.are(MADE)
    running()
    assert len(Generation.objects.claim_due(10, lease_seconds=60)) == 1
    assert Generation.objects.claim_due(10, lease_seconds=60) == []
    run_loops("poll")
    assert server.requests == []


def test_the_oldest_due_is_claimed_first() -> None:
    owner, now = make_member(), timezone.now()
    late, later = (
        running(owner=owner, next_poll_at=now - timedelta(seconds=ago)) for ago in (5, 9)
    )
    running(owner=owner, next_poll_at=now + timedelta(seconds=9))
    assert Generation.objects.claim_due(1, 60) == [later]
    assert Generation.objects.claim_due(5, 60) == [late]


def test_a_row_that_somebody_moved_meanwhile_is_not_scheduled_again() -> None:
    row = running()
    (claimed,) = Generation.objects.claim_due(1, 60)
    assert claimed.next_poll_at
    row.mark_failed(Failure.OURS, "ended")
    now = timezone.now()
    Generation.objects.reschedule([(now, 0, row.pk, claimed.next_poll_at)])
    row.refresh_from_db()
    assert row.next_poll_at is None


def test_one_answer_that_cannot_be_written_holds_up_nobody_else(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers.are(MADE)
    owner = make_member()
    bad, good = running(owner=owner, n=2), running(owner=owner)
    mark_fetching = GenerationQuerySet.mark_fetching

    def breaks(rows: GenerationQuerySet, made: dict[int, Any]) -> set[int]:
        if bad.pk in made:
            raise DatabaseError("value out of range")
        return mark_fetching(rows, made)

    with monkeypatch.context() as broken:
        broken.setattr(GenerationQuerySet, "mark_fetching", breaks)
        watch(good, Status.FETCHING)
    bad.refresh_from_db()
    assert bad.status == Status.RUNNING
    watch(bad, Status.FETCHING)


def test_the_rhythm_slows_with_age_and_with_failures(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.POLL_SECONDS = [4, 8, 20, 60]
    for age, failures, seconds in (
        (0, 0, 4), (59, 0, 4), (61, 0, 8), (301, 0, 20), (1801, 0, 60),
        (0, 1, 8), (0, 3, 32), (0, 9, 60), (1801, 9, 60),
    ):  # fmt: skip
        assert 0.8 * seconds <= next_poll(age, failures) <= 1.2 * seconds


def test_many_that_were_made_are_written_in_as_many_statements_as_a_few(
    django_assert_max_num_queries: Any,
) -> None:
    owner = make_member()
    for many in (2, 40):
        rows = [running(owner=owner) for _row in range(many)]
        made = {row.pk: (["https://files.example/1.png"], "told") for row in rows}
        with django_assert_max_num_queries(12):
            moved = Generation.objects.mark_fetching(made)
        assert moved == set(made)
        for row in rows:
            row.refresh_from_db()
            assert (row.status, row.last_response, row.version) == (Status.FETCHING, "told", 2)
            assert row.pictures.count() == 1
            assert row.transitions.latest("pk").reason == TransitionReason.MADE


def test_of_many_only_those_that_still_run_are_moved() -> None:
    gone, here = running(), running()
    gone.mark_failed(Failure.OURS, "it broke")
    made = {row.pk: (["https://files.example/1.png"], "") for row in (gone, here)}
    assert Generation.objects.mark_fetching(made) == {here.pk}
    assert not gone.pictures.exists()


def test_as_many_polls_are_under_way_as_their_rate_and_length_ask_for(settings: Settings) -> None:
    settings.POLL_SECONDS, settings.POLL_THREADS = [2, 5], 64
    row = running()
    for seconds, watched, threads in (
        (0.02, 10, poll.MIN_THREADS),
        (0.5, 100, 38),  # 50 a second, half a second each, and half as many to spare
        (0.5, 1000, 64),  # never more than allowed
    ):
        Generation.objects.exclude(pk=row.pk).delete()
        owner = make_member()
        Generation.objects.bulk_create(
            Generation(owner=owner, idempotency_key=str(uuid4()), prompt="a pear",
                       aspect_ratio="1:1", status=Status.RUNNING, upstream_task_id="t",
                       next_poll_at=timezone.now())
            for _row in range(watched - 1)
        )  # fmt: skip
        width = poll.PollConcurrency()
        width.observe([poll.PollResult(row, timezone.now(), KeyError(), seconds)] * 50)
        assert width.now() == threads
