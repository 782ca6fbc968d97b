"""Faults of the machine: a changed clock, a full disk, a locked database."""

import errno
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.utils import timezone

from generations.models import Generation, Picture, Status, UpstreamGate
from generations.worker import tasks
from tests.builders import make_generation, make_member
from tests.installation import Installation, wait_until
from tests.simulator import Simulator
from tests.worker_driver import run_loops, run_worker

real_now = timezone.now


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    def set_by(ahead: timedelta) -> None:
        def now() -> datetime:
            return real_now() + ahead

        monkeypatch.setattr(timezone, "now", now)

    return set_by


@pytest.mark.django_db
@pytest.mark.parametrize(
    "jump", [timedelta(days=1), timedelta(hours=-1)], ids=["a day ahead", "an hour back"]
)
def test_changed_clock_loses_nothing_and_submits_nothing_twice(
    jump: timedelta, upstream: Simulator, set_clock: Callable[[timedelta], None]
) -> None:
    owner = make_member()
    upstream.settings(seconds=[0.5, 0.5])
    rows = [make_generation(owner=owner, prompt=f"a clock {number}") for number in range(4)]
    run_loops("submit", seconds=1)
    rows += [make_generation(owner=owner, prompt=f"a queued clock {number}") for number in range(2)]
    UpstreamGate.for_engine().wait(1)  # set before the clock changes
    assert Generation.objects.filter(status=Status.RUNNING).count() == 4
    set_clock(jump)
    tasks.heartbeat()
    run_worker()
    assert {row.status for row in Generation.objects.all()} == {Status.SUCCEEDED}
    assert len(upstream.tasks()) == len(rows)


@pytest.mark.django_db
def test_full_disk_loses_no_picture_and_counts_no_try(
    upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_generation(n=2)

    def full(*_args: Any, **_more: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    run_worker(lambda: Picture.objects.exists(), lease_names=("submit", "poll"))
    with monkeypatch.context() as broken:
        broken.setattr(FileSystemStorage, "save", full)
        run_loops("fetch")
    pictures = list(row.pictures.all())
    assert {picture.state for picture in pictures} == {Picture.State.WANTED}
    assert {picture.tries for picture in pictures} == {0}
    Picture.objects.update(next_try_at=timezone.now())
    run_worker()
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    assert row.pictures.filter(state=Picture.State.STORED).count() == 2


def test_locked_database_affects_only_the_current_request(tmp_path: Path) -> None:
    with (
        Simulator(seconds=(0.5, 1)) as simulator,
        Installation(
            tmp_path,
            upstream_url=simulator.url,
            poll_seconds="0.3,1,1,1",
            concurrency_limit=0,
            sqlite_timeout_seconds=1,
            watchdog_heartbeat_seconds=1,
            watchdog_timeout_seconds=8,
            log_level="CRITICAL",
        ).prepare() as installation,
    ):
        visitor = installation.open()
        for number in range(5):
            visitor.generate(f"before the lock {number}")
        wait_until(lambda: simulator.tasks(), 30, "some are submitted")
        responses = []
        with closing(sqlite3.connect(tmp_path / "klingweb.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            responses.append(visitor.generate("during the lock"))
            threading.Event().wait(3)  # longer than every timeout
            other.execute("ROLLBACK")
        assert responses[0].status_code == 503
        assert "during the lock" in responses[0].text
        assert visitor.generate("after the lock").ok
        wait_until(installation.is_idle, 60, "the installation is idle")
        statuses = installation.statuses()
        assert sum(statuses.values()) == 6
        prompts = [task["prompt"] for task in simulator.tasks()]
        assert len(prompts) == len(set(prompts)), "charged twice"
        assert set(statuses) <= {"succeeded", "unconfirmed"}
