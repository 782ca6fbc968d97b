"""Each scenario of the simulator does what its description says."""

import contextlib
import re
from typing import Any

import pytest
import requests  # noqa: TID251

from klingweb.simulator.engines.kling.errors import ERROR_CODES
from klingweb.simulator.scenarios import DESCRIPTIONS, SCENARIOS
from tests.simulator import Simulator, image_urls

Json = dict[str, Any]

SOON: Json = {"seconds_from": 0.05, "seconds_to": 0.05}


def submit(simulator: Simulator, prompt: str) -> None:
    """Submit and ignore the response or a connection error."""
    with contextlib.suppress(requests.RequestException):
        simulator.submit(prompt, timeout=0.5)


def applied_scenarios(simulator: Simulator) -> list[str]:
    """Return the scenario of each submit."""
    return [entry["scenario"] for entry in simulator.requests("submit")]


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_applies_by_prompt_and_by_control_call(simulator: Simulator, name: str) -> None:
    submit(simulator, f"a red door, Simulate: {name.replace('-', ' ').upper()}, at noon")
    simulator.scenario(name, answer_seconds=0)
    submit(simulator, "a red door")
    assert applied_scenarios(simulator) == [name, name]


def test_control_api_lists_all_scenarios(simulator: Simulator) -> None:
    assert list(simulator.scenarios().items()) == list(DESCRIPTIONS.items())


def test_unknown_scenario_in_a_prompt_is_ignored(simulator: Simulator) -> None:
    submit(simulator, "simulate: a storm, simulate: normality, simulate file-404")
    submit(simulator, "simulate:file-404")
    assert applied_scenarios(simulator) == ["normal", "file-404"]


def test_queued_scenario_applies_to_matching_prompts_the_given_number_of_times(
    simulator: Simulator,
) -> None:
    simulator.scenario("submit-5000", times=2, match="door")
    prompts = ["a window", "a door", "a window", "a door", "a door"]
    assert [simulator.submit(prompt).status_code for prompt in prompts] == [
        200,
        500,
        200,
        500,
        200,
    ]


def test_queued_scenario_without_a_number_applies_until_the_reset(simulator: Simulator) -> None:
    simulator.scenario("pack-empty", times=None)
    assert {simulator.submit().status_code for _ in range(5)} == {429}
    simulator.reset()
    assert simulator.submit().status_code == 200


def test_rate_limit_in_a_prompt_ends_after_three_refusals(simulator: Simulator) -> None:
    prompt = "a red door, simulate: too fast"
    assert [simulator.submit(prompt).status_code for _ in range(4)] == [429, 429, 429, 200]


@pytest.mark.parametrize("code", ERROR_CODES)
def test_error_code_refuses_a_submit(simulator: Simulator, code: int) -> None:
    simulator.scenario(f"submit-{code}")
    refused = simulator.submit()
    assert (refused.status_code, refused.json()["code"]) == (ERROR_CODES[code][0], code)
    assert "data" not in refused.json()
    assert len(simulator.tasks()) == (code == 5002)


@pytest.mark.parametrize("code", ERROR_CODES)
def test_error_code_replaces_two_query_responses(simulator: Simulator, code: int) -> None:
    task_id = simulator.create_task(f"query-{code}")
    statuses = [simulator.query(task_id).status_code for _ in range(3)]
    assert statuses == [ERROR_CODES[code][0]] * 2 + [200]


