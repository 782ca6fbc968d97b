"""How a task lives and ends, and what it is called (scenarios 1 to 4, 24 and 25)."""

from klingweb.simulator import ids
from klingweb.simulator.scenarios.scenario import Scenario

_SOON = {"seconds_from": 2.0, "seconds_to": 2.0}

LIVES: dict[str, Scenario] = {
    "normal": Scenario(says="Submitted, processing, then n pictures."),
    "slow-tail": Scenario(
        says="Takes 3 to 12 minutes.", params={"seconds_from": 180.0, "seconds_to": 720.0}
    ),
    "never-ends": Scenario(says="Is processing for ever.", ends=False),
    "failed-pixel": Scenario(
        says="Is accepted and fails after 2 s with “Image pixel is invalid”.",
        fails_with="Image pixel is invalid",
        params=_SOON,
    ),
    "failed-moderation": Scenario(
        says="Is accepted and fails after 2 s with “content moderation failed”.",
        fails_with="content moderation failed",
        params=_SOON,
    ),
    "failed-no-reason": Scenario(
        says="Is accepted and fails after 2 s without a word.", fails_with="", params=_SOON
    ),
    "status-regression": Scenario(
        says="Says it succeeded, then twice that it is processing, then succeeded again.",
        params={"regressions": 2},
    ),
    "id-base64url": Scenario(
        says="The task id is base64url with “-” in front and “_” at the end.",
        task_id=ids.awkward_base64url,
    ),
    "id-digits": Scenario(says="The task id is a number of 18 digits.", task_id=ids.digits),
    "id-kling": Scenario(says="The task id is “kling_” and hex digits.", task_id=ids.kling_hex),
    "id-task": Scenario(says="The task id is “task_” and letters.", task_id=ids.task_word),
    "id-long": Scenario(says="The task id has 191 characters.", task_id=ids.longest),
    "id-unsafe": Scenario(
        says="The task id has characters that mean something in a path.", task_id=ids.unsafe
    ),
}
