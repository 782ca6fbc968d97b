"""Runs the worker's loops in the test process, in turn and without django-q, over real HTTP."""

import os
import time
from collections.abc import Callable, Iterable

import pytest
from django.utils import timezone
from pytest_django import Settings

from generations.models import DEFAULT_ENGINE, Generation, Status, UpstreamGate
from generations.models.process import Place, identity
from generations.worker import dispatch, fetch, poll, poll_schedule, submit
from generations.worker.lease import LeasedLoop
from generations.worker.tasks import LOOPS
from tests.scripted_server import ScriptedResponse, ScriptedServer
from tests.simulator import Simulator

# Holders of a lease or a submission, as `this_process` returns them.
LIVE_HOLDER = identity(os.getppid())
DEAD_HOLDER = identity(4194305, started="1")  # above the highest process id of Linux
REUSED_PID_HOLDER = identity(os.getpid(), started="1")  # a reused process id
REMOTE_HOLDER = identity(4194305, place=Place("another-machine", "another-boot", "4026531836"))

TIMEOUT_SECONDS = 30
LOOP_SECONDS = 0.2  # for one loop, before the next one runs


class ScriptedUpstream:
    """`respond_with(...)`: the upstream sends these responses from now on, the last one forever."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.server: ScriptedServer | None = None

    def respond_with(self, *script: ScriptedResponse) -> ScriptedServer:
        self.close()
        self.server = ScriptedServer(*script)
        self.server.__enter__()
        self.settings.UPSTREAM_URL = self.server.url
        return self.server

    def close(self) -> None:
        if self.server:
            self.server.__exit__(None, None, None)


def connect(simulator: Simulator, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect the worker to the simulator, with short waits.

    A hold still lasts: `make_probe_due` lets the next request test it.
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
    monkeypatch.setattr(poll, "ROUND_SECONDS", 0)
    monkeypatch.setattr(fetch, "RESULT_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(poll_schedule, "MAX_RETRY_SECONDS", 0.05)


def run_loops(*lease_names: str, seconds: float = LOOP_SECONDS) -> None:
    """Run each of these loops once, whether or not it has work; without names, all loops."""
    for lease_name in lease_names or LOOPS:
        with LeasedLoop(lease_name, _ignore_wake_up, seconds) as loop:
            assert loop.is_held, f"{lease_name} is held by another process"
            LOOPS[lease_name].run(loop)


def is_idle() -> bool:
    """Whether no row changes without a person, a response or the end of a hold."""
    moving = Generation.objects.live().filter(lost_at=None)
    engines = {DEFAULT_ENGINE, *Generation.objects.queued_engines()}
    for engine in engines:
        gates = UpstreamGate.in_turn(engine) or [UpstreamGate.for_engine(engine)]
        if any(gate.is_held for gate in gates) and not dispatch.has_candidates(gates=gates):
            moving = moving.exclude(status=Status.QUEUED, engine=engine)
    return not moving.exists()


def run_worker(
    until: Callable[[], bool] = is_idle,
    what: str = "the worker is idle",
    lease_names: Iterable[str] = LOOPS,
) -> None:
    """Run the loops that have work, in turn, until the condition holds."""
    ends_at = time.monotonic() + TIMEOUT_SECONDS
    while not until():
        assert time.monotonic() < ends_at, f"timed out: {what}; {describe_rows()}"
        submit.sweep()
        for lease_name in lease_names:
            if LOOPS[lease_name].has_work():
                run_loops(lease_name)


def describe_rows() -> str:
    """Describe the rows and the gate, for the message of a failed assertion."""
    rows = Generation.objects.order_by("pk")[:20]
    histories = [
        f"{row}: {row.status} {row.failure_message} after {_last_reasons(row)}" for row in rows
    ]
    return "\n".join([f"gate: {vars(UpstreamGate.for_engine())}", *histories])


def make_probe_due() -> None:
    """Let the next request test a hold now."""
    UpstreamGate.objects.update(probe_at=timezone.now())


def _last_reasons(row: Generation) -> list[str]:
    return list(row.transitions.order_by("-pk").values_list("reason", flat=True)[:5])


def _ignore_wake_up(lease_name: str) -> None:
    """`run_worker` runs every loop with work anyway."""
