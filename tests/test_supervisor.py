"""Processes of `manage.py run` are restarted, with delays that grow and begin anew."""

import os
import time
from collections.abc import Callable

import pytest
from django.core.management import CommandError
from django.db import OperationalError

from generations.management.commands import run
from generations.processes import supervisor
from generations.processes.forked import ForkError, call_in_fork
from generations.processes.supervisor import MAX_RESTART_SECONDS, QUIET_SECONDS, ManagedProcess
from tests.installation import wait_until


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Advances the clock of the supervisor."""
    now = [0.0]
    real = time.monotonic

    class Clock:
        sleep = staticmethod(time.sleep)
        monotonic = staticmethod(lambda: real() + now[0])

    monkeypatch.setattr(supervisor, "time", Clock)

    def advance(seconds: float) -> None:
        now[0] += seconds

    return advance


def exits() -> None:
    raise SystemExit(7)


def next_exit(process: ManagedProcess) -> str:
    """Start the process, which exits at once; return the report."""
    process.keep_running()
    return str(wait_until(process.keep_running, what="the exit is reported"))


def test_delay_grows_up_to_a_limit(wait: Callable[[float], None]) -> None:
    process = ManagedProcess("it", exits)
    assert next_exit(process) == "it exited with status 7; restarting in 2 s"
    for delay in (4, 8, 16, 30, 30):
        wait(MAX_RESTART_SECONDS)
        assert next_exit(process).endswith(f"restarting in {delay} s")


def test_delay_begins_anew_after_quiet_minutes(wait: Callable[[float], None]) -> None:
    process = ManagedProcess("it", exits)
    for _ in range(5):
        next_exit(process)
        wait(MAX_RESTART_SECONDS)
    process.keep_running()
    wait(QUIET_SECONDS)  # it seems to have run all the time
    report = wait_until(process.keep_running, what="the exit is reported")
    assert report.endswith("restarting in 2 s")
    wait(MAX_RESTART_SECONDS)
    assert next_exit(process).endswith("restarting in 4 s")


def test_result_of_a_fork_is_returned() -> None:
    assert call_in_fork(lambda: {"a": ["b" * 100_000]}) == {"a": ["b" * 100_000]}


def test_fork_without_a_database_says_so_in_one_sentence(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail() -> dict[str, object]:
        raise OperationalError("database or disk is full")

    with pytest.raises(ForkError):
        call_in_fork(fail)
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_failing_fork_is_an_error() -> None:
    def fail() -> dict[str, object]:
        raise SystemExit(7)

    with pytest.raises(ForkError, match="7"):
        call_in_fork(fail)


def test_start_is_prepared_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the memory that migrations take stays in all processes."""
    ours = os.getpid()

    def prepare() -> dict[str, object]:
        is_child = os.getpid() != ours
        return {
            "error": "", "is_first_start": is_child, "first_step": "a hint", "key_problem": "",
        }  # fmt: skip

    monkeypatch.setattr(run, "_prepare", prepare)
    command = run.Command()
    command._prepare()
    assert command.is_first_start
    assert command.first_step == "a hint"


def test_error_of_the_preparation_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_prepare", lambda: {"error": "The disk is full."})
    with pytest.raises(CommandError, match="The disk is full"):
        run.Command()._prepare()
