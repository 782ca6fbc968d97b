"""Whoever is killed, whenever: nothing is sent twice, nothing is lost."""

import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests  # noqa: TID251

from generations.models.status import LIVE
from tests import toy
from tests.installation import ROOT, Installation, Visitor, wait_until
from tests.simulator import Simulator

REQUESTS = 300
KILLS = 26
POST_SECONDS = 0.2  # the task exists halfway through it
# The last look must come later than any POST that a killed worker left on its way can still become
# a task: what is asked for before that is truly not there, and is made, and paid, afterwards.
LOOKUP_SECONDS = "1,2,3"
TOYS, TOY_KILLS = 60, 8


@pytest.mark.parametrize("lookup", ["", "reference"])
def test_killed_worker_and_web_send_nothing_twice_and_lose_nothing(
    lookup: str, tmp_path: Path
) -> None:
    prompts = [f"a numbered lighthouse {number}" for number in range(REQUESTS)]
    with (
        Simulator(submit_seconds=POST_SECONDS, seconds=(0.3, 0.8)) as simulator,
        Installation(
            tmp_path, upstream_url=simulator.url, poll_seconds="0.3,1,1,1", concurrency_limit=0,
            submit_threads=4, hold_retry_seconds=1, watchdog_heartbeat_seconds=1,
            upstream_lookup=lookup, lookup_seconds=LOOKUP_SECONDS,
        ).prepare() as installation,
    ):  # fmt: skip
        person = threading.Thread(target=_press_until_taken, args=(installation.open(), prompts))
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
        moving = {*LIVE, "unconfirmed"} if lookup else set(LIVE)
        wait_until(
            lambda: not moving & installation.statuses().keys(), 120, "nothing moves any more"
        )

        statuses = installation.statuses()
        unpaid = set(prompts) - {task["prompt"] for task in simulator.tasks()}
        assert _paid_twice(simulator) == []
        assert sum(statuses.values()) == REQUESTS
        assert len(simulator.requests("submit")) <= REQUESTS
        # Whoever has no task upstream was killed before the POST left. Where it cannot be asked,
        # nobody knows that, and a person decides; else it is known, and so is everything else.
        if lookup:
            assert {row["prompt"] for row in _rows(installation, "failed")} == unpaid
            assert len(_rows(installation, "failed", "not-there")) == len(unpaid)
            assert statuses.keys() <= {"succeeded", "failed"}
        else:
            assert unpaid <= {row["prompt"] for row in _rows(installation, "unconfirmed")}
            assert statuses.keys() <= {"succeeded", "unconfirmed"}
        print(f"{KILLS} kills: {statuses}, paid twice: 0, never sent: {len(unpaid)}")


def test_the_toy_under_the_same_kills_pays_twice(tmp_path: Path) -> None:
    """So that the test above is known to be able to fail."""
    database = str(tmp_path / "toy.db")
    toy.create(database, [f"a toy lighthouse {number}" for number in range(TOYS)])
    with Simulator(submit_seconds=POST_SECONDS, seconds=(0.3, 0.8)) as simulator:
        command = [sys.executable, "-m", "tests.toy", database, simulator.url, simulator.key]
        for kill in range(TOY_KILLS):
            with subprocess.Popen(command, cwd=ROOT) as process:
                _wait_for_new_posts(simulator)
                _wait_a_random_moment(kill)
                process.kill()
        assert _paid_twice(simulator)
        print(f"{TOY_KILLS} kills of the toy: paid twice for {len(_paid_twice(simulator))} of them")


def _rows(installation: Installation, status: str, why: str = "%") -> list[dict[str, Any]]:
    """Those that stand there, and came there for that reason."""
    return installation.rows(
        """SELECT DISTINCT prompt FROM generations_generation g JOIN generations_transition m
           ON m.generation_id = g.id AND m.to_status = g.status
           WHERE g.status = ? AND m.reason LIKE ?""",
        status, why,
    )  # fmt: skip


def _press_until_taken(visitor: Visitor, prompts: list[str]) -> None:
    """A person whose page does not answer presses again, with the same form."""
    for prompt in prompts:
        nonce = str(uuid4())

        def is_taken(prompt: str = prompt, nonce: str = nonce) -> bool:
            try:
                return visitor.make(prompt, nonce=nonce).ok
            except requests.ConnectionError:
                return False

        wait_until(is_taken, 60, f"the studio takes {prompt!r}")


def _wait_for_new_posts(simulator: Simulator) -> None:
    """So that each kill meets some under way."""
    posts = simulator.stats()["requests"].get("submit", 0)
    wait_until(
        lambda: simulator.stats()["requests"].get("submit", 0) > posts, 60, "new posts arrive"
    )


def _wait_a_random_moment(seed: int) -> None:
    """Not waiting for anything: where in its work a kill meets the worker is left to chance."""
    threading.Event().wait(random.Random(seed).uniform(0, 2 * POST_SECONDS))


def _paid_twice(simulator: Simulator) -> list[str]:
    """Prompts for which the upstream has more than one task; every prompt was asked for once."""
    counted = Counter(task["prompt"] for task in simulator.tasks())
    return [prompt for prompt, count in counted.items() if count > 1]
