"""The engine in this process, without django-q: its lines work in turn, over real HTTP."""

import os
import socket
import time
from collections.abc import Callable, Iterable

import pytest
from django.utils import timezone
from pytest_django import Settings

from generations.models import Generation, Line, Status
from generations.models.process import _identity
from generations.worker import dispatch, fetch, pump, rhythm, submit
from generations.worker.shift import Shift
from generations.worker.tasks import LINES
from tests.scripted_server import ScriptedResponse, ScriptedServer
from tests.simulator import Simulator

# Holders of a slot or a submission, as `this_process` names them.
ALIVE = _identity(os.getppid())
NOBODY = f"{socket.gethostname()}:4194305:1.00"  # above the highest process number of Linux
SOMEBODY_ELSE = f"{socket.gethostname()}:{os.getpid()}:1.00"  # a number that was used again
FAR_AWAY = "another-machine:17:1.00"

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
    """Make the simulator this engine's upstream, and the engine impatient.

    What waits for a person or for minutes still waits: a hold opens by `let_the_gap_pass` only.
    """
    settings.UPSTREAM_URL, settings.UPSTREAM_KEY = simulator.url, simulator.key
    settings.UPSTREAM_UNITS = 0
    settings.SUBMIT_DEADLINE = 10
    settings.SUBMIT_GAP_SECONDS = 0
    settings.UNITS_GROW_SECONDS = 0.05
    settings.POLL_SECONDS = [0.02] * 4
    settings.FETCH_RETRY_SECONDS = [0.02, 0.02]
    settings.HOLD_RETRY_SECONDS = 3600
    monkeypatch.setattr(submit, "LONGEST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(submit, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(pump, "WRITE_SECONDS", 0.02)
    monkeypatch.setattr(fetch, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(rhythm, "LONGEST_AFTER_FAILURE_SECONDS", 0.05)


def work(*slots: str, seconds: float = STINT_SECONDS) -> None:
    """One shift of each of these lines, whether there is work or not; without a name, of all."""
    for slot in slots or LINES:
        with Shift(slot, _call_nobody, seconds) as shift:
            assert shift.is_mine, f"somebody else works at {slot}"
            LINES[slot].run(shift)


def is_at_rest() -> bool:
    """Nothing moves any more before a person, an answer or the end of a hold moves it."""
    moving = Generation.objects.live().filter(lost_at=None)
    if Line.now().is_held and not dispatch.opens_soon():
        moving = moving.exclude(status=Status.QUEUED)
    return not moving.exists()


def drive(
    until: Callable[[], bool] = is_at_rest,
    what: str = "all rows are at rest",
    slots: Iterable[str] = LINES,
) -> None:
    """Work as a worker does, line after line, until then."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not until():
        assert time.monotonic() < ends_at, f"never: {what}; {told()}"
        submit.sweep()
        for slot in slots:
            if LINES[slot].has_work():
                work(slot)


def told() -> str:
    """How everything stands, for whoever reads a failure."""
    rows = Generation.objects.order_by("pk")[:20]
    stories = [f"{row}: {row.status} {row.reason} after {_last_moves(row)}" for row in rows]
    return "\n".join([f"the line: {vars(Line.now())}", *stories])


def let_the_gap_pass() -> None:
    """The next row may try a held line, as if its gap were over."""
    Line.objects.update(probe_at=timezone.now())


def _last_moves(row: Generation) -> list[str]:
    return list(row.moves.order_by("-pk").values_list("why", flat=True)[:5])


def _call_nobody(slot: str) -> None:
    """Every line has its turn here anyway."""
