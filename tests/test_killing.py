"""Worker and web server are killed at random: nothing is charged twice, nothing is lost."""

import json
import random
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests  # noqa: TID251

from generations.engines.answer_file import UNREAD
from generations.models.status import LIVE
from tests import naive_worker
from tests.installation import ROOT, Installation, Visitor, wait_until
from tests.simulator import Simulator

REQUESTS = 150
KILLS = 13
POST_SECONDS = 0.2  # the task exists halfway through it
# The last lookup must be later than the time in which a POST of a killed worker can still become a
# task. An earlier "not found" would be true, and the task would be charged afterwards.
LOOKUP_SECONDS = "1,2,3"
NAIVE_REQUESTS, NAIVE_KILLS = 60, 8
IMMEDIATE_ENGINES = ("openai", "ideogram")  # answered with Base64, and with links
IMMEDIATE_REQUESTS, IMMEDIATE_KILLS = 16, 3  # requests of each engine


@pytest.mark.parametrize("lookup", ["", "reference"])
def test_killed_worker_and_web_server_submit_nothing_twice_and_lose_nothing(
    lookup: str, tmp_path: Path
) -> None:
    prompts = [f"a numbered lighthouse {number}" for number in range(REQUESTS)]
    with (
        Simulator(submit_seconds=POST_SECONDS, seconds=(0.3, 0.8)) as simulator,
        Installation(
            tmp_path,
            upstream_url=simulator.url,
            poll_seconds="0.3,1,1,1",
            concurrency_limit=0,
            submit_threads=4,
            hold_retry_seconds=1,
            watchdog_heartbeat_seconds=1,
            upstream_lookup=lookup,
            lookup_seconds=LOOKUP_SECONDS,
        ).prepare() as installation,
    ):
        person = threading.Thread(
            target=_generate_until_accepted, args=(installation.open(), prompts)
        )
        person.start()
        for kill in range(KILLS):
            _wait_for_new_posts(simulator)
            _wait_a_random_moment(kill)
            installation.kill("worker")
            if kill % 8 == 7:
                installation.kill("web")
                installation.start("web")
            installation.start("worker")
        person.join()
        open_statuses = {*LIVE, "unconfirmed"} if lookup else set(LIVE)
        wait_until(
            lambda: not open_statuses & installation.statuses().keys(), 120, "all rows are final"
        )

        statuses = installation.statuses()
        without_task = set(prompts) - {task["prompt"] for task in simulator.tasks()}
        assert _charged_twice(simulator) == []
        assert sum(statuses.values()) == REQUESTS
        assert len(simulator.requests("submit")) <= REQUESTS
        # Rows without an upstream task were killed before their POST. With lookups that is proven,
        # and every row ends; without, these rows are unconfirmed.
        if lookup:
            assert {row["prompt"] for row in _rows(installation, "failed")} == without_task
            assert len(_rows(installation, "failed", "not-there")) == len(without_task)
            assert statuses.keys() <= {"succeeded", "failed"}
        else:
            assert without_task <= {row["prompt"] for row in _rows(installation, "unconfirmed")}
            assert statuses.keys() <= {"succeeded", "unconfirmed"}
        print(f"{KILLS} kills: {statuses}, charged twice: 0, never sent: {len(without_task)}")


def test_killed_worker_sends_no_request_without_task_twice_and_stores_what_has_arrived(
    tmp_path: Path,
) -> None:
    with (
        Simulator(seconds=(1, 2)) as simulator,
        Installation(
            tmp_path, upstream_url=simulator.url, concurrency_limit=0, submit_threads=8
        ).prepare() as installation,
    ):
        for engine in IMMEDIATE_ENGINES:
            prompts = [f"a lighthouse of {engine} {n}" for n in range(IMMEDIATE_REQUESTS)]
            installation.queue_requests(engine, prompts)
        arrived: set[int] = set()
        for kill in range(IMMEDIATE_KILLS):
            installation.start("worker")
            _wait_for_new_posts(simulator)
            if kill:
                _wait_a_random_moment(kill)
                installation.kill("worker")
            else:
                with _locked(installation):  # what arrives now cannot be recorded
                    wait_until(lambda: _whole_answers(installation), 60, "an answer arrives")
                    installation.kill("worker")
                assert _whole_answers(installation)
            arrived |= _whole_answers(installation)
        installation.start("worker")
        wait_until(installation.is_idle, 120, "all rows have ended")

        total = IMMEDIATE_REQUESTS * len(IMMEDIATE_ENGINES)
        posts = Counter(post["prompt"] for post in simulator.requests("submit"))
        succeeded = {row["prompt"]: row["id"] for row in _rows(installation, "succeeded")}
        unconfirmed = {row["prompt"] for row in _rows(installation, "unconfirmed")}
        assert set(posts.values()) == {1}
        assert len(succeeded) + len(unconfirmed) == total, installation.statuses()
        assert unconfirmed  # the kills have interrupted some
        assert arrived <= set(succeeded.values())
        assert succeeded.keys() <= posts.keys()
        stored = installation.rows("SELECT file FROM generations_picture WHERE state = 'stored'")
        assert len(stored) == len(succeeded)
        answers = tmp_path / "answers"
        kept = {path.suffix for path in answers.iterdir()}
        assert kept <= {UNREAD}, "recorded answers are deleted"  # those that a kill has cut stay
        print(
            f"{IMMEDIATE_KILLS} kills: {installation.statuses()}, sent twice: 0, "
            f"recorded by a later worker: {len(arrived)}"
        )


