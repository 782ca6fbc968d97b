"""Runs the simulator in its own process and calls it over HTTP."""

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
STOP_TIMEOUT_SECONDS = 10
CALL_TIMEOUT_SECONDS = 30
WAIT_SECONDS = 20

PATH = "/kling/v1/images/generations"


def _argument(value: Option) -> str:
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


class Simulator:
    """A simulator process, by default on a free port, with plain pictures and short tasks.

    Options are those of `python -m klingweb.simulator` with underscores, such as
    `seconds=(0.2, 0.4)`, `concurrency_limit=5`, `data_dir=tmp_path`, `plain=False`. The port
    stays the same after a restart, and so does `url`.
    """

    def __init__(self, **options: Option) -> None:
        defaults: dict[str, Option] = {"port": 0, "plain": True, "seconds": (0.2, 0.4)}
        self._options = {**defaults, "submit_seconds": 0, "key": "test-key", **options}
        self._process: subprocess.Popen[str] | None = None
        self._session = Session()
        self.url = ""

    @property
    def key(self) -> str:
        """The accepted API key."""
        return str(self._options["key"])

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self._process, "not started"
        return self._process.pid

    def start(self, **options: Option) -> Self:
        """Start the process with changed options, and wait until it listens."""
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
        """Terminate the process and return its exit status."""
        return self._end(kill=False)

    def kill(self) -> int:
        """Kill the process and return its exit status."""
        return self._end(kill=True)

    def _end(self, kill: bool) -> int:
        assert self._process, "not started"
        process, self._process = self._process, None
        process.kill() if kill else process.terminate()
        with process:
            return process.wait(STOP_TIMEOUT_SECONDS)

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
        """Apply a scenario to the next submits; `times=None` means until the reset."""
        queued = {"name": name, "times": times, "match": match, "params": params}
        self._control("POST", "scenario", json=queued)

    def settings(self, **values: Any) -> dict[str, Any]:
        """Change settings (`klingweb.simulator.settings.Settings`) and return all of them."""
        changed: dict[str, Any] = self._control("POST", "settings", json=values)
        return changed

    def requests(self, kind: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        """Return the requests of one kind (submit, query, list, file, other) or of all kinds."""
        params = {"since": since} | ({"kind": kind} if kind else {})
        entries: list[dict[str, Any]] = self._control("GET", "requests", params=params)
        return entries

    def tasks(self) -> list[dict[str, Any]]:
        """Return every task, oldest first; times are Unix seconds."""
        tasks: list[dict[str, Any]] = self._control("GET", "tasks")
        return tasks

    def stats(self) -> dict[str, Any]:
        """Return counters; cheap under load."""
        counters: dict[str, Any] = self._control("GET", "stats")
        return counters

    def scenarios(self) -> dict[str, str]:
        """Return name and description of every scenario."""
        descriptions: dict[str, str] = self._control("GET", "scenarios")
        return descriptions

    def reset(self) -> None:
        """Delete tasks, request log, queued scenarios and changed settings."""
        self._control("POST", "reset")

    def submit(
        self, prompt: str = "a red door", timeout: float = CALL_TIMEOUT_SECONDS, **fields: object
    ) -> Response:
        """Send one submit, without klingweb's client."""
        return self._session.post(
            self.url + PATH,
            json={"prompt": prompt, **fields},
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=timeout,
        )

    def query(self, task_id: str) -> Response:
        """Send one query, without klingweb's client."""
        return self._session.get(
            f"{self.url}{PATH}/{quote(task_id, safe='')}",
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=CALL_TIMEOUT_SECONDS,
        )

    def create_task(self, scenario: str = "normal", n: int = 1, **params: Any) -> str:
        """Create a task in a scenario that accepts it, and return its id."""
        self.scenario(scenario, **params)
        assert self.submit(n=n).status_code == 200
        return str(self.tasks()[-1]["task_id"])

    def query_when_ended(self, task_id: str) -> dict[str, Any]:
        """Wait until all tasks have ended, and return the response to a query about one."""
        self.wait_for("succeed", "failed")
        body: dict[str, Any] = self.query(task_id).json()
        return body

    def wait_for(self, *states: str) -> list[dict[str, Any]]:
        """Wait until there are tasks and each is in one of `states`, and return them."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            tasks = self.tasks()
            if tasks and all(task["state"] in states for task in tasks):
                return tasks
            time.sleep(0.02)
        raise AssertionError(f"never {' or '.join(states)}: {self.tasks()}")

    def _control(self, method: str, call: str, **options: Any) -> Any:
        response = self._session.request(
            method, f"{self.url}/_control/{call}", timeout=CALL_TIMEOUT_SECONDS, **options
        )
        assert response.ok, response.text
        return response.json()


def image_urls(body: dict[str, Any]) -> list[str]:
    """Return the image URLs of a documented query response."""
    return [image["url"] for image in body["data"]["task_result"]["images"]]
