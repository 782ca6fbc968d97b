"""Everything at once: a lying upstream, and a worker that is killed in the middle of it."""

import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.installation import Installation, wait_until
from tests.simulator import Simulator

GENERATIONS = 500
KILLS = 8
UNDER_WAY_SECONDS = (
    1.5  # what left before the answer was read arrives by then, on a busy machine too
)

# Each family has the same chance; within it each way does.
FAMILIES: dict[str, list[str]] = {
    "good": ["normal", "id-base64url", "id-unsafe", "status-regression", "file-octets"],
    "busy": ["too-many", "too-fast", "no-channel", "empty-429", "ok-1303", "submit-5001"],
    "silence": ["too-fast-retry-after", "query-429-retry-after", *["normal"] * 8],
    "refused": ["content-refused", "bad-parameter", "submit-1200", "wrapped-1301"],
    "cut": ["cut-after-accept", "cut-before-accept", "half-answer", "answer-late"],
    "gateway": ["html-502", "html-200", "html-524", "empty-200", "no-task-id", "submit-5002"],
    "query": ["query-500-twice", "query-502-html", "query-empty", "query-cut", "query-1303"],
    "lies": ["query-lying-not-found", "query-not-exist-10s", "query-no-status", "outer-behind"],
    "failed": ["failed-pixel", "failed-moderation", "failed-no-reason", "gateway-gave-up"],
    "files": ["file-403-once", "file-500-twice", "file-cut-once", "file-one-404", "file-html",
              "file-redirect-private", "file-truncated", "image-shuffled"],
}  # fmt: skip
# The gateway gives up on a task that goes on: what it says counts.
NO_FILE = {"file-html", "file-redirect-private", "file-truncated", "gateway-gave-up"}


def test_a_random_mix_of_faults_and_kills_loses_nothing_and_pays_once(tmp_path: Path) -> None:
    rng = random.Random(11)
    prompts = []
    for number in range(GENERATIONS):
        scenario = rng.choice(FAMILIES[rng.choice(list(FAMILIES))])
        prompts.append(f"a mixed lighthouse {number}, simulate: {scenario}")
    killed_at: list[float] = []
    with (
        Simulator(seconds=(0.3, 1.5), submit_seconds=0.05) as simulator,
        Installation(
            tmp_path, upstream_url=simulator.url, poll_seconds="0.3,1,1,1", concurrency_limit=0,
            concurrency_grow_seconds=0.2, hold_retry_seconds=1, submit_deadline_seconds=1.5,
            busy_retry_seconds=0.1, fetch_retry_seconds="0.2,0.5,1",
        ).prepare() as installation,
    ):  # fmt: skip
        visitor = installation.open()
        person = threading.Thread(target=lambda: [visitor.make(prompt, n=2) for prompt in prompts])
        person.start()
        for kill in range(KILLS):
            _wait_for_polls(simulator, 60)
            threading.Event().wait(random.Random(kill).uniform(0, 1))  # where it meets it
            killed_at.append(time.time())
            installation.kill("worker")
            installation.start("worker")
        person.join()
        wait_until(installation.is_idle, 240, f"all are at rest: {installation.statuses()}")
        print(f"{GENERATIONS} generations, {KILLS} kills: {installation.statuses()}")
        rows = installation.rows(
            "SELECT g.*, (SELECT count(*) FROM generations_picture p WHERE p.generation_id = g.id"
            " AND p.state = 'stored') AS stored FROM generations_generation g"
        )
        _nobody_paid_twice(simulator)
        _nothing_is_lost(simulator, rows)
        _no_polls_after_the_end(simulator, installation, rows)
        _silence_was_kept(simulator, rows, killed_at)
        assert not any(asked["authorization"] for asked in simulator.requests("file"))


def _wait_for_polls(simulator: Simulator, more: int) -> None:
    """So that each kill meets it at work."""
    before = simulator.stats()["requests"].get("query", 0)
    wait_until(
        lambda: simulator.stats()["requests"].get("query", 0) >= before + more, 60, "it polls"
    )


def _nobody_paid_twice(simulator: Simulator) -> None:
    counted = Counter(task["prompt"] for task in simulator.tasks())
    assert [prompt for prompt, count in counted.items() if count > 1] == []


def _nothing_is_lost(simulator: Simulator, rows: list[dict[str, Any]]) -> None:
    """Each wish has its row, each row an end, and each picture that could be had is here."""
    assert len(rows) == GENERATIONS
    assert {row["status"] for row in rows} <= {"succeeded", "failed", "unconfirmed"}
    by_prompt = {row["prompt"]: row for row in rows}
    made = [task for task in simulator.tasks() if task["state"] == "succeed"]
    assert len(made) > GENERATIONS / 3
    for task in made:
        row = by_prompt[task["prompt"]]
        scenario = row["prompt"].rpartition(" ")[2]
        if row["status"] == "unconfirmed":
            continue  # nobody could know its id, and it says so
        expected = 0 if scenario in NO_FILE else 1 if scenario == "file-one-404" else 2
        assert row["stored"] == expected, row


def _no_polls_after_the_end(
    simulator: Simulator, installation: Installation, rows: list[dict[str, Any]]
) -> None:
    moves = installation.rows(
        "SELECT g.upstream_task_id AS id, strftime('%s', m.at) AS at FROM generations_transition m"
        " JOIN generations_generation g ON g.id = m.generation_id"
        " WHERE m.to_status IN ('succeeded', 'failed')"
    )
    ended = {move["id"]: float(move["at"]) + 1 for move in moves if move["id"]}
    assert ended
    late = [
        asked
        for asked in simulator.requests("query")
        if asked["wall"] > ended.get(asked["task_id"], asked["wall"]) + UNDER_WAY_SECONDS
    ]
    assert late == []


def _silence_was_kept(
    simulator: Simulator, rows: list[dict[str, Any]], killed_at: list[float]
) -> None:
    """After a told Retry-After nothing with the key arrives before it has passed.

    What had left by then is let be, and what was told to a worker that was killed just then.
    """
    named = {row["upstream_task_id"]: row["prompt"] for row in rows if row["upstream_task_id"]}
    with_key = [asked for asked in simulator.requests() if asked["authorization"]]
    told = []
    for asked in with_key:
        prompt = asked["prompt"] or named.get(asked["task_id"] or "", "")
        if asked["status"] == 429 and prompt.endswith("retry-after"):
            told.append(asked["wall"])
    assert told, "nobody was told to be silent"
    for at in told:
        if any(at - 0.5 < kill < at + UNDER_WAY_SECONDS for kill in killed_at):
            continue
        silent = (at + UNDER_WAY_SECONDS, at + 3 - 0.1)
        assert not [asked for asked in with_key if silent[0] < asked["wall"] < silent[1]]
