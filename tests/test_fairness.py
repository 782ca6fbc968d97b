"""What one person's request, task or answer does delays nobody else. Real HTTP, three people."""

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from generations import requests
from generations.models import (
    Failure,
    Generation,
    Member,
    ReferenceImage,
    Status,
    Submission,
    TransitionReason,
    UpstreamGate,
)
from generations.worker import poll
from tests.builders import make_generation, make_member
from tests.scripted_server import reply
from tests.simulator import Simulator
from tests.worker_driver import ScriptedUpstream, make_probe_due, run_loops, run_worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(db: None) -> Member:
    return make_member("ann")


@pytest.fixture
def bob(db: None) -> Member:
    return make_member("bob")


def request(owner: Member, n: int = 1) -> Generation:
    """Queue a request with the owner's name in its prompt, for scenarios that match it."""
    return make_generation(owner=owner, n=n, prompt=f"a pear, for {owner.username}")


def posts_of(owner: Member) -> int:
    return Submission.objects.filter(generation__owner=owner).count()


def run_until_done(*rows: Generation, status: Status = Status.SUCCEEDED) -> None:
    def are_done() -> bool:
        for row in rows:
            row.refresh_from_db()
        return all(row.status == status for row in rows)

    run_worker(are_done, f"all are {status}")


# --- tasks that never end -------------------------------------------------------------------------


def test_tasks_that_never_end_leave_room_for_others(
    upstream: Simulator, settings: Settings, ann: Member, bob: Member
) -> None:
    settings.CONCURRENCY_LIMIT = 20
    upstream.scenario("never-ends", times=None, match="ann")
    never_end = [request(ann, n=9), request(ann, n=9)]
    run_until_done(*never_end, status=Status.RUNNING)
    waiting = request(ann, n=4)
    for _round in range(3):
        of_bob = request(bob)
        run_until_done(of_bob)
    waiting.refresh_from_db()
    assert waiting.status == Status.QUEUED

    settings.LATE_SECONDS, settings.LATE_FACTOR = 0, 0
    run_until_done(waiting, status=Status.RUNNING)
    assert never_end[0].late_at is None, "as read before"
    never_end[0].refresh_from_db()
    assert never_end[0].is_late
    requests.dismiss(never_end[0], ann, never_end[0].version)
    assert never_end[0].status == Status.ABANDONED


@pytest.mark.parametrize(
    ("scenario", "end"), [("slow-tail", Status.SUCCEEDED), ("failed-pixel", Status.ABANDONED)]
)
def test_images_that_arrive_after_a_dismissal_are_kept(
    upstream: Simulator, settings: Settings, ann: Member, scenario: str, end: Status
) -> None:
    settings.LATE_SECONDS, settings.LATE_FACTOR = 0, 0
    upstream.scenario(scenario, seconds_from=2, seconds_to=2)
    row = request(ann)
    run_worker(lambda: Generation.objects.filter(late_at__isnull=False).exists(), "it is late")
    row.refresh_from_db()
    requests.dismiss(row, ann, row.version)
    assert (row.status, bool(row.next_poll_at)) == (Status.ABANDONED, True)
    run_worker(lambda: not Generation.objects.filter(next_poll_at__isnull=False).exists(), "polled")
    run_until_done(row, status=end)


# --- requests that cannot be prepared -------------------------------------------------------------


def test_unreadable_reference_image_delays_only_its_request(
    upstream: Simulator, settings: Settings, ann: Member, bob: Member
) -> None:
    (settings.MEDIA_ROOT / "references").mkdir()  # opening a folder raises IsADirectoryError
    reference = ReferenceImage.objects.create(
        owner=ann,
        file="references",
        name="pear.png",
        content_type="image/png",
        width=300,
        height=300,
        size_bytes=1,
        sha256="0",
    )
    broken = make_generation(owner=ann, reference=reference)
    later_of_ann, of_bob = request(ann), request(bob)
    run_until_done(later_of_ann, of_bob)
    run_until_done(broken, status=Status.FAILED)
    assert broken.failure_message == "The reference image could not be read: IsADirectoryError."
    assert broken.transitions.filter(reason=TransitionReason.UNPREPARED).exists()
    assert len(upstream.requests("submit")) == 2


# --- requests that are refused for now ------------------------------------------------------------


@pytest.mark.parametrize(
    "scenario", ["too-fast", "too-many", "empty-429", "no-channel", "submit-5001"]
)
def test_request_that_is_always_busy_delays_no_other_and_fails_in_the_end(
    upstream: Simulator, settings: Settings, ann: Member, bob: Member, scenario: str
) -> None:
    upstream.scenario(scenario, times=None, match="ann", refusals=0)
    busy = request(ann)
    others = [make_generation(owner=ann), request(bob), request(bob)]
    run_until_done(*others)
    busy.refresh_from_db()
    assert busy.status in (Status.QUEUED, Status.SUBMITTING)
    settings.BUSY_FAILS_AFTER_SECONDS = 0
    run_until_done(busy, status=Status.FAILED)
    is_missing = scenario == "no-channel"
    assert busy.failure == (Failure.OURS if is_missing else Failure.BUSY)
    outcomes = set(busy.submissions.values_list("outcome", flat=True))
    assert outcomes == {Submission.Outcome.POSTPONED, Submission.Outcome.REFUSED}


