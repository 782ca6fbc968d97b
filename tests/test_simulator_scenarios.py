"""Each scenario of the simulator does what its sentence says."""

import contextlib
import re
from typing import Any

import pytest
import requests  # noqa: TID251

from klingweb.simulator.engines.kling.errors import ERROR_CODES
from klingweb.simulator.scenarios import DESCRIPTIONS, SCENARIOS
from tests.simulator import Simulator, urls

Json = dict[str, Any]

SOON: Json = {"seconds_from": 0.05, "seconds_to": 0.05}


def meet(simulator: Simulator, prompt: str) -> None:
    """Submit, whatever is told."""
    with contextlib.suppress(requests.RequestException):
        simulator.submit(prompt, timeout=0.5)


def met(simulator: Simulator) -> list[str]:
    """The scenarios the submits met."""
    return [entry["scenario"] for entry in simulator.requests("submit")]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_reached_by_words_and_by_a_control_call(
    simulator: Simulator, name: str
) -> None:
    meet(simulator, f"a red door, Simulate: {name.replace('-', ' ').upper()}, at noon")
    simulator.scenario(name, answer_seconds=0)
    meet(simulator, "a red door")
    assert met(simulator) == [name, name]


def test_the_scenarios_are_told(simulator: Simulator) -> None:
    assert list(simulator.scenarios().items()) == list(DESCRIPTIONS.items())


def test_words_that_name_nothing_are_just_a_prompt(simulator: Simulator) -> None:
    meet(simulator, "simulate: a storm, simulate: normality, simulate file-404")
    meet(simulator, "simulate:file-404")
    assert met(simulator) == ["normal", "file-404"]