def test_interrupted_downloads_start_again_soon_after_a_kill(tmp_path: Path) -> None:
    with (
        Simulator(seconds=(0.1, 0.1)) as simulator,
        Installation(
            tmp_path, upstream_url=simulator.url, poll_seconds="0.3,1,1,1"
        ).prepare() as installation,
    ):
        person = installation.open()
        simulator.scenario("file-slow", file_seconds=600, downloads=1)
        person.generate("an interrupted lighthouse", n=3)
        wait_until(lambda: len(simulator.requests("file")) >= 3, 60, "the files are downloaded")
        installation.kill("worker")
        installation.start("worker")
        # The heartbeat comes every 10 s. Without it the pictures would wait for their lease.
        wait_until(installation.is_idle, 60, "the files are downloaded again")
        assert installation.statuses() == {"succeeded": 1}
        assert len(simulator.requests("file")) == 6


def test_naive_worker_is_charged_twice_under_the_same_kills(tmp_path: Path) -> None:
    """Shows that the test above can fail."""
    database = str(tmp_path / "naive.db")
    naive_worker.create(
        database, [f"a naive lighthouse {number}" for number in range(NAIVE_REQUESTS)]
    )
    with Simulator(submit_seconds=POST_SECONDS, seconds=(0.3, 0.8)) as simulator:
        command = [
            sys.executable,
            "-m",
            "tests.naive_worker",
            database,
            simulator.url,
            simulator.key,
        ]
        for kill in range(NAIVE_KILLS):
            with subprocess.Popen(command, cwd=ROOT) as process:
                _wait_for_new_posts(simulator)
                _wait_a_random_moment(kill)
                process.kill()
        assert _charged_twice(simulator)
        print(f"{NAIVE_KILLS} kills: {len(_charged_twice(simulator))} requests charged twice")


def _rows(installation: Installation, status: str, reason: str = "%") -> list[dict[str, Any]]:
    """Rows with this status that have reached it for this reason."""
    return installation.rows(
        """SELECT DISTINCT g.id, prompt FROM generations_generation g JOIN generations_transition t
           ON t.generation_id = g.id AND t.to_status = g.status
           WHERE g.status = ? AND t.reason LIKE ?""",
        status,
        reason,
    )


def _generate_until_accepted(visitor: Visitor, prompts: list[str]) -> None:
    """Send each form again, unchanged, until the server accepts it."""
    for prompt in prompts:
        nonce = str(uuid4())

        def is_accepted(prompt: str = prompt, nonce: str = nonce) -> bool:
            try:
                return visitor.generate(prompt, nonce=nonce).ok
            except requests.ConnectionError:
                return False

        wait_until(is_accepted, 60, f"{prompt!r} is accepted")


def _wait_for_new_posts(simulator: Simulator) -> None:
    """Wait until requests are pending, so that each kill interrupts some."""
    posts = simulator.stats()["requests"].get("submit", 0)
    wait_until(
        lambda: simulator.stats()["requests"].get("submit", 0) > posts, 60, "new posts arrive"
    )


def _wait_a_random_moment(seed: int) -> None:
    """Let the kill interrupt the worker at a random point of its work."""
    threading.Event().wait(random.Random(seed).uniform(0, 2 * POST_SECONDS))


@contextmanager
def _locked(installation: Installation) -> Iterator[None]:
    """Hold the write lock of the database, as another process may for a while."""
    path = installation.folder / "klingweb.db"
    with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield


def _whole_answers(installation: Installation) -> set[int]:
    """The generations whose answer is on disk, whole, and not yet recorded."""
    found = set()
    for path in (installation.folder / "answers").glob("*-*"):
        with suppress(ValueError, FileNotFoundError):  # in transit, or recorded meanwhile
            if "." not in path.name and json.loads(path.read_bytes())["data"]:
                found.add(int(path.name.partition("-")[0]))
    return found


def _charged_twice(simulator: Simulator) -> list[str]:
    """Prompts with more than one upstream task; every prompt was requested once."""
    counted = Counter(task["prompt"] for task in simulator.tasks())
    return [prompt for prompt, count in counted.items() if count > 1]
