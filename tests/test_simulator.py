"""The simulator: protocol (docs/upstream.md), validation, request log, control API, restart."""

import base64
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests  # noqa: TID251
from PIL import Image

from tests.simulator import PATH, ROOT, WAIT_SECONDS, Simulator


@pytest.fixture(scope="module")
def shared_simulator() -> Iterator[Simulator]:
    with Simulator(seconds=(0.05, 0.1)) as simulator:
        yield simulator


@pytest.fixture
def simulator(shared_simulator: Simulator) -> Simulator:
    shared_simulator.reset()
    return shared_simulator


def base64_png(width: int, height: int) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_task_is_submitted_processed_and_succeeds_with_images(simulator: Simulator) -> None:
    body = simulator.submit(n=2, aspect_ratio="3:2").json()
    data = body["data"]
    assert body["code"] == 0
    assert body["message"] == "YEScale - Kling Image - Submit: SUCCEED"
    assert body["request_id"] == data["task_id"]
    assert data["task_status"] == "submitted"
    assert data["created_at"] == data["updated_at"] > 1_700_000_000_000

    simulator.wait_for("succeed")
    done = simulator.query(data["task_id"]).json()["data"]
    assert done["task_status"] == "succeed"
    assert done["final_unit_deduction"] == "2"
    assert done["updated_at"] > done["created_at"]
    assert [image["index"] for image in done["task_result"]["images"]] == [0, 1]


def test_pictures_are_pngs_in_the_requested_ratio(simulator: Simulator) -> None:
    task_id = simulator.submit(aspect_ratio="1:1").json()["data"]["task_id"]
    simulator.wait_for("succeed")
    done = simulator.query(task_id).json()["data"]
    response = requests.get(done["task_result"]["images"][0]["url"], timeout=10)
    assert response.headers["Content-Type"] == "image/png"
    with Image.open(io.BytesIO(response.content)) as image:
        assert image.size[0] == image.size[1]


def test_running_task_has_no_images(simulator: Simulator) -> None:
    simulator.settings(seconds=[60, 60])
    task_id = simulator.submit().json()["data"]["task_id"]
    data = simulator.query(task_id).json()["data"]
    assert (data["task_status"], data["task_result"]) == ("submitted", {})


def list_task_ids(simulator: Simulator, page: int, size: int) -> list[str]:
    params = {"pageNum": page, "pageSize": size}
    headers = {"Authorization": f"Bearer {simulator.key}"}
    response = requests.get(simulator.url + PATH, params=params, headers=headers, timeout=10)
    return [task["task_id"] for task in response.json()["data"]]


def test_list_is_paged_newest_first(simulator: Simulator) -> None:
    task_ids = [simulator.submit().json()["data"]["task_id"] for _ in range(3)]
    assert list_task_ids(simulator, 2, size=2) == task_ids[:1]


def test_list_omits_tasks_that_a_query_does_not_find(simulator: Simulator) -> None:
    first = simulator.submit().json()["data"]["task_id"]
    simulator.create_task("query-not-exist-10s")
    simulator.create_task("query-never-exists")
    found_again = simulator.create_task("query-not-exist-10s", for_seconds=0)
    assert list_task_ids(simulator, 1, size=9) == [found_again, first]


def test_query_finds_a_task_by_its_external_id(simulator: Simulator) -> None:
    task_id = simulator.submit(external_task_id="ours").json()["data"]["task_id"]
    assert simulator.query("ours").json()["data"]["task_id"] == task_id


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}])
@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("GET", ""), ("GET", "/some-task")])
def test_request_without_the_key_is_refused(
    simulator: Simulator, method: str, path: str, header: dict[str, str]
) -> None:
    response = requests.request(
        method, simulator.url + PATH + path, json={"prompt": "x"}, headers=header, timeout=10
    )
    assert response.status_code == 401
    assert response.json()["error"]["type"] == "new_api_error"
    assert simulator.tasks() == []


