"""In flight: how late the end of a task is noticed among thousands, and what polling costs.

Rows are inserted as `running`, and downloads never finish, so that only polling is measured. Lag is
the time from the end upstream to `fetching` in the database. Two programs for comparison: a naive
one (eight processes that each wait for one task) and a bare script (threads without a database),
which shows the limit of the machine.
"""

import json
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import heappop, heappush
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import urllib3  # noqa: TID251

from tests.bench.report import cpu_seconds, percentile, pss_megabytes, timestamp
from tests.installation import Installation, wait_until
from tests.simulator import PATH, Simulator

UPSTREAM_SECONDS = (20, 60)
POLL_SECONDS = (2.0, 5.0)
FULL_LOAD_SECONDS = 12.0
SUBMITTERS = 16
SLOW_PROMPT, SLOW_SECONDS = "a slow answer", 60.0
NAIVE_PROCESSES, NAIVE_TASKS = 8, 100
BARE_THREADS = 64

INSERT_ROWS = """
import json, sys
from datetime import timedelta
from uuid import uuid4
from django.utils import timezone
from generations.models import Generation, Member
ids = json.load(open({path!r}))
owner = Member.objects.get(username="admin")
now = timezone.now()
Generation.objects.bulk_create([
    Generation(owner=owner, idempotency_key=str(uuid4()), prompt="in flight", aspect_ratio="1:1",
               attempt=1, status="running", upstream_task_id=task_id, submitted_at=now,
               accepted_at=now, polling_since=now,
               next_poll_at=now + timedelta(seconds=2 * index / len(ids)))
    for index, task_id in enumerate(ids)
], batch_size=500)
"""


@dataclass(frozen=True)
class Figures:
    """Lags in seconds; `cpu` is a share of one core, while all tasks are in flight.

    `submitting` is the number of requests then that wait for the answer of an engine without tasks.
    """

    lags: list[float]
    polls_per_second: float = 0
    cpu: float = 0
    megabytes: float = 0
    submitting: int = 0

    def row(self, name: str, count: int) -> str:
        return (
            f"{name:<22} {count:>7,} {percentile(50, self.lags):>7.2f} "
            f"{percentile(95, self.lags):>7.2f} "
            f"{max(self.lags):>7.2f} {self.polls_per_second:>8,.0f} {self.cpu:>7.0%} "
            f"{1000 * self.cpu / (self.polls_per_second or 1):>8.2f} {self.megabytes:>7.0f}"
        )


def in_flight(counts: list[int], **settings: Any) -> None:
    """Print one row for each program and count of tasks in flight."""
    print(
        f"\nIn flight: upstream time {UPSTREAM_SECONDS} s, poll interval {POLL_SECONDS} s. Lag in "
        "seconds, polls per second, share of one core, processor time of a poll, MB (PSS of the "
        "worker's processes)."
    )
    print(
        f"{'':<22} {'count':>7} {'p50':>7} {'p95':>7} {'max':>7} "
        f"{'polls/s':>8} {'cpu':>7} {'ms/poll':>8} {'MB':>7}"
    )
    if NAIVE_TASKS in counts:
        print(_naive().row(f"naive, {NAIVE_PROCESSES} processes", NAIVE_TASKS), flush=True)
    for count in counts:
        print(klingweb(count, **settings).row("klingweb", count), flush=True)
        print(_bare_script(count).row(f"bare script, {BARE_THREADS} threads", count), flush=True)


@contextmanager
def _upstream(count: int) -> Iterator[tuple[Simulator, list[str]]]:
    """Yield a simulator with `count` new tasks, whose downloads never finish, and the task ids.

    Requests whose prompt has `SLOW_PROMPT` take `SLOW_SECONDS`.
    """
    with Simulator(seconds=UPSTREAM_SECONDS) as simulator:
        slow = {"seconds_from": SLOW_SECONDS, "seconds_to": SLOW_SECONDS}
        simulator.scenario("normal", times=None, match=SLOW_PROMPT, **slow)
        simulator.scenario("file-silent", times=None)
        with ThreadPoolExecutor(SUBMITTERS) as pool:
            list(pool.map(lambda _number: simulator.submit(), range(count)))
        yield simulator, [task["task_id"] for task in simulator.tasks()]


