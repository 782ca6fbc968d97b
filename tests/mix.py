"""Checks of a mix of faults and kills: what was charged twice, lost, or sent too early."""

from collections import Counter
from typing import Any

from tests.simulator import Simulator

# Requests sent before a response was read arrive within this time, also on a busy machine.
IN_TRANSIT_SECONDS = 1.5
SILENCE_SECONDS = 3  # the Retry-After of the simulator's scenarios
OPEN = {"queued", "submitting", "running", "fetching", "unconfirmed"}


def charged_twice(simulator: Simulator) -> list[str]:
    """Return the prompts with more than one upstream task; each was requested once."""
    counted = Counter(task["prompt"] for task in simulator.tasks())
    return [prompt for prompt, count in counted.items() if count > 1]


def lost(simulator: Simulator, rows: list[dict[str, Any]]) -> list[str]:
    """Return the prompts of finished tasks whose row is neither succeeded nor open."""
    statuses = {row["prompt"]: row["status"] for row in rows}
    return [
        task["prompt"]
        for task in simulator.tasks()
        if task["state"] == "succeed" and statuses.get(task["prompt"]) not in {"succeeded", *OPEN}
    ]


def sent_in_silence(
    simulator: Simulator, rows: list[dict[str, Any]], killed_at: list[float]
) -> tuple[int, list[dict[str, Any]]]:
    """Return the number of Retry-After responses, and the requests that did not honour one.

    Exceptions: requests in transit, and a worker that was killed when the response arrived.
    """
    named = {row["upstream_task_id"]: row["prompt"] for row in rows if row["upstream_task_id"]}
    with_key = [request for request in simulator.requests() if request["authorization"]]
    demanded_at = [
        request["wall"]
        for request in with_key
        if request["status"] == 429
        and (request["prompt"] or named.get(request["task_id"], "")).endswith("retry-after")
    ]
    too_early = {
        request["index"]: request
        for at in demanded_at
        if not any(at - 0.5 < kill < at + IN_TRANSIT_SECONDS for kill in killed_at)
        for request in with_key
        if at + IN_TRANSIT_SECONDS < request["wall"] < at + SILENCE_SECONDS - 0.1
    }
    return len(demanded_at), list(too_early.values())
