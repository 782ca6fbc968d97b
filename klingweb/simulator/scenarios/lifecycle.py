"""Task duration, outcome and id (scenarios 1 to 4, 24, 25 of docs/upstream.md, section 6.7)."""

from klingweb.simulator.engines.kling import task_ids
from klingweb.simulator.scenarios.scenario import Scenario

TWO_SECONDS = {"seconds_from": 2.0, "seconds_to": 2.0}

LIFECYCLE: dict[str, Scenario] = {
    "normal": Scenario(description="Submitted, processing, then n images"),
    "slow-tail": Scenario(
        description="Takes 3 to 12 minutes", params={"seconds_from": 180.0, "seconds_to": 720.0}
    ),
    "never-ends": Scenario(description="Stays in processing forever", ends=False),
    "failed-pixel": Scenario(
        description="Accepted, then fails after 2 s with “Image pixel is invalid”",
        fails_with="Image pixel is invalid",
        params=TWO_SECONDS,
    ),
    "failed-moderation": Scenario(
        description="Accepted, then fails after 2 s with “content moderation failed”",
        fails_with="content moderation failed",
        params=TWO_SECONDS,
    ),
    "failed-no-reason": Scenario(
        description="Accepted, then fails after 2 s without a reason",
        fails_with="",
        params=TWO_SECONDS,
    ),
    "status-regression": Scenario(
        description="Succeeded, then twice processing, then succeeded again",
        params={"regressions": 2},
    ),
    "id-base64url": Scenario(
        description="The task id is base64url that starts with “-” and ends with “_”",
        task_id=task_ids.base64url_with_edge_punctuation,
    ),
    "id-digits": Scenario(
        description="The task id is a number of 18 digits", task_id=task_ids.digits
    ),
    "id-kling": Scenario(
        description="The task id is “kling_” and hex digits", task_id=task_ids.kling_prefix
    ),
    "id-task": Scenario(
        description="The task id is “task_” and base64url", task_id=task_ids.task_prefix
    ),
    "id-long": Scenario(description="The task id has 191 characters", task_id=task_ids.max_length),
    "id-unsafe": Scenario(
        description="The task id contains reserved URL characters",
        task_id=task_ids.unsafe_in_path,
    ),
}