@pytest.mark.parametrize(
    ("name", "status", "word", "tasks"),
    [
        ("content-refused", 400, "1301", 0),
        ("bad-parameter", 400, "1201", 0),
        ("too-many", 429, "1303", 0),
        ("pack-empty", 429, "1102", 0),
        ("key-refused-openai", 401, "new_api_error", 0),
        ("key-used-up", 401, "额度已用尽", 0),
        ("quota-not-enough", 403, "quota_not_enough", 0),
        ("no-channel", 503, "model_not_found", 0),
        ("html-502", 502, "<html>", 0),
        ("html-524", 524, "<html>", 1),
        ("html-200", 200, "<html", 0),
        ("empty-429", 429, "", 0),
        ("empty-200", 200, "", 1),
        ("broken-json", 200, "task_id", 1),
        ("no-task-id", 200, '"data": {}', 1),
        ("ok-1303", 200, "1303", 0),
        ("wrapped-1303", 429, "fail_to_fetch_task", 0),
        ("saturated", 429, "饱和", 0),
    ],
)
def test_submit_response_is_replaced(
    simulator: Simulator, name: str, status: int, word: str, tasks: int
) -> None:
    simulator.scenario(name)
    response = simulator.submit()
    assert response.status_code == status
    assert word in response.content.decode()
    assert bool(response.content) == bool(word)
    assert len(simulator.tasks()) == tasks


@pytest.mark.parametrize(
    ("name", "tasks"), [("cut-after-accept", 1), ("cut-before-accept", 0), ("half-answer", 1)]
)
def test_cut_connection_creates_a_task_in_some_scenarios(
    simulator: Simulator, name: str, tasks: int
) -> None:
    simulator.scenario(name)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        simulator.submit()
    assert len(simulator.tasks()) == tasks


def test_accepted_parameter_creates_a_task_despite_an_error(simulator: Simulator) -> None:
    simulator.scenario("html-502", accepted=1)
    assert simulator.submit().status_code == 502
    assert len(simulator.tasks()) == 1


def test_task_ends_before_a_late_submit_response(simulator: Simulator) -> None:
    simulator.scenario("answer-late", answer_seconds=60)
    with pytest.raises(requests.ReadTimeout):
        simulator.submit(timeout=0.3)
    assert (
        simulator.query_when_ended(simulator.tasks()[0]["task_id"])["data"]["task_status"]
        == "succeed"
    )


def test_failed_task_has_code_zero(simulator: Simulator) -> None:
    body = simulator.query_when_ended(simulator.create_task("failed-pixel", **SOON))
    assert (body["code"], body["message"]) == (0, "SUCCEED")
    assert body["data"]["task_status"] == "failed"
    assert body["data"]["task_status_msg"] == "Image pixel is invalid"
    assert body["data"]["task_result"] == {}


def test_status_goes_back_to_processing_twice(simulator: Simulator) -> None:
    task_id = simulator.create_task("status-regression")
    simulator.wait_for("succeed")
    statuses = [simulator.query(task_id).json()["data"]["task_status"] for _ in range(4)]
    assert statuses == ["succeed", "processing", "processing", "succeed"]


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("normal", r"[\w-]{22}"),
        ("id-base64url", r"-[\w-]{20}_"),
        ("id-digits", r"\d{18}"),
        ("id-kling", r"kling_[0-9a-f]{32}"),
        ("id-task", r"task_[\w-]{32}"),
        ("id-long", r".{191}"),
        ("id-unsafe", r".+/.+"),
    ],
)
def test_task_id_of_every_form_finds_task_and_file(
    simulator: Simulator, name: str, pattern: str
) -> None:
    task_id = simulator.create_task(name)
    assert re.fullmatch(pattern, task_id)
    assert (
        requests.get(image_urls(simulator.query_when_ended(task_id))[0], timeout=10).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("name", "first", "later"),
    [
        ("query-500-twice", (500, "<html>"), 200),
        ("query-lying-not-found", (200, "task not found"), 200),
        ("query-200-html", (200, "<html"), 200),
        ("query-no-status", (200, '"data": {}'), 200),
        ("query-wrapped-1303", (429, "fail_to_fetch_task"), 200),
        ("query-never-exists", (400, "task_not_exist"), 400),
    ],
)
def test_two_query_responses_are_replaced(
    simulator: Simulator, name: str, first: tuple[int, str], later: int
) -> None:
    task_id = simulator.create_task(name)
    responses = [simulator.query(task_id) for _ in range(3)]
    for replaced in responses[:2]:
        assert replaced.status_code == first[0]
        assert first[1] in replaced.text
    assert responses[2].status_code == later
    assert (task_id in responses[2].text) == (later == 200)


