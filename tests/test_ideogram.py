"""Ideogram: the form, images that are withheld, and what a refusal means."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from generations.engines import http_client, ideogram
from generations.engines.base import ImageRequest
from generations.engines.gateway import Gateway
from generations.models import Failure, Generation, Picture, Status
from generations.models.money import Price
from generations.requests import quote_for
from tests.builders import make_generation
from tests.scripted_server import reply
from tests.simulator import Simulator
from tests.test_immediate_engines import claim, receive, received_files
from tests.worker_driver import ScriptedUpstream, describe_rows, run_worker

pytestmark = pytest.mark.django_db

KIND: dict[str, Any] = {"engine": "ideogram", "model": "ideogram-v3"}


@pytest.fixture(autouse=True)
def data_dir(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


def end_of(row: Generation) -> tuple[str, str]:
    row.refresh_from_db()
    return row.status, row.failure


# --- the form ------------------------------------------------------------------------------------


def test_form_has_the_documented_names_and_values() -> None:
    request = ImageRequest(
        "a pear",
        n=3,
        aspect_ratio="16:9",
        negative_prompt="fog",
        params={"rendering_speed": "TURBO", "seed": 7},
    )
    body, content_type = ideogram.request_body(request)
    boundary = content_type.removeprefix("multipart/form-data; boundary=")
    parts = body.decode().split(f"--{boundary}")[1:-1]
    assert {
        part.split('name="')[1].split('"')[0]: part.split("\r\n\r\n")[1].removesuffix("\r\n")
        for part in parts
    } == {
        "prompt": "a pear",
        "num_images": "3",
        "aspect_ratio": "16x9",
        "negative_prompt": "fog",
        "rendering_speed": "TURBO",
        "seed": "7",
    }


@pytest.mark.parametrize(
    "text", ["--\r\nContent-Disposition: form-data", 'a "pear"', "một quả lê 梨 🍐", "a\n\nb"]
)
def test_text_of_any_kind_arrives_as_it_is(text: str, upstream: Simulator) -> None:
    row = make_generation(prompt=text, negative_prompt=text, **KIND)
    run_worker()
    assert end_of(row) == (Status.SUCCEEDED, ""), describe_rows()
    assert upstream.tasks()[0]["prompt"] == text
    assert "negative_prompt" in upstream.requests("submit")[0]["body_keys"]


def test_prompt_that_came_back_unchanged_is_not_a_revised_one(upstream: Simulator) -> None:
    row = make_generation(prompt="a pear", **KIND)
    run_worker()
    row.refresh_from_db()
    assert (row.status, row.revised_prompt) == (Status.SUCCEEDED, "")


def test_price_depends_on_the_speed() -> None:
    for option, amount in (("turbo", 300), ("", 600), ("quality", 900)):
        Price.objects.create(
            engine="ideogram", model="ideogram-v3", option=option, amount_e4=amount
        )
    for speed, amount in (("TURBO", 300), ("DEFAULT", 600), ("QUALITY", 900)):
        quote = quote_for(1, {"rendering_speed": speed}, has_reference=False, offer=ideogram.OFFER)
        assert quote.unit_e4 == amount


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 200),
        ({"num_images": "8", "seed": "0"}, 200),
        ({"prompt": " "}, 400),
        ({"num_images": "9"}, 400),
        ({"num_images": "two"}, 400),
        ({"aspect_ratio": "16:9"}, 400),
        ({"rendering_speed": "turbo"}, 400),
        ({"model": "ideogram-v3"}, 400),
    ],
)
def test_simulator_accepts_only_the_documented_form(
    fields: dict[str, str], status: int, upstream: Simulator
) -> None:
    body, content_type = http_client.multipart_form({"prompt": "a pear", **fields})
    with closing(Gateway(upstream.url, upstream.key)) as gateway:
        answer = gateway.post_body(ideogram.PATH, body, content_type=content_type)
        assert answer.http_status == status
        assert gateway.post_body(ideogram.PATH, b'{"prompt": "a pear"}').http_status == 400


# --- answers -------------------------------------------------------------------------------------


def test_one_withheld_image_of_four_costs_its_sisters_nothing(upstream: Simulator) -> None:
    row = make_generation(prompt="a red door, simulate: one-unsafe", n=4, **KIND)
    run_worker()
    assert end_of(row) == (Status.SUCCEEDED, "")
    states = row.pictures.order_by("index").values_list("index", "state")
    assert list(states) == [(index, Picture.State.STORED) for index in range(3)]
    assert len(upstream.requests("submit")) == 1


def test_answer_with_only_withheld_images_is_a_refusal(upstream: Simulator) -> None:
    row = make_generation(prompt="a red door, simulate: all-unsafe", n=2, **KIND)
    run_worker()
    assert end_of(row) == (Status.FAILED, Failure.POLICY)
    assert len(upstream.requests("submit")) == 1
    assert received_files() == []


def test_refusal_that_a_killed_worker_has_received_is_recorded(
    upstream: Simulator, data_dir: Path
) -> None:
    row = make_generation(prompt="a red door", n=2, **KIND)
    path = receive(claim(row))
    path.write_text('{"data": [{"is_image_safe": false, "url": null}]}')
    run_worker()
    assert end_of(row) == (Status.FAILED, Failure.POLICY)
    assert len(upstream.requests("submit")) == 1
    assert received_files() == []


@pytest.mark.parametrize(
    ("status", "body", "end"),
    [
        (422, '{"error": "The prompt did not pass the safety check"}', "policy"),
        (422, '{"error": "Refused"}', "policy"),
        (400, '{"error": {"message": "Blocked by content moderation", "code": ""}}', "policy"),
        (422, '{"error": "aspect_ratio must be one of 1x1, 16x9"}', "input"),
        (400, '{"error": "Bad request"}', "input"),
        (200, '{"data": [{"url": null, "is_image_safe": "false"}]}', "policy"),
        (200, '{"error": "NSFW content", "data": [{"is_image_safe": false}]}', "policy"),
        (400, '{"error": {"message": "no such model", "code": "model_not_found"}}', "model"),
    ],
)
def test_refusal_is_read_by_its_words(
    status: int, body: str, end: str, scripted_upstream: ScriptedUpstream
) -> None:
    scripted_upstream.respond_with(reply(status, body))
    row = make_generation(**KIND)
    run_worker()
    assert end_of(row) == (Status.FAILED, end), describe_rows()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, '{"data": []}'),
        (200, '{"data": [{"is_image_safe": false}, {"url": ""}]}'),
        (422, "<html>Unprocessable</html>"),
        (500, '{"error": "safety check failed to run"}'),
    ],
)
def test_answer_that_proves_nothing_is_unconfirmed(
    status: int, body: str, scripted_upstream: ScriptedUpstream
) -> None:
    scripted_upstream.respond_with(reply(status, body))
    row = make_generation(**KIND)
    run_worker()
    assert end_of(row) == (Status.UNCONFIRMED, ""), describe_rows()


@pytest.mark.parametrize(
    "form",
    [
        '{{"created": 1764300000, "data": [{{"url": "{url}"}}]}}',
        '{{"created": "2026-11-28T10:00:00Z", "data": [{{"url": "{url}", "seed": 1}}]}}',
        '{{"code": 0, "data": {{"data": [{{"url": "{url}", "is_image_safe": true}}]}}}}',
    ],
)
def test_answers_of_gateways_are_read_in_their_forms(
    form: str, upstream: Simulator, scripted_upstream: ScriptedUpstream
) -> None:
    upstream.create_task()
    task = upstream.wait_for("succeed")[0]
    url = f"{upstream.url}/files/{task['task_id']}_0.png"
    scripted_upstream.respond_with(reply(200, form.format(url=url)))
    row = make_generation(**KIND)
    run_worker()
    assert row.pictures.get().upstream_url == url