def test_full_upstream_fails_no_request(upstream: Simulator, settings: Settings) -> None:
    settings.CONCURRENCY_LIMIT = 20
    upstream.settings(concurrency_limit=2)
    rows = [request(make_member(), n=1) for _ in repeat(None, 8)]
    run_until_done(*rows)


# --- requests that are refused as if the key were wrong -------------------------------------------


@pytest.mark.parametrize(
    "scenario", ["submit-1103", "key-refused-openai", "address-refused", "quota-not-enough"]
)
def test_request_that_alone_causes_a_hold_is_refused_while_others_pass(
    upstream: Simulator, ann: Member, bob: Member, scenario: str
) -> None:
    upstream.scenario(scenario, times=None, match="ann", refusals=0)
    at_fault = request(ann)
    others = [make_generation(owner=ann), request(bob), request(bob)]
    run_until_done(*others)
    run_until_done(at_fault, status=Status.FAILED)
    assert (at_fault.failure, at_fault.submissions.count()) == (Failure.REFUSED, 2)
    assert not UpstreamGate.for_engine().is_held
    assert len(upstream.tasks()) == 3


def test_key_that_is_refused_to_all_fails_no_request(upstream: Simulator) -> None:
    upstream.scenario("key-refused-openai", times=None, refusals=0)
    rows = [request(make_member()) for _ in repeat(None, 4)]
    run_worker()
    for row in rows:
        row.refresh_from_db()
    assert {row.status for row in rows} == {Status.QUEUED}
    assert UpstreamGate.for_engine().hold_reason == UpstreamGate.HoldReason.KEY
    assert len(upstream.requests("submit")) <= 2


def test_refused_key_is_held_although_polls_succeed(
    upstream: Simulator, ann: Member, bob: Member
) -> None:
    upstream.scenario("never-ends", match="ann")
    running = request(ann)
    run_until_done(running, status=Status.RUNNING)
    upstream.scenario("key-refused-openai", times=None, refusals=0)
    for _ in range(4):
        request(bob)
    run_loops("submit")
    sent = posts_of(bob)
    for _round in range(3):
        run_loops("poll")
        run_loops("submit")
    assert UpstreamGate.for_engine().is_held
    assert posts_of(bob) == sent


# --- requests that are not answered ---------------------------------------------------------------


def test_unanswered_requests_of_one_person_hold_no_other(
    upstream: Simulator, ann: Member, bob: Member
) -> None:
    upstream.scenario("html-502", times=None, match="ann", refusals=0)
    for _ in range(6):
        request(ann)
    of_bob = [request(bob) for _ in range(3)]
    run_until_done(*of_bob)
    assert not UpstreamGate.for_engine().is_held
    run_loops("submit")
    assert posts_of(ann) == 3, "more may be charged too"
    assert Generation.objects.filter(owner=ann, status=Status.UNCONFIRMED).count() == 3


def test_post_that_hangs_stops_no_other_while_the_upstream_answers(
    upstream: Simulator, ann: Member, bob: Member
) -> None:
    run_until_done(request(bob))
    upstream.scenario("answer-late", match="ann", answer_seconds=1)
    hanging = request(ann)
    of_bob = [request(bob) for _ in range(4)]
    run_loops("submit", seconds=5)
    answered_at = hanging.submissions.get().answered_at
    assert answered_at
    for row in of_bob:
        earlier = row.submissions.get().answered_at
        assert earlier
        assert earlier < answered_at


def test_first_post_of_an_untested_upstream_is_sent_alone(upstream: Simulator, bob: Member) -> None:
    upstream.settings(submit_seconds=0.3)
    first, second = request(bob), request(bob)
    run_loops("submit", seconds=5)
    answered_at = first.submissions.get().answered_at
    assert answered_at
    assert second.submissions.get().sent_at >= answered_at


# --- Retry-After ----------------------------------------------------------------------------------


def test_hour_long_retry_after_of_one_response_is_cut_to_a_minute(
    upstream: Simulator, ann: Member
) -> None:
    upstream.scenario("query-429-retry-after", match="ann", retry_after=3600)
    request(ann)
    run_worker(lambda: UpstreamGate.for_engine().is_silent, "a poll was answered with it")
    until = UpstreamGate.for_engine().silent_until
    assert until
    assert until < timezone.now() + timedelta(seconds=61)


# --- task ids -------------------------------------------------------------------------------------


