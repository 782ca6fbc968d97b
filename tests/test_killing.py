"""Whoever is killed, whenever: nothing is sent twice, nothing is lost."""

import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from uuid import uuid4

import requests  # noqa: TID251

from tests import toy
from tests.house import ROOT, House, Visitor, wait_until
from tests.simulator import Simulator

REQUESTS = 100
KILLS = 15
POST_SECONDS = 0.4  # the task exists halfway through it


def test_killed_worker_and_web_send_nothing_twice_and_lose_nothing(tmp_path: Path) -> None:
    prompts = [f"a numbered lighthouse {number}" for number in range(REQUESTS)]
    with (
        Simulator(submit_seconds=POST_SECONDS, seconds=(0.3, 0.8)) as simulator,
        House(
            tmp_path, upstream_url=simulator.url, poll_seconds="0.3,1,1,1", upstream_units=0,
            submit_threads=4, hold_retry_seconds=1,
        ).prepare() as house,
    ):  # fmt: skip
        house.start("web")
        house.start("worker")
        house.wait_for_web()
        person = threading.Thread(target=_press_until_taken, args=(house.sign_in(), prompts))
        person.start()
        for kill in range(KILLS):
            _wait_for_new_posts(simulator)
            _wait_a_random_moment(kill)
            house.kill("worker")
            if kill % 5 == 4:
                house.kill("web")
                house.start("web")
            house.start("worker")
        person.join()
        wait_until(house.is_at_rest, 240, "every row is final or unconfirmed")

        statuses = house.statuses()
        assert _paid_twice(simulator) == []
        assert sum(statuses.values()) == REQUESTS
        assert set(statuses) <= {"succeeded", "unconfirmed"}
        # Whoever has no task upstream was killed before the POST left, and waits for a person.
        unpaid = set(prompts) - {task["prompt"] for task in simulator.tasks()}
        parked = house.rows("SELECT prompt FROM generations_generation WHERE status='unconfirmed'")
        assert unpaid <= {row["prompt"] for row in parked}
        print(f"{KILLS} kills: {statuses}, paid twice: 0, never sent: {len(unpaid)}")


def test_the_toy_under_the_same_kills_pays_twice(tmp_path: Path) -> None:
    """So that the test above is known to be able to fail."""
    database = str(tmp_path / "toy.db")
    toy.create(database, [f"a toy lighthouse {number}" for number in range(REQUESTS)])
    with Simulator(submit_seconds=POST_SECONDS, seconds=(0.3, 0.8)) as simulator:
        command = [sys.executable, "-m", "tests.toy", database, simulator.url, simulator.key]
        for kill in range(KILLS):
            with subprocess.Popen(command, cwd=ROOT) as process:
                _wait_for_new_posts(simulator)
                _wait_a_random_moment(kill)
                process.kill()
        assert _paid_twice(simulator)
        print(f"{KILLS} kills of the toy: paid twice for {len(_paid_twice(simulator))} of them")


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
