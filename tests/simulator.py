"""The simulator as the tests use it: a process of its own, spoken to over real HTTP."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from requests import Response, Session  # noqa: TID251

Option = str | int | float | bool | Path | Sequence[float]

ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 10
CALL_SECONDS = 30
PATIENCE_SECONDS = 20

PATH = "/kling/v1/images/generations"


def _argument(value: Option) -> str:
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


class Simulator:
    """A simulator of its own for a test, by default on a free port, plain and fast.

    Options are those of `python -m klingweb.simulator` with underscores, such as
    `seconds=(0.2, 0.4)`, `concurrency_limit=5`, `data_dir=tmp_path`, `plain=False`. The port
    stays the same after a restart, and so does `url`.
    """

    def __init__(self, **options: Option) -> None:
        usual: dict[str, Option] = {"port": 0, "plain": True, "seconds": (0.2, 0.4)}
        self._options = {**usual, "submit_seconds": 0, "key": "test-key", **options}
        self._process: subprocess.Popen[str] | None = None
        self._session = Session()
        self.url = ""

    @property
    def key(self) -> str:
        """The API key it was started with."""
        return str(self._options["key"])

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self._process, "not started"
        return self._process.pid

    def start(self, **options: Option) -> Self:
        """Start it, with changed options if any are given, and wait until it listens."""
        assert self._process is None, "already started"
        self._options.update(options)
        command = [sys.executable, "-m", "klingweb.simulator"]
        command += ["--die-with-parent", str(os.getpid())]
        for name, value in self._options.items():
            flag = f"--{name.replace('_', '-')}"
            if value is not False:
                command += [flag] if value is True else [flag, _argument(value)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        line = self._process.stdout.readline()
        if "listening on" not in line:
            self.stop()
            raise RuntimeError(f"the simulator did not start: {line!r}")
        self.url = line.split()[-1]
        self._options["port"] = int(self.url.rpartition(":")[2])
        return self

    def stop(self) -> int:
        """Ask it to stop and return its exit status."""
        return self._end(kill=False)

    def kill(self) -> int:
        """End it as a power cut would."""
        return self._end(kill=True)

    def _end(self, kill: bool) -> int:
        assert self._process, "not started"
        process, self._process = self._process, None
        process.kill() if kill else process.terminate()
        with process:
            return process.wait(STOP_SECONDS)

    def __enter__(self) -> Self:
        return self if self._process else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.close()
        if self._process:
            self.stop()

    def scenario(
        self, name: str, *, times: int | None = 1, match: str | None = None, **params: float | str
    ) -> None:
        """Let the next submits meet a scenario; `times=None` is until the reset."""
        order = {"name": name, "times": times, "match": match, "params": params}
        self._control("POST", "scenario", json=order)

    def settings(self, **values: Any) -> dict[str, Any]:
        """Change settings (`klingweb.simulator.settings.Settings`) and return all of them."""
        answer: dict[str, Any] = self._control("POST", "settings", json=values)
        return answer

    def requests(self, kind: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        """Every request received: of kind submit, query, list, file or other, or of all."""
        asked = {"since": since} | ({"kind": kind} if kind else {})
        answer: list[dict[str, Any]] = self._control("GET", "requests", params=asked)
        return answer

    def tasks(self) -> list[dict[str, Any]]:
        """Every task that was created, oldest first; times are Unix seconds."""
        answer: list[dict[str, Any]] = self._control("GET", "tasks")
        return answer

    def stats(self) -> dict[str, Any]:
        """Counters, cheap under load."""
        answer: dict[str, Any] = self._control("GET", "stats")
        return answer

    def scenarios(self) -> dict[str, str]:
        """Name and sentence of every scenario."""
        answer: dict[str, str] = self._control("GET", "scenarios")
        return answer

    def reset(self) -> None:
        """Forget tasks, record, ordered scenarios and changed settings."""
        self._control("POST", "reset")

    def submit(
        self, prompt: str = "a red door", timeout: float = CALL_SECONDS, **fields: object
    ) -> Response:
        """The plainest client: one POST of a prompt and other fields."""
        return self._session.post(
            self.url + PATH,
            json={"prompt": prompt, **fields},
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=timeout,
        )

    def query(self, task_id: str) -> Response:
        """The plainest client: one question about a task."""
        return self._session.get(
            f"{self.url}{PATH}/{quote(task_id, safe='')}",
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=CALL_SECONDS,
        )

    def make(self, scenario: str = "normal", n: int = 1, **params: Any) -> str:
        """The id of a new task that lives in a scenario which tells of it."""
        self.scenario(scenario, **params)
        assert self.submit(n=n).status_code == 200
        return str(self.tasks()[-1]["task_id"])

    def ended(self, task_id: str) -> dict[str, Any]:
        """What the first query after the end of all tasks is told about one."""
        self.wait_for("succeed", "failed")
        told: dict[str, Any] = self.query(task_id).json()
        return told

    def wait_for(self, *states: str) -> list[dict[str, Any]]:
        """All tasks, once there are some and each is in one of `states`; waits a bounded time."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            tasks = self.tasks()
            if tasks and all(task["state"] in states for task in tasks):
                return tasks
            time.sleep(0.02)
        raise AssertionError(f"never {' or '.join(states)}: {self.tasks()}")

    def _control(self, method: str, call: str, **sent: Any) -> Any:
        response = self._session.request(
            method, f"{self.url}/_control/{call}", timeout=CALL_SECONDS, **sent
        )
        assert response.ok, response.text
        return response.json()


def urls(answer: dict[str, Any]) -> list[str]:
    """Where the pictures of a finished task are, in the documented envelope."""
    return [image["url"] for image in answer["data"]["task_result"]["images"]]