def test_task_id_of_another_generation_is_not_taken_over(
    scripted_upstream: ScriptedUpstream, ann: Member, bob: Member
) -> None:
    """Its pictures would be shown to the wrong person."""
    taken = make_generation(Status.RUNNING, owner=ann, upstream_task_id="CjAb-c_1")
    task = {"task_id": "CjAb-c_1", "task_status": "submitted"}
    scripted_upstream.respond_with(reply(200, {"code": 0, "data": task}))
    row = request(bob)
    run_loops("submit")
    row.refresh_from_db()
    assert (row.status, row.upstream_task_id) == (Status.UNCONFIRMED, "")
    assert row.transitions.filter(reason=TransitionReason.TASK_ID_TAKEN).exists()
    assert "CjAb-c_1" in row.submissions.get().response
    taken.refresh_from_db()
    assert taken.status == Status.RUNNING


@pytest.mark.parametrize(("length", "status"), [(500, Status.RUNNING), (501, Status.UNCONFIRMED)])
def test_long_task_id_is_stored_or_can_be_read_in_the_response(
    scripted_upstream: ScriptedUpstream, bob: Member, length: int, status: Status
) -> None:
    task_id = "x" * length
    scripted_upstream.respond_with(
        reply(200, {"code": 0, "data": {"task_id": task_id, "task_status": "submitted"}})
    )
    row = request(bob)
    run_loops("submit")
    row.refresh_from_db()
    assert row.status == status
    assert row.upstream_task_id == (task_id if status == Status.RUNNING else "")
    assert task_id in row.submissions.get().response


# --- queries that hang ---------------------------------------------------------------------------


class HangingQueries(BaseHTTPRequestHandler):
    """Queries for tasks of ann are answered only after one for a task of bob."""

    bob_was_polled: threading.Event
    gave_up: list[str]

    def do_GET(self) -> None:
        if "bob" in self.path:
            self.bob_was_polled.set()
        elif not self.bob_was_polled.wait(20):
            self.gave_up.append(self.path)
        task = {"task_id": "t", "task_status": "failed", "task_status_msg": "moderation"}
        self.wfile.write(reply(200, {"code": 0, "data": task}, Connection="close"))
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Print nothing."""


class HangingHoldTest(BaseHTTPRequestHandler):
    """Queries are answered only after a request to an engine without tasks."""

    was_sent: threading.Event
    gave_up: list[str]

    def do_GET(self) -> None:
        if not self.was_sent.wait(20):
            self.gave_up.append(self.path)
        self.close_connection = True

    def do_POST(self) -> None:
        self.was_sent.set()
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = {"data": [{"url": "https://files.example.org/1.png"}]}
        self.wfile.write(reply(200, answer, Connection="close"))
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Print nothing."""


def test_test_of_a_hold_that_hangs_delays_no_other_engine(
    upstream: Simulator, settings: Settings, tmp_path: Path, bob: Member
) -> None:
    HangingHoldTest.was_sent, HangingHoldTest.gave_up = threading.Event(), []
    settings.DATA_DIR = tmp_path
    server = ThreadingHTTPServer(("127.0.0.1", 0), HangingHoldTest)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.UPSTREAM_URL = f"http://127.0.0.1:{server.server_port}"
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY)
    make_probe_due()
    row = make_generation(owner=bob, engine="flux", model="flux-1.1-pro")
    run_loops("submit", seconds=60)
    server.shutdown()
    server.server_close()
    assert HangingHoldTest.gave_up == []
    row.refresh_from_db()
    assert row.status == Status.FETCHING
    assert UpstreamGate.for_engine().probes == 1


@pytest.mark.parametrize(("threads", "of_ann"), [(256, poll.MIN_THREADS + 4), (12, 30)])
def test_queries_that_hang_delay_no_other(
    upstream: Simulator,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    ann: Member,
    bob: Member,
    threads: int,
    of_ann: int,
) -> None:
    HangingQueries.bob_was_polled, HangingQueries.gave_up = threading.Event(), []
    settings.POLL_THREADS = threads
    monkeypatch.setattr(poll, "MAX_SLOW_POLLS", threads // 4)
    monkeypatch.setattr(poll, "MIN_SLOW_SECONDS", 0.1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), HangingQueries)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.UPSTREAM_URL = f"http://127.0.0.1:{server.server_port}"
    now = timezone.now()
    for number in range(of_ann):
        make_generation(
            Status.RUNNING, owner=ann, upstream_task_id=f"ann-{number}", next_poll_at=now
        )
    later = now + timedelta(seconds=1)
    make_generation(Status.RUNNING, owner=bob, upstream_task_id="bob", next_poll_at=later)
    run_loops("poll", seconds=60)
    server.shutdown()
    server.server_close()
    assert HangingQueries.gave_up == []
    assert not Generation.objects.filter(status=Status.RUNNING).exists()