def test_unknown_task_gets_the_error_of_the_gateway(simulator: Simulator) -> None:
    response = simulator.query("no-such-task")
    assert (response.status_code, response.json()["code"]) == (400, "task_not_exist")


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/kling/v1/images/generation", 200, "text/html"),
        ("/somewhere", 200, "text/html"),
        ("/", 200, "text/html"),
        ("/v1/images", 404, "application/json"),
        ("/files/none_0.png", 404, "text/html"),
    ],
)
def test_other_paths_get_a_page_or_an_error(
    simulator: Simulator, path: str, status: int, kind: str
) -> None:
    response = requests.get(simulator.url + path, timeout=10)
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith(kind)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": "x" * 2501}, "prompt"),
        ({"negative_prompt": "x" * 2501}, "negative_prompt"),
        ({"negative_prompt": "fog", "image": "https://x.example/a.png"}, "negative_prompt"),
        ({"image": "data:image/png;base64,AAAA"}, "data:"),
        ({"image": "not base64!"}, "Base64"),
        ({"n": 0}, "n must"),
        ({"n": 10}, "n must"),
        ({"n": "2"}, "n must"),
        ({"n": True}, "n must"),
        ({"aspect_ratio": "5:4"}, "aspect_ratio"),
        ({"image_fidelity": 1.5}, "image_fidelity"),
        ({"seed": 5}, "unknown key: seed"),
        ({"model": "kling-v1"}, "unknown key: model"),
        ({"model_name": "kling-v9"}, "model_name"),
        ({"model_name": "kling-v1", "aspect_ratio": "21:9"}, "21:9"),
        ({"model_name": "kling-v1-5", "image": "https://x.example/a.png"}, "image_reference"),
        ({"model_name": "kling-v2-new"}, "image"),
        ({"model_name": "kling-v1", "resolution": "2k"}, "2k"),
        ({"image_reference": "subject"}, "image"),
        ({"resolution": "4k"}, "resolution"),
        ({"watermark_info": "no"}, "watermark_info"),
    ],
)
def test_invalid_field_is_refused_with_a_message(
    simulator: Simulator, fields: dict[str, object], word: str
) -> None:
    response = simulator.submit(**fields)  # type: ignore[arg-type]
    error = response.json()
    assert (response.status_code, error["code"]) == (400, 1201)
    assert word in error["message"]
    assert simulator.tasks() == []


def test_all_fields_of_both_profiles_are_accepted(simulator: Simulator) -> None:
    response = simulator.submit(
        image=base64_png(400, 300),
        image_fidelity=0.4,
        negative_prompt="",
        n=3,
        aspect_ratio="9:16",
        model_name="kling-v1-5",
        image_reference="subject",
        human_fidelity=0.5,
        resolution="1k",
        external_task_id="ours-1",
        callback_url="https://x.example/hook",
        watermark_info={"enabled": False},
    )
    assert response.status_code == 200, response.text


def test_duplicate_external_id_is_refused(simulator: Simulator) -> None:
    task_id = simulator.submit(external_task_id="ours-1").json()["data"]["task_id"]
    assert simulator.query("ours-1").json()["data"]["task_id"] == task_id
    assert simulator.submit(external_task_id="ours-1").json()["code"] == 1201


@pytest.mark.parametrize("size", [(200, 400), (900, 300)])
def test_image_of_invalid_size_is_accepted_and_fails_later(
    simulator: Simulator, size: tuple[int, int]
) -> None:
    assert simulator.submit(image=base64_png(*size)).status_code == 200
    assert simulator.tasks()[0]["scenario"] == "failed-pixel"


def test_body_that_is_not_an_object_is_refused(simulator: Simulator) -> None:
    headers = {"Authorization": f"Bearer {simulator.key}"}
    response = requests.post(simulator.url + PATH, data="[1", headers=headers, timeout=10)
    assert (response.status_code, "error" in response.json()) == (400, True)


def test_concurrency_limit_counts_images(simulator: Simulator) -> None:
    simulator.settings(concurrency_limit=5, seconds=[60, 60])
    assert simulator.submit(n=3).status_code == 200
    refused = simulator.submit(n=3)
    assert (refused.status_code, refused.json()["code"]) == (429, 1303)
    assert simulator.submit(n=2).status_code == 200


def test_ended_task_does_not_count_against_the_concurrency_limit(simulator: Simulator) -> None:
    simulator.settings(concurrency_limit=3)
    simulator.submit(n=3)
    simulator.wait_for("succeed")
    assert simulator.submit(n=3).status_code == 200