def test_an_ordered_scenario_is_met_as_often_as_it_says_and_where_it_matches(
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


def test_without_a_number_it_is_met_until_the_reset(simulator: Simulator) -> None:
    simulator.scenario("pack-empty", times=None)
    assert {simulator.submit().status_code for _ in range(5)} == {429}
    simulator.reset()
    assert simulator.submit().status_code == 200


def test_a_burst_named_in_a_prompt_passes(simulator: Simulator) -> None:
    prompt = "a red door, simulate: too fast"
    assert [simulator.submit(prompt).status_code for _ in range(4)] == [429, 429, 429, 200]


@pytest.mark.parametrize("code", ERROR_CODES)
def test_every_official_code_can_refuse_a_submit(simulator: Simulator, code: int) -> None:
    simulator.scenario(f"submit-{code}")
    refused = simulator.submit()
    assert (refused.status_code, refused.json()["code"]) == (ERROR_CODES[code][0], code)
    assert "data" not in refused.json()
    assert len(simulator.tasks()) == (code == 5002)


@pytest.mark.parametrize("code", ERROR_CODES)
def test_every_official_code_can_disturb_a_query(simulator: Simulator, code: int) -> None:
    task_id = simulator.make(f"query-{code}")
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
def test_a_submit_is_told_something_else(
    simulator: Simulator, name: str, status: int, word: str, tasks: int
) -> None:
    simulator.scenario(name)
    told = simulator.submit()
    assert told.status_code == status
    assert word in told.content.decode()
    assert bool(told.content) == bool(word)
    assert len(simulator.tasks()) == tasks


@pytest.mark.parametrize(
    ("name", "tasks"), [("cut-after-accept", 1), ("cut-before-accept", 0), ("half-answer", 1)]
)
def test_a_cut_line_leaves_a_task_behind_or_not(
    simulator: Simulator, name: str, tasks: int
) -> None:
    simulator.scenario(name)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        simulator.submit()
    assert len(simulator.tasks()) == tasks


def test_whether_a_hidden_task_exists_can_be_ordered(simulator: Simulator) -> None:
    simulator.scenario("html-502", accepted=1)
    assert simulator.submit().status_code == 502
    assert len(simulator.tasks()) == 1


def test_a_late_answer_has_a_task_long_before(simulator: Simulator) -> None:
    simulator.scenario("answer-late", answer_seconds=60)
    with pytest.raises(requests.ReadTimeout):
        simulator.submit(timeout=0.3)
    assert simulator.ended(simulator.tasks()[0]["task_id"])["data"]["task_status"] == "succeed"


def test_a_failed_task_is_told_with_code_zero(simulator: Simulator) -> None:
    told = simulator.ended(simulator.make("failed-pixel", **SOON))
    assert (told["code"], told["message"]) == (0, "SUCCEED")
    assert told["data"]["task_status"] == "failed"
    assert told["data"]["task_status_msg"] == "Image pixel is invalid"
    assert told["data"]["task_result"] == {}


def test_a_success_is_taken_back_and_comes_again(simulator: Simulator) -> None:
    task_id = simulator.make("status-regression")
    simulator.wait_for("succeed")
    told = [simulator.query(task_id).json()["data"]["task_status"] for _ in range(4)]
    assert told == ["succeed", "processing", "processing", "succeed"]


@pytest.mark.parametrize(
    ("name", "form"),
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
def test_ids_of_every_form_lead_to_the_task_and_its_files(
    simulator: Simulator, name: str, form: str
) -> None:
    task_id = simulator.make(name)
    assert re.fullmatch(form, task_id)
    assert requests.get(urls(simulator.ended(task_id))[0], timeout=10).status_code == 200


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
def test_two_queries_are_told_something_else(
    simulator: Simulator, name: str, first: tuple[int, str], later: int
) -> None:
    task_id = simulator.make(name)
    told = [simulator.query(task_id) for _ in range(3)]
    for disturbed in told[:2]:
        assert disturbed.status_code == first[0]
        assert first[1] in disturbed.text
    assert told[2].status_code == later
    assert (task_id in told[2].text) == (later == 200)


def test_a_task_is_denied_for_a_time(simulator: Simulator) -> None:
    task_id = simulator.make("query-not-exist-10s", for_seconds=60)
    assert simulator.query(task_id).json()["code"] == "task_not_exist"
    task_id = simulator.make("query-not-exist-10s", for_seconds=0)
    assert simulator.query(task_id).json()["code"] == 0


def test_a_wait_is_asked_for(simulator: Simulator) -> None:
    task_id = simulator.make("query-429-retry-after", retry_after=7, polls=1)
    told = simulator.query(task_id)
    assert (told.status_code, told.headers["Retry-After"]) == (429, "7")
    assert simulator.query(task_id).status_code == 200


@pytest.mark.parametrize(
    ("name", "path", "value"),
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
def test_an_end_is_spelled_in_many_ways(
    simulator: Simulator, name: str, path: str, value: str | None
) -> None:
    found: Any = simulator.ended(simulator.make(name, **SOON))
    for step in path.split("."):
        found = found[step]
    assert found == value


def test_a_submit_is_spelled_without_envelope(simulator: Simulator) -> None:
    simulator.scenario("spelling-crazy")
    told = simulator.submit().json()
    assert (told["id"], told["status"], "data" in told) == (told["task_id"], "", False)


def test_times_are_seconds_or_missing(simulator: Simulator) -> None:
    in_seconds = simulator.ended(simulator.make("seconds"))["data"]["created_at"]
    assert in_seconds < 10**10
    bare = simulator.ended(simulator.make("bare"))
    assert "request_id" not in bare
    assert "created_at" not in bare["data"]


def test_a_reason_can_be_the_url_of_a_success(simulator: Simulator) -> None:
    data = simulator.ended(simulator.make("fail-reason-url"))["data"]
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
def test_pictures_are_listed_oddly(
    simulator: Simulator, name: str, indexes: list[int | None]
) -> None:
    answer = simulator.ended(simulator.make(name, n=3))
    images = answer["data"]["task_result"]["images"]
    assert [image.get("index") for image in images] == indexes
    assert (len(set(urls(answer))) < len(images)) == (name == "image-duplicate")
    assert any(not url.startswith("http") for url in urls(answer)) == (name == "image-odd-scheme")


def test_pictures_can_come_after_the_success(simulator: Simulator) -> None:
    task_id = simulator.make("image-none-at-first")
    simulator.wait_for("succeed")
    assert [len(urls(simulator.query(task_id).json())) for _ in range(3)] == [0, 0, 1]
