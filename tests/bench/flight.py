"""In flight: how late thousands of tasks are noticed, and what watching them costs.

The rows are put into the database as `running`; their files never come, so that nothing but the
watching is measured. Lag is from done upstream to `fetching` in the database. Beside it the toy,
which sleeps with one task in each of eight processes, and a threaded script without a database,
which is the limit.
"""

import json
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import heappop, heappush
from multiprocessing import get_context
from pathlib import Path

import psutil
import urllib3  # noqa: TID251

from tests.bench.say import at, cpu_seconds, pss_megabytes, seconds_of
from tests.installation import Installation, wait_until
from tests.simulator import PATH, Simulator

UPSTREAM_SECONDS = (20, 60)
POLL_SECONDS = (2.0, 5.0)
FULL_LOAD_SECONDS = 12.0
SUBMITTERS = 16
TOY_PROCESSES, TOY_TASKS = 8, 100
BARE_THREADS = 64

INSERT = """
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
               polling_since=now,
               next_poll_at=now + timedelta(seconds=2 * index / len(ids)))
    for index, task_id in enumerate(ids)
], batch_size=500)
"""


@dataclass(frozen=True)
class Figures:
    lags: list[float]
    polls_a_second: float = 0
    cpu: float = 0
    megabytes: float = 0

    def row(self, who: str, many: int) -> str:
        return (
            f"{who:<22} {many:>7,} {at(50, self.lags):>7.2f} {at(95, self.lags):>7.2f} "
            f"{max(self.lags):>7.2f} {self.polls_a_second:>8,.0f} {self.cpu:>7.0%} "
            f"{self.megabytes:>7.0f}"
        )


def in_flight(numbers: list[int], **settings: object) -> None:
    print(f"\nIn flight: upstream {UPSTREAM_SECONDS} s, rhythm {POLL_SECONDS} s; seconds, polls a "
          "second, one core, MB (PSS of the worker's processes).")  # fmt: skip
    print(
        f"{'':<22} {'many':>7} {'p50':>7} {'p95':>7} {'max':>7} {'polls/s':>8} {'cpu':>7} {'MB':>7}"
    )
    if TOY_TASKS in numbers:
        print(_toy().row(f"toy, {TOY_PROCESSES} sleepers", TOY_TASKS), flush=True)
    for many in numbers:
        print(_ours(many, **settings).row("klingweb", many), flush=True)
        print(_bare(many).row(f"bare, {BARE_THREADS} threads", many), flush=True)


@contextmanager
def _upstream(many: int) -> Iterator[tuple[Simulator, list[str]]]:
    """A simulator with so many tasks that are made just now; their files are silent."""
    with Simulator(seconds=UPSTREAM_SECONDS) as simulator:
        simulator.scenario("file-silent", times=None)
        with ThreadPoolExecutor(SUBMITTERS) as pool:
            list(pool.map(lambda _number: simulator.submit(), range(many)))
        yield simulator, [task["task_id"] for task in simulator.tasks()]


def _ours(many: int, **settings: object) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        poll_seconds = ",".join(map(str, POLL_SECONDS))
        installation = Installation(
            Path(folder),
            upstream_url="http://127.0.0.1:9",
            poll_seconds=poll_seconds,
            fetch_threads=1,
            **settings,
        ).prepare()
        with _upstream(many) as (simulator, ids), installation:
            installation.environment["KLINGWEB_UPSTREAM_URL"] = simulator.url
            path = Path(folder) / "ids.json"
            path.write_text(json.dumps(ids))
            installation.start("worker")
            installation.manage("shell", "-c", INSERT.format(path=str(path)))
            wait_until(lambda: _polls(simulator) > many, 60, "each was asked for once")
            load = _full_load(simulator, installation.family("worker"))
            wait_until(lambda: not installation.statuses().get("running"), 240, "all are noticed")
            done = {task["task_id"]: task["done_at"] for task in simulator.tasks()}
            rows = installation.rows(
                "SELECT g.upstream_task_id AS id, m.at AS at FROM generations_transition m "
                "JOIN generations_generation g ON g.id = m.generation_id WHERE m.reason = 'made'"
            )
            assert len(rows) == many
            return Figures([seconds_of(row["at"]) - done[row["id"]] for row in rows], *load)


def _full_load(simulator: Simulator, family: list[psutil.Process]) -> tuple[float, float, float]:
    """Polls a second, processor and memory while all of them are in flight."""
    polls, cpu, started = (
        simulator.stats()["requests"].get("query", 0),
        cpu_seconds(family),
        time.time(),
    )
    threading.Event().wait(FULL_LOAD_SECONDS)
    passed = time.time() - started
    asked = _polls(simulator) - polls
    return asked / passed, (cpu_seconds(family) - cpu) / passed, pss_megabytes(family)


def _polls(simulator: Simulator) -> int:
    polls: int = simulator.stats()["requests"].get("query", 0)
    return polls


def _bare(many: int) -> Figures:
    """Due times on a heap, urllib3 and threads: no database, no restart, no care."""
    with _upstream(many) as (simulator, ids):
        noticed: dict[str, float] = {}
        pool = urllib3.connectionpool.connection_from_url(simulator.url, maxsize=BARE_THREADS)
        headers = {"Authorization": f"Bearer {simulator.key}"}
        lock, began = threading.Lock(), time.monotonic()
        due = [(began + random.uniform(0, POLL_SECONDS[0]), task_id) for task_id in ids]
        due.sort()

        def poll() -> None:
            while True:
                with lock:
                    if not due:
                        return
                    at_, task_id = heappop(due)
                time.sleep(max(0.0, at_ - time.monotonic()))
                answer = pool.request("GET", f"{PATH}/{task_id}", headers=headers)
                if json.loads(answer.data)["data"]["task_status"] == "succeed":
                    noticed[task_id] = time.time()
                    continue
                with lock:
                    heappush(
                        due,
                        (time.monotonic() + POLL_SECONDS[0] * random.uniform(0.8, 1.2), task_id),
                    )

        threads = [threading.Thread(target=poll) for _number in range(BARE_THREADS)]
        for thread in threads:
            thread.start()
        me = psutil.Process()
        load = _full_load(simulator, [me])
        for thread in threads:
            thread.join()
        done = {task["task_id"]: task["done_at"] for task in simulator.tasks()}
        return Figures([noticed[task_id] - done[task_id] for task_id in ids], *load)


def _toy() -> Figures:
    with _upstream(TOY_TASKS) as (simulator, ids):
        tasks = [(simulator.url, simulator.key, task_id) for task_id in ids]
        with get_context("spawn").Pool(TOY_PROCESSES) as pool:
            told = pool.map_async(_sleep_with, tasks, chunksize=1)
            load = _full_load(simulator, psutil.Process().children(recursive=True))
            noticed = told.get(600)
        done = {task["task_id"]: task["done_at"] for task in simulator.tasks()}
        lags = [at_ - done[task_id] for task_id, at_ in zip(ids, noticed, strict=True)]
        return Figures(lags, *load)


def _sleep_with(task: tuple[str, str, str]) -> float:
    """What one writes first: one task, one process, until it is done."""
    url, key, task_id = task
    headers = {"Authorization": f"Bearer {key}"}
    while True:
        answer = urllib3.request("GET", f"{url}{PATH}/{task_id}", headers=headers)
        if answer.json()["data"]["task_status"] == "succeed":
            return time.time()
        time.sleep(POLL_SECONDS[0])