def test_request_log_has_every_request(simulator: Simulator) -> None:
    task_id = simulator.submit("a red door", n=2).json()["data"]["task_id"]
    simulator.wait_for("succeed")
    url = simulator.query(task_id).json()["data"]["task_result"]["images"][1]["url"]
    requests.get(url, timeout=10)

    first, second, third = simulator.requests()
    assert [entry["kind"] for entry in (first, second, third)] == ["submit", "query", "file"]
    assert first["prompt"] == "a red door"
    assert first["body_keys"] == ["prompt", "n"]
    assert {entry["task_id"] for entry in (first, second, third)} == {task_id}
    assert [entry["authorization"] for entry in (first, second, third)] == [True, True, False]
    assert [entry["status"] for entry in (first, second, third)] == [200, 200, 200]
    assert first["wall"] <= second["wall"]
    assert first["remote_port"] == second["remote_port"] != third["remote_port"]
    assert simulator.requests("query", since=second["index"]) == [second]
    assert simulator.requests("query", since=third["index"]) == []
    assert simulator.stats()["requests"] == {"submit": 1, "query": 1, "file": 1}


def test_control_api_lists_tasks_with_polls_and_end(simulator: Simulator) -> None:
    task_id = simulator.submit(n=4).json()["data"]["task_id"]
    simulator.query(task_id)
    simulator.query(task_id)
    (task,) = simulator.wait_for("succeed")
    assert (task["task_id"], task["n"], task["polls"]) == (task_id, 4, 2)
    assert task["created_at"] < task["done_at"] <= time.time()


def test_reset_restores_changed_settings(simulator: Simulator) -> None:
    assert simulator.settings(key="other", query_seconds=0.01)["key"] == "other"
    assert simulator.submit().status_code == 401
    simulator.reset()
    assert simulator.submit().status_code == 200


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("settings", {"speed": 3}),
        ("settings", {"seconds": 3}),
        ("scenario", {"name": "no-such-scenario"}),
        ("scenario", {"name": "normal", "params": {"secnods_to": 3}}),
        ("scenario", {}),
        ("settings", {"concurrency_limit": "many"}),
        ("no-such-call", {}),
    ],
)
def test_invalid_control_call_is_refused(
    simulator: Simulator, call: str, body: dict[str, object]
) -> None:
    response = requests.post(f"{simulator.url}/_control/{call}", json=body, timeout=10)
    assert response.status_code == 400


def test_task_is_created_although_the_client_disconnected(simulator: Simulator) -> None:
    simulator.settings(submit_seconds=0.4)
    with pytest.raises(requests.ReadTimeout):
        simulator.submit(timeout=0.05)
    assert simulator.wait_for("submitted", "processing", "succeed")[0]["prompt"] == "a red door"


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_the_process_cleanly(
    capfd: pytest.CaptureFixture[str], stop_signal: signal.Signals
) -> None:
    with Simulator() as simulator:
        simulator.settings(submit_seconds=30)
        with pytest.raises(requests.ReadTimeout):
            simulator.submit(timeout=0.05)
        os.kill(simulator.pid, stop_signal)
        assert simulator.stop() == 0
    assert capfd.readouterr().err == ""


def test_tasks_survive_a_kill(tmp_path: Path) -> None:
    with Simulator(data_dir=tmp_path, seconds=(0.5, 0.5)) as simulator:
        before = simulator.submit(n=2, external_task_id="ours-1").json()["data"]
        simulator.kill()
        with (tmp_path / "tasks.jsonl").open("a") as journal:
            journal.write('{"task_id": "incomplete')
        simulator.start()
        (task,) = simulator.wait_for("succeed")
        assert task["task_id"] == before["task_id"]
        after = simulator.query("ours-1").json()["data"]
        assert after["created_at"] == before["created_at"]
        assert len(after["task_result"]["images"]) == 2


def test_drawn_picture_survives_a_restart(tmp_path: Path) -> None:
    options = {"plain": False, "long_edge": 96, "data_dir": tmp_path, "seconds": (0, 0)}
    with Simulator(**options) as simulator:  # type: ignore[arg-type]
        task_id = simulator.submit("a red door, oil on canvas").json()["data"]["task_id"]
        simulator.wait_for("succeed")
        url = simulator.query(task_id).json()["data"]["task_result"]["images"][0]["url"]
        before = requests.get(url, timeout=10).content
        simulator.stop()
        simulator.start()
        assert requests.get(url, timeout=10).content == before
    with Image.open(io.BytesIO(before)) as image:
        assert (image.format, max(image.size)) == ("PNG", 96)


def test_process_ends_with_its_parent() -> None:
    code = (
        "import time; from tests.simulator import Simulator; "
        "print(Simulator().start().pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout
    with parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + WAIT_SECONDS
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
