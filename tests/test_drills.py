"""Fault drills of the demo: what each request meets, what it costs, and whom it spares."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generations import drills
from generations.drills import BY_SLUG, Run, SimulatorAway, runs_of, start
from generations.models import (
    AuditAction,
    AuditEntry,
    Generation,
    Lease,
    Member,
    Status,
    UpstreamGate,
)
from generations.models.money import Price
from generations.models.process import identity, kill, this_process
from generations.requests import GenerationRequest, create
from tests.builders import make_generation
from tests.simulator import Simulator
from tests.worker_driver import make_probe_due, run_worker

pytestmark = pytest.mark.django_db

URL = "/admin/drills/"


@pytest.fixture
def priced(upstream: Simulator) -> Simulator:
    Price.objects.create(engine="kling", model="*", amount_e4=1200)
    return upstream


def only_run(member: Member) -> Run:
    [run] = runs_of(member)
    return run


def counts(run: Run) -> tuple[int, int | None, int | None, int, int]:
    """Requests sent and received, tasks, images, charges."""
    return run.requests, run.requests_received, run.tasks, run.images, run.charges


@contextmanager
def idle_process() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_lost_connection_is_not_sent_again(priced: Simulator, admin: Member) -> None:
    row = start(BY_SLUG["lost-connection"], admin)
    run_worker()
    run = only_run(admin)
    assert counts(run) == (1, 1, 1, 0, 0)
    assert run.generation.status == Status.UNCONFIRMED
    assert not run.is_open
    assert not run.was_paid_twice
    assert row.is_private


def test_slow_answer_is_paid_once(
    priced: Simulator, admin: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(drills.BY_SLUG["slow"].params, "answer_seconds", 0.5)
    start(BY_SLUG["slow"], admin)
    run_worker()
    assert [each["scenario"] for each in priced.requests("submit")] == ["answer-late"]
    assert counts(only_run(admin)) == (1, 1, 1, 1, 1)


def test_refused_request_costs_nothing(priced: Simulator, admin: Member) -> None:
    start(BY_SLUG["refused"], admin)
    run_worker()
    run = only_run(admin)
    assert counts(run) == (1, 1, 0, 0, 0)
    assert run.generation.charged_e4 == 0


def test_empty_account_holds_and_then_pays_once(priced: Simulator, admin: Member) -> None:
    start(BY_SLUG["empty-account"], admin)

    def held() -> bool:
        return UpstreamGate.for_engine().is_held

    run_worker(held, "the gate is on hold")
    assert counts(only_run(admin)) == (1, 1, 0, 0, 0)
    make_probe_due()
    run_worker(lambda: Generation.objects.get().is_final, "the request is accepted")
    assert not held()
    assert counts(only_run(admin)) == (2, 2, 1, 1, 1)


def test_killed_worker_costs_no_second_request(
    priced: Simulator, admin: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drills, "_kill_in_thread", lambda *_arguments: None)
    row = start(BY_SLUG["worker-killed"], admin)
    run_worker(lambda: Generation.objects.get().status == Status.RUNNING, "in progress", ["submit"])
    with idle_process() as worker:
        expires_at = timezone.now() + timedelta(seconds=10)
        Lease.objects.update_or_create(
            name="poll", defaults={"holder": identity(worker.pid), "expires_at": expires_at}
        )
        assert drills.kill_worker_of(row.pk, admin) == 1
        assert worker.wait(10) == -9
    run_worker()
    run = only_run(admin)
    assert counts(run) == (1, 1, 1, 1, 1)
    assert run.was_killed
    note = AuditEntry.objects.filter(action=AuditAction.DEMO_CHANGED).exclude(note="").get().note
    assert note == "killed: poll"


def test_fault_is_of_its_request_alone(priced: Simulator, admin: Member, owner: Member) -> None:
    start(BY_SLUG["slow"], admin)
    Generation.objects.all().update(status=Status.CANCELED, finished_at=timezone.now())
    create(owner, GenerationRequest("A red lighthouse", "3:2"), "another")
    run_worker()
    assert Generation.objects.get(owner=owner).status == Status.SUCCEEDED
    assert [each["scenario"] for each in priced.requests("submit")] == ["normal"]
    assert not runs_of(owner)


# --- killing -------------------------------------------------------------------------------------


def test_only_the_process_itself_is_killed() -> None:
    with idle_process() as process:
        holder = identity(process.pid)
        host, boot, namespace, pid, started, token = holder.split(":")
        for other in (
            "",
            this_process(),
            ":".join((host, boot, namespace, pid, "1", token)),  # the id was used again
            ":".join((host, "another-boot", namespace, pid, started, token)),
            ":".join((host, boot, "1", pid, started, token)),  # another container
            ":".join((host, boot, namespace, pid, "", token)),
        ):
            assert not kill(other)
        assert process.poll() is None
        assert kill(holder)
        assert process.wait(10) == -9
        assert not kill(holder)


def test_expired_lease_kills_nobody() -> None:
    with idle_process() as process:
        Lease.objects.create(name="poll", holder=identity(process.pid), expires_at=timezone.now())
        assert not Lease.kill_holder("poll")
        assert process.poll() is None


def test_finished_task_kills_nobody(admin: Member) -> None:
    assert drills.kill_worker_of(make_generation(Status.SUCCEEDED).pk, admin) == 0


# --- the page ------------------------------------------------------------------------------------


def test_page_starts_a_drill_and_shows_it(priced: Simulator, admin_client: Client) -> None:
    assert "None yet." in admin_client.get(URL).content.decode()
    assert admin_client.post(f"{URL}refused")["Location"] == URL
    page = admin_client.get(URL).content.decode()
    assert "In progress. Nothing was paid twice so far." in page
    assert 'data-hx-trigger="every 2s"' in page
    run_worker()
    page = " ".join(admin_client.get(URL).content.decode().split())
    assert "1 request sent, 0 tasks at the gateway, 0 images stored, nothing charged" in page
    assert "Done. Nothing was paid twice." in page
    assert "data-hx-get" not in page


def test_drills_are_of_the_demo_only(
    upstream: Simulator, admin_client: Client, settings: Settings
) -> None:
    settings.DEMO = False
    assert admin_client.get(URL).status_code == 404
    assert admin_client.post(f"{URL}refused").status_code == 404
    assert URL not in admin_client.get("/admin/settings/").content.decode()
    assert not Generation.objects.exists()


def test_unknown_drill_is_not_found(admin_client: Client) -> None:
    assert admin_client.post(f"{URL}x").status_code == 404


def test_page_without_the_simulator(
    upstream: Simulator, admin_client: Client, admin: Member, settings: Settings
) -> None:
    start(BY_SLUG["refused"], admin)
    settings.UPSTREAM_URL = "http://127.0.0.1:9"
    assert "the simulator does not answer" in admin_client.get(URL).content.decode()
    with pytest.raises(SimulatorAway):
        start(BY_SLUG["slow"], admin)
    response = admin_client.post(f"{URL}slow", follow=True)
    assert "The simulator does not answer. Nothing was sent." in response.content.decode()
    assert Generation.objects.count() == 1
