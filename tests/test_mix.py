"""A random mix of upstream faults and worker kills."""

import random
import threading
import time
from pathlib import Path
from typing import Any

from tests.bench import mix
from tests.bench.fair_site import Sites
from tests.installation import Installation, wait_until
from tests.mix import IN_TRANSIT_SECONDS, charged_twice, lost, sent_in_silence
from tests.simulator import Simulator

GENERATIONS = 400
KILLS = 5

# Families have equal probability, and so do the scenarios of a family.
FAMILIES: dict[str, list[str]] = {
    "good": ["normal", "id-base64url", "id-unsafe", "status-regression", "file-octets"],
    "busy": ["too-many", "too-fast", "no-channel", "empty-429", "ok-1303", "submit-5001"],
    "silence": ["too-fast-retry-after", "query-429-retry-after", *["normal"] * 8],
    "refused": ["content-refused", "bad-parameter", "submit-1200", "wrapped-1301"],
    "cut": ["cut-after-accept", "cut-before-accept", "half-answer", "answer-late"],
    "gateway": ["html-502", "html-200", "html-524", "empty-200", "no-task-id", "submit-5002"],
    "query": ["query-500-twice", "query-502-html", "query-empty", "query-cut", "query-1303"],
    "wrong": ["query-lying-not-found", "query-not-exist-10s", "query-no-status", "outer-behind"],
    "failed": ["failed-pixel", "failed-moderation", "failed-no-reason", "gateway-gave-up"],
    "files": ["file-403-once", "file-500-twice", "file-cut-once", "file-one-404", "file-html",
              "file-redirect-private", "file-truncated", "image-shuffled"],
}  # fmt: skip
# "gateway-gave-up": the gateway reports a failure while the task continues. Its report counts.
NO_FILE = {"file-html", "file-redirect-private", "file-truncated", "gateway-gave-up"}


def test_random_faults_and_kills_lose_nothing_and_charge_nothing_twice(tmp_path: Path) -> None:
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
        person = threading.Thread(
            target=lambda: [visitor.generate(prompt, n=2) for prompt in prompts]
        )
        person.start()
        for kill in range(KILLS):
            _wait_for_polls(simulator, 60)
            threading.Event().wait(random.Random(kill).uniform(0, 1))
            killed_at.append(time.time())
            installation.kill("worker")
            installation.start("worker")
        person.join()
        wait_until(
            installation.is_idle, 240, f"the installation is idle: {installation.statuses()}"
        )
        print(f"{GENERATIONS} generations, {KILLS} kills: {installation.statuses()}")
        rows = installation.rows(
            "SELECT g.*, (SELECT count(*) FROM generations_picture p WHERE p.generation_id = g.id"
            " AND p.state = 'stored') AS stored FROM generations_generation g"
        )
        assert charged_twice(simulator) == []
        _check_results(simulator, rows)
        _check_polls_after_the_end(simulator, installation, rows)
        demands, too_early = sent_in_silence(simulator, rows, killed_at)
        assert demands, "no Retry-After was sent"
        assert too_early == []
        assert not any(request["authorization"] for request in simulator.requests("file"))


def test_small_mix_of_four_people_ends_with_every_request_final_or_unconfirmed(
    tmp_path: Path,
) -> None:
    """The benchmark `mix` with fewer requests, more faults and shorter waits."""
    sites = Sites(
        tmp_path,
        {
            "poll_seconds": "0.3,1,1,1", "hold_retry_seconds": 1, "submit_deadline_seconds": 2,
            "busy_retry_seconds": 0.1, "fetch_retry_seconds": "0.2,0.5,1",
        },
        members=mix.PEOPLE,
        upstream_seconds=(0.3, 1.0),
    )  # fmt: skip
    faults = [fault for fault in mix.FAULTS if fault != "query-silent"]  # 30 s, not settable
    prompts = mix.prompts(40, probability=0.6, faults=faults)
    with sites.open() as site:
        outcome = mix.run(site, prompts, seconds_between_kills=6, deadline_seconds=120)
    assert outcome.statuses.keys() == {"succeeded", "unconfirmed"}
    assert outcome.silences, "no Retry-After was sent"
    assert (outcome.charged_twice, outcome.lost, outcome.too_early) == ([], [], [])
    assert outcome.kills


def test_checks_of_a_mix_find_what_they_look_for() -> None:
    with Simulator(seconds=(0, 0)) as simulator:
        for _ in range(2):
            simulator.submit("twice")
        simulator.submit("given up")
        simulator.submit("silence, simulate: too-fast-retry-after")
        time.sleep(IN_TRANSIT_SECONDS + 0.2)
        simulator.submit("too early")
        simulator.wait_for("succeed")
        rows = [
            {"prompt": prompt, "status": status, "upstream_task_id": ""}
            for prompt, status in (
                ("twice", "succeeded"), ("given up", "failed"), ("too early", "unconfirmed")
            )
        ]  # fmt: skip
        assert charged_twice(simulator) == ["twice"]
        assert lost(simulator, rows) == ["given up"]
        silences, too_early = sent_in_silence(simulator, rows, killed_at=[])
        assert (silences, [request["prompt"] for request in too_early]) == (1, ["too early"])
        killed_at = [too_early[0]["wall"] - IN_TRANSIT_SECONDS]
        assert sent_in_silence(simulator, rows, killed_at) == (1, [])


def _wait_for_polls(simulator: Simulator, more: int) -> None:
    """Wait for polls, so that each kill interrupts some."""
    before = simulator.stats()["requests"].get("query", 0)
    wait_until(
        lambda: simulator.stats()["requests"].get("query", 0) >= before + more, 60, "it polls"
    )


def _check_results(simulator: Simulator, rows: list[dict[str, Any]]) -> None:
    """Every request has a row with an end, and every available picture is stored."""
    assert len(rows) == GENERATIONS
    assert {row["status"] for row in rows} <= {"succeeded", "failed", "unconfirmed"}
    by_prompt = {row["prompt"]: row for row in rows}
    finished = [task for task in simulator.tasks() if task["state"] == "succeed"]
    assert len(finished) > GENERATIONS / 3
    for task in finished:
        row = by_prompt[task["prompt"]]
        scenario = row["prompt"].rpartition(" ")[2]
        if row["status"] == "unconfirmed":
            continue  # its task id is unknown
        expected = 0 if scenario in NO_FILE else 1 if scenario == "file-one-404" else 2
        assert row["stored"] == expected, row


def _check_polls_after_the_end(
    simulator: Simulator, installation: Installation, rows: list[dict[str, Any]]
) -> None:
    transitions = installation.rows(
        "SELECT g.upstream_task_id AS id, strftime('%s', t.at) AS at FROM generations_transition t"
        " JOIN generations_generation g ON g.id = t.generation_id"
        " WHERE t.to_status IN ('succeeded', 'failed')"
    )
    ended = {each["id"]: float(each["at"]) + 1 for each in transitions if each["id"]}
    assert ended
    late = [
        request
        for request in simulator.requests("query")
        if request["wall"] > ended.get(request["task_id"], request["wall"]) + IN_TRANSIT_SECONDS
    ]
    assert late == []