def test_task_is_not_found_for_a_time(simulator: Simulator) -> None:
    task_id = simulator.create_task("query-not-exist-10s", for_seconds=60)
    assert simulator.query(task_id).json()["code"] == "task_not_exist"
    task_id = simulator.create_task("query-not-exist-10s", for_seconds=0)
    assert simulator.query(task_id).json()["code"] == 0


def test_query_response_has_retry_after(simulator: Simulator) -> None:
    task_id = simulator.create_task("query-429-retry-after", retry_after=7, polls=1)
    response = simulator.query(task_id)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "7")
    assert simulator.query(task_id).status_code == 200


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("normal", "data.task_status", "succeed"),
        ("spelling-crazy", "data.status", "succeeded"),
        ("spelling-anyf", "data.status", "SUCCESS"),
        ("spelling-anyf", "data.data.data.task_status", "succeed"),
        ("spelling-upper", "data.task_status", "SUCCEEDED"),
        ("spelling-completed", "data.task_status", "completed"),
        ("spelling-empty", "data.task_status", "succeed"),
        ("code-text-zero", "code", "0"),
        ("code-success", "code", "success"),
        ("code-null", "code", None),
        ("outer-behind", "data.status", "IN_PROGRESS"),
        ("gateway-gave-up", "data.data.data.task_status", "processing"),
        ("gateway-gave-up", "data.status", "FAILURE"),
        ("failed-crazy", "data.error.code", "task_failed"),
        ("failed-anyf", "data.fail_reason", "content moderation failed"),
    ],
)
def test_final_status_of_each_format(
    simulator: Simulator, name: str, path: str, expected: str | None
) -> None:
    value: Any = simulator.query_when_ended(simulator.create_task(name, **SOON))
    for step in path.split("."):
        value = value[step]
    assert value == expected


def test_flat_format_has_no_envelope_on_submit(simulator: Simulator) -> None:
    simulator.scenario("spelling-crazy")
    body = simulator.submit().json()
    assert (body["id"], body["status"], "data" in body) == (body["task_id"], "", False)


def test_times_can_be_in_seconds_or_missing(simulator: Simulator) -> None:
    in_seconds = simulator.query_when_ended(simulator.create_task("seconds"))["data"]["created_at"]
    assert in_seconds < 10**10
    bare = simulator.query_when_ended(simulator.create_task("bare"))
    assert "request_id" not in bare
    assert "created_at" not in bare["data"]


def test_fail_reason_of_a_success_can_be_a_url(simulator: Simulator) -> None:
    data = simulator.query_when_ended(simulator.create_task("fail-reason-url"))["data"]
    assert data["status"] == "SUCCESS"
    assert data["fail_reason"].startswith("http://")


@pytest.mark.parametrize(
    ("name", "indexes"),
    [
        ("image-shuffled", [2, 1, 0]),
        ("image-fewer", [0, 1]),
        ("image-duplicate", [0, 1, 2, 3]),
        ("image-none", []),
        ("image-ids", [None, None, None]),
        ("image-odd-scheme", [0, 1, 2]),
    ],
)
def test_image_list_is_changed(simulator: Simulator, name: str, indexes: list[int | None]) -> None:
    body = simulator.query_when_ended(simulator.create_task(name, n=3))
    images = body["data"]["task_result"]["images"]
    assert [image.get("index") for image in images] == indexes
    assert (len(set(image_urls(body))) < len(images)) == (name == "image-duplicate")
    assert any(not url.startswith("http") for url in image_urls(body)) == (
        name == "image-odd-scheme"
    )


def test_first_successful_responses_have_no_images(simulator: Simulator) -> None:
    task_id = simulator.create_task("image-none-at-first")
    simulator.wait_for("succeed")
    assert [len(image_urls(simulator.query(task_id).json())) for _ in range(3)] == [0, 0, 1]
