"""The worker in this process, without django-q: its lines work in turn, over real HTTP."""

import os
import socket
import time
from collections.abc import Callable, Iterable

import pytest
from django.utils import timezone
from pytest_django import Settings

from generations.models import Generation, Status, UpstreamGate
from generations.models.process import _identity
from generations.worker import dispatch, fetch, poll, poll_schedule, submit
from generations.worker.lease import LeasedLoop
from generations.worker.tasks import LOOPS
from tests.scripted_server import ScriptedResponse, ScriptedServer
from tests.simulator import Simulator

# Holders of a slot or a submission, as `this_process` names them.
LIVE_HOLDER = _identity(os.getppid())
DEAD_HOLDER = f"{socket.gethostname()}:4194305:1.00"  # above the highest process number of Linux
REUSED_PID_HOLDER = f"{socket.gethostname()}:{os.getpid()}:1.00"  # a number that was used again
REMOTE_HOLDER = "another-machine:17:1.00"

PATIENCE_SECONDS = 30
STINT_SECONDS = 0.2  # one line's, before the next has its turn


class Answers:
    """`answers.are(...)`: from now on the upstream says these, the last one for ever."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.server: ScriptedServer | None = None

    def are(self, *script: ScriptedResponse) -> ScriptedServer:
        self.close()
        self.server = ScriptedServer(*script)
        self.server.__enter__()
        self.settings.UPSTREAM_URL = self.server.url
        return self.server

    def close(self) -> None:
        if self.server:
            self.server.__exit__(None, None, None)


def connect(simulator: Simulator, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the simulator this worker's upstream, and the worker impatient.

    What waits for a person or for minutes still waits: a hold opens by `let_the_gap_pass` only.
    """
    settings.UPSTREAM_URL, settings.UPSTREAM_KEY = simulator.url, simulator.key
    settings.CONCURRENCY_LIMIT = 0
    settings.SUBMIT_DEADLINE_SECONDS = 10
    settings.SUBMIT_GAP_SECONDS = 0
    settings.CONCURRENCY_GROW_SECONDS = 0.05
    settings.POLL_SECONDS = [0.02] * 4
    settings.FETCH_RETRY_SECONDS = [0.02, 0.02]
    settings.HOLD_RETRY_SECONDS = 3600
    monkeypatch.setattr(UpstreamGate, "MAX_BACKOFF_SECONDS", 0.05)
    monkeypatch.setattr(submit, "RESPONSE_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(poll, "WRITE_SECONDS", 0.02)
    monkeypatch.setattr(fetch, "RESULT_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(poll_schedule, "MAX_RETRY_SECONDS", 0.05)


def run_loops(*lease_names: str, seconds: float = STINT_SECONDS) -> None:
    """One shift of each of these lines, whether there is work or not; without a name, of all."""
    for lease_name in lease_names or LOOPS:
        with LeasedLoop(lease_name, _call_nobody, seconds) as loop:
            assert loop.is_held, f"somebody else works at {lease_name}"
            LOOPS[lease_name].run(loop)


def is_idle() -> bool:
    """Nothing moves any more before a person, an answer or the end of a hold moves it."""
    moving = Generation.objects.live().filter(lost_at=None)
    if UpstreamGate.for_engine().is_held and not dispatch.opens_soon():
        moving = moving.exclude(status=Status.QUEUED)
    return not moving.exists()


def run_worker(
    until: Callable[[], bool] = is_idle,
    what: str = "all rows are at rest",
    lease_names: Iterable[str] = LOOPS,
) -> None:
    """Work as a worker does, line after line, until then."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not until():
        assert time.monotonic() < ends_at, f"never: {what}; {describe_rows()}"
        submit.sweep()
        for lease_name in lease_names:
            if LOOPS[lease_name].has_work():
                run_loops(lease_name)


def describe_rows() -> str:
    """How everything stands, for whoever reads a failure."""
    rows = Generation.objects.order_by("pk")[:20]
    stories = [
        f"{row}: {row.status} {row.failure_message} after {_last_moves(row)}" for row in rows
    ]
    return "\n".join([f"the line: {vars(UpstreamGate.for_engine())}", *stories])


def make_probe_due() -> None:
    """The next row may try a held line, as if its gap were over."""
    UpstreamGate.objects.update(probe_at=timezone.now())


def _last_moves(row: Generation) -> list[str]:
    return list(row.transitions.order_by("-pk").values_list("reason", flat=True)[:5])


def _call_nobody(lease_name: str) -> None:
    """Every line has its turn here anyway."""