def klingweb(
    count: int, beside: Callable[[Installation], None] | None = None, **settings: Any
) -> Figures:
    """Measure `count` tasks in flight. `beside` queues other requests before the worker starts."""
    with tempfile.TemporaryDirectory() as folder:
        poll_seconds = ",".join(map(str, POLL_SECONDS))
        installation = Installation(
            Path(folder),
            upstream_url="http://127.0.0.1:9",
            poll_seconds=poll_seconds,
            fetch_threads=1,
            **settings,
        ).prepare()
        if beside:
            beside(installation)
        with _upstream(count) as (simulator, ids), installation:
            installation.environment["KLINGWEB_UPSTREAM_URL"] = simulator.url
            path = Path(folder) / "ids.json"
            path.write_text(json.dumps(ids))
            installation.start("worker")
            installation.manage("shell", "-c", INSERT_ROWS.format(path=str(path)))
            wait_until(lambda: _poll_count(simulator) > count, 60, "each task was polled once")
            load = _full_load(simulator, installation.process_tree("worker"))
            submitting = installation.statuses().get("submitting", 0)
            wait_until(
                lambda: not installation.statuses().get("running"),
                240,
                "the end of every task was noticed",
            )
            done = {task["task_id"]: task["done_at"] for task in simulator.tasks()}
            rows = installation.rows(
                "SELECT g.upstream_task_id AS id, t.at AS at FROM generations_transition t "
                "JOIN generations_generation g ON g.id = t.generation_id WHERE t.reason = 'made'"
            )
            assert len(rows) == count
            lags = [timestamp(row["at"]) - done[row["id"]] for row in rows]
            return Figures(lags, *load, submitting)


def _full_load(simulator: Simulator, processes: list[psutil.Process]) -> tuple[float, float, float]:
    """Measure polls per second, cpu and memory while all tasks are in flight."""
    polls, cpu, started = _poll_count(simulator), cpu_seconds(processes), time.time()
    threading.Event().wait(FULL_LOAD_SECONDS)
    seconds = time.time() - started
    polled = _poll_count(simulator) - polls
    return polled / seconds, (cpu_seconds(processes) - cpu) / seconds, pss_megabytes(processes)


def _poll_count(simulator: Simulator) -> int:
    polls: int = simulator.stats()["requests"].get("query", 0)
    return polls


def _bare_script(count: int) -> Figures:
    """Poll from threads, with due times on a heap and without a database."""
    with _upstream(count) as (simulator, ids):
        noticed_at: dict[str, float] = {}
        pool = urllib3.connectionpool.connection_from_url(simulator.url, maxsize=BARE_THREADS)
        headers = {"Authorization": f"Bearer {simulator.key}"}
        lock, started = threading.Lock(), time.monotonic()
        due = [(started + random.uniform(0, POLL_SECONDS[0]), task_id) for task_id in ids]
        due.sort()

        def poll() -> None:
            while True:
                with lock:
                    if not due:
                        return
                    due_at, task_id = heappop(due)
                time.sleep(max(0.0, due_at - time.monotonic()))
                response = pool.request("GET", f"{PATH}/{task_id}", headers=headers)
                if json.loads(response.data)["data"]["task_status"] == "succeed":
                    noticed_at[task_id] = time.time()
                    continue
                with lock:
                    heappush(
                        due,
                        (time.monotonic() + POLL_SECONDS[0] * random.uniform(0.8, 1.2), task_id),
                    )

        threads = [threading.Thread(target=poll) for _number in range(BARE_THREADS)]
        for thread in threads:
            thread.start()
        load = _full_load(simulator, [psutil.Process()])
        for thread in threads:
            thread.join()
        done = {task["task_id"]: task["done_at"] for task in simulator.tasks()}
        return Figures([noticed_at[task_id] - done[task_id] for task_id in ids], *load)


def _naive() -> Figures:
    """Poll from a few processes, each of which waits for one task at a time."""
    with _upstream(NAIVE_TASKS) as (simulator, ids):
        tasks = [(simulator.url, simulator.key, task_id) for task_id in ids]
        with get_context("spawn").Pool(NAIVE_PROCESSES) as pool:
            result = pool.map_async(_wait_for_task, tasks, chunksize=1)
            load = _full_load(simulator, psutil.Process().children(recursive=True))
            noticed_at = result.get(600)
        done = {task["task_id"]: task["done_at"] for task in simulator.tasks()}
        lags = [at - done[task_id] for task_id, at in zip(ids, noticed_at, strict=True)]
        return Figures(lags, *load)


def _wait_for_task(task: tuple[str, str, str]) -> float:
    """Poll one task until it has succeeded, and return the time."""
    url, key, task_id = task
    headers = {"Authorization": f"Bearer {key}"}
    while True:
        response = urllib3.request("GET", f"{url}{PATH}/{task_id}", headers=headers)
        if response.json()["data"]["task_status"] == "succeed":
            return time.time()
        time.sleep(POLL_SECONDS[0])
