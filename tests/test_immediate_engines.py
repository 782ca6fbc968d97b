"""Engines that answer a submit with the images: each fault ends as it should, at the wire."""

import base64
import errno
import io
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import DatabaseError
from django.utils import timezone
from PIL import Image
from pytest_django import Settings

from generations.engines import answer_file, embedded_images, registry
from generations.engines.answer_file import UNREAD
from generations.engines.base import Finished, NotSent
from generations.engines.gateway import Gateway
from generations.engines.immediate import Client
from generations.engines.offer import Offer
from generations.engines.registry import ENGINES, all_offers
from generations.models import (
    Failure,
    Generation,
    Picture,
    Status,
    Submission,
    TransitionReason,
    UpstreamGate,
)
from generations.worker import dispatch, received, store, submit, submit_outcomes
from generations.worker.upstream import Clients, make_client
from tests.builders import make_generation, make_member
from tests.scripted_server import ScriptedResponse, reply
from tests.simulator import Simulator
from tests.worker_driver import (
    DEAD_HOLDER,
    ScriptedUpstream,
    describe_rows,
    is_idle,
    make_probe_due,
    run_worker,
)

pytestmark = pytest.mark.django_db

MODELS = [offer for offer in all_offers() if not ENGINES[offer.engine].has_tasks]
GPT: dict[str, Any] = {"engine": "openai", "model": "gpt-image-1"}
FLUX: dict[str, Any] = {"engine": "flux", "model": "flux-1.1-pro"}
KINDS: dict[str, dict[str, Any]] = {
    slug: {"engine": slug, "model": engine.offer("").model}
    for slug, engine in ENGINES.items()
    if not engine.has_tasks
}


def api_path(engine: str) -> str:
    """Engines with one path share the whole client, and differ in the fields of a request."""
    with closing(registry.make_client(engine, Gateway("http://127.0.0.1:9", ""), "")) as client:
        assert isinstance(client, Client)
        return client.api.path


SENDING = (Status.QUEUED, Status.SUBMITTING)
# By path: the engine for which each fault is tested.
OF_PATH = {api_path(engine): engine for engine in reversed(KINDS)}


@pytest.fixture(autouse=True)
def data_dir(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


def stored(row: Generation) -> int:
    return row.pictures.filter(state=Picture.State.STORED).count()


def received_files() -> list[str]:
    """What is kept of answers: nothing, once the images are stored."""
    folders = (Path(default_storage.path("received")), received.folder())
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if path.suffix != UNREAD]


# --- every model ---------------------------------------------------------------------------------


@pytest.mark.parametrize("offer", MODELS, ids=[offer.key for offer in MODELS])
def test_every_model_answers_with_its_images(offer: Offer, upstream: Simulator) -> None:
    for number, ratio in enumerate(offer.aspect_ratios):
        make_generation(
            engine=offer.engine,
            model=offer.model,
            n=1 if number else offer.max_images,
            aspect_ratio=ratio.value,
            params={field.name: field.default for field in offer.fields},
        )
    run_worker()
    rows = list(Generation.objects.order_by("pk"))
    assert {row.status for row in rows} == {Status.SUCCEEDED}, describe_rows()
    assert [stored(row) for row in rows] == [row.n for row in rows]
    assert len(upstream.requests("submit")) == len(upstream.tasks()) == len(rows)
    assert not upstream.requests("query")
    assert received_files() == []


@pytest.mark.parametrize("offer", MODELS, ids=[offer.key for offer in MODELS])
def test_every_choice_of_a_field_is_accepted(offer: Offer, upstream: Simulator) -> None:
    for number in range(max((len(field.values) for field in offer.fields), default=0)):
        make_generation(
            engine=offer.engine,
            model=offer.model,
            aspect_ratio=offer.default_aspect_ratio,
            params={field.name: field.values[number % len(field.values)] for field in offer.fields},
        )
    run_worker()
    assert not Generation.objects.exclude(status=Status.SUCCEEDED).exists(), describe_rows()


def test_revised_prompt_is_kept(upstream: Simulator) -> None:
    row = make_generation(engine="openai", model="dall-e-3", aspect_ratio="1:1", prompt="A pear")
    run_worker()
    row.refresh_from_db()
    assert row.revised_prompt == "A photo: A pear"


# --- faults --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class End:
    status: str
    failure: str = ""
    stored: int = 0
    posts: int = 1
    held: str = ""
    tasks: int = 0  # charged upstream


DONE = End(Status.SUCCEEDED, stored=2, tasks=1)
NOT_CHARGED = End(Status.UNCONFIRMED)
CHARGED = End(Status.UNCONFIRMED, tasks=1)
ENDS: dict[str, End] = {
    "normal": DONE,
    "both-fields": DONE,
    "base64-broken": End(Status.SUCCEEDED, stored=1, tasks=1),
    "fewer-images": End(Status.SUCCEEDED, stored=1, tasks=1),
    "one-unsafe": End(Status.SUCCEEDED, stored=1, tasks=1),
    "model-gone": End(Status.FAILED, Failure.MODEL),
    "content-refused": End(Status.FAILED, Failure.POLICY),
    "bad-parameter": End(Status.FAILED, Failure.INPUT),
    "too-many": End(Status.SUCCEEDED, stored=2, posts=3, tasks=1),
    "too-fast-retry-after": End(Status.SUCCEEDED, stored=2, posts=3, tasks=1),
    "empty-429": End(Status.SUCCEEDED, stored=2, posts=3, tasks=1),
    "no-channel": End(Status.SUCCEEDED, stored=2, posts=3, tasks=1),
    "pack-empty": End(Status.QUEUED, held="account"),
    "key-refused-openai": End(Status.QUEUED, held="key"),
    "key-used-up": End(Status.QUEUED, held="account"),
    "quota-not-enough": End(Status.QUEUED, held="account"),
    "address-refused": End(Status.QUEUED, held="address"),
    "cut-before-accept": NOT_CHARGED,
    "cut-after-accept": CHARGED,
    "half-answer": CHARGED,
    "broken-json": CHARGED,
    "empty-200": CHARGED,
    "html-200": NOT_CHARGED,
    "html-502": NOT_CHARGED,
    "html-504": CHARGED,
    "html-524": CHARGED,
    "panic": CHARGED,
}


# What links and a lost answer do is also tested with the engines that share a client.
FAULTS = [
    (engine, name)
    for engine in KINDS
    for name in ENDS
    if engine in OF_PATH.values() or name in ("normal", "base64-broken", "cut-after-accept")
]


@pytest.mark.parametrize(("engine", "name"), FAULTS)
def test_fault_ends_as_expected(
    engine: str, name: str, upstream: Simulator, settings: Settings
) -> None:
    end, kind = ENDS[name], KINDS[engine]
    if name == "too-fast-retry-after":
        upstream.scenario(name, times=None, retry_after=0.05, refusals=2)
    row = make_generation(prompt=f"a red door, simulate: {name}", n=2, **kind)
    run_worker()
    row.refresh_from_db()
    gate = UpstreamGate.for_engine(kind["engine"])
    found = End(
        row.status,
        row.failure,
        stored(row),
        len(upstream.requests("submit")),
        gate.hold_reason,
        len(upstream.tasks()),
    )
    assert found == end, describe_rows()
    assert received_files() == []
    if end.held:
        make_probe_due()
        run_worker()
        row.refresh_from_db()
        assert (row.status, stored(row)) == (Status.SUCCEEDED, 2), describe_rows()
        assert len(upstream.tasks()) == 1


def test_lost_answer_is_never_sent_again_and_never_looked_up(
    upstream: Simulator, settings: Settings
) -> None:
    settings.UPSTREAM_LOOKUP = "reference"
    row = make_generation(prompt="a red door, simulate: cut-after-accept", **GPT)
    run_worker()
    for _turn in range(3):
        submit.sweep()
        run_worker()
    row.refresh_from_db()
    assert (row.status, row.next_poll_at) == (Status.UNCONFIRMED, None)
    assert len(upstream.requests("submit")) == 1
    assert not upstream.requests("query")


def test_answer_of_forty_megabytes_is_stored(upstream: Simulator) -> None:
    row = make_generation(prompt="a red door, simulate: base64-large", **GPT)
    run_worker()
    picture = row.pictures.get()
    assert picture.state == Picture.State.STORED
    assert (picture.size_bytes or 0) > 30_000_000


def test_hold_of_one_engine_does_not_stop_another(upstream: Simulator) -> None:
    upstream.scenario("pack-empty", times=None, match="door", refusals=0)
    of_ann = make_generation(prompt="a red door", owner=make_member("ann"), **GPT)
    of_bob = make_generation(prompt="a pear", owner=make_member("bob"))
    of_eve = make_generation(prompt="a plum", owner=make_member("eve"), **FLUX)
    run_worker()
    for row in (of_ann, of_bob, of_eve):
        row.refresh_from_db()
    assert [of_ann.status, of_bob.status, of_eve.status] == [
        Status.QUEUED,
        Status.SUCCEEDED,
        Status.SUCCEEDED,
    ]
    assert UpstreamGate.for_engine("openai").is_held
    assert not UpstreamGate.for_engine("flux").is_held
    assert not UpstreamGate.for_engine().is_held


# --- crashes -------------------------------------------------------------------------------------


def claim(row: Generation) -> dispatch.PreparedSubmission:
    gates = UpstreamGate.in_turn(row.engine) or [UpstreamGate.for_engine(row.engine)]
    (item,) = dispatch.claim_next(1, gates=gates)
    return item


def receive(item: dispatch.PreparedSubmission) -> Path:
    """Leave the answer as a worker leaves it that is killed before it records it."""
    path = send_and_hold(item)
    die(item)
    return path


def send_and_hold(item: dispatch.PreparedSubmission) -> Path:
    """Send a request as a worker that still lives: it holds the answer."""
    assert item.request.answer_file is not None
    with closing(make_client("", item.generation.engine)) as client:
        client.submit(item.request)
    assert item.request.answer_file.path.exists()
    return item.request.answer_file.path


def die(item: dispatch.PreparedSubmission) -> None:
    """Do what the end of a process does: its locks end, and its number is free."""
    assert item.request.answer_file is not None
    item.request.answer_file.release()
    Submission.objects.filter(pk=item.submission.pk).update(holder=DEAD_HOLDER)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_answer_of_a_killed_worker_is_recorded(kind: dict[str, Any], upstream: Simulator) -> None:
    row = make_generation(n=2, **kind)
    path = receive(claim(row))
    run_worker()
    row.refresh_from_db()
    assert (row.status, stored(row)) == (Status.SUCCEEDED, 2), describe_rows()
    assert len(upstream.requests("submit")) == 1
    assert not path.exists()
    assert received_files() == []


def test_answer_that_a_kill_has_cut_is_unconfirmed(upstream: Simulator) -> None:
    row = make_generation(n=2, **GPT)
    path = receive(claim(row))
    path.write_bytes(path.read_bytes()[:2000])
    run_worker()
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED
    assert received_files() == []
    assert len(upstream.requests("submit")) == 1


def test_answer_is_kept_while_its_sender_lives(upstream: Simulator) -> None:
    row = make_generation(**GPT)
    item = claim(row)
    path = send_and_hold(item)
    Submission.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    submit.sweep()
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED  # too late, but not over
    assert path.exists()
    die(item)
    submit.sweep()
    row.refresh_from_db()
    assert row.status == Status.FETCHING
    assert not path.exists()


def test_two_heartbeats_record_an_answer_once(
    upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_generation(n=2, **GPT)
    receive(claim(row))
    store_answer, found = received._store, []

    def store_beside_another(answer: Finished) -> received.Received:
        found.append(received.recover())  # another heartbeat, in the middle of this one
        return store_answer(answer)

    monkeypatch.setattr(received, "_store", store_beside_another)
    assert received.recover()
    assert found == [False]
    run_worker()
    row.refresh_from_db()
    assert (row.status, stored(row)) == (Status.SUCCEEDED, 2), describe_rows()


def test_answer_to_a_dismissed_request_is_kept(upstream: Simulator) -> None:
    row = make_generation(n=2, **GPT)
    item = claim(row)
    send_and_hold(item)
    row.refresh_from_db()
    row.mark_unconfirmed(item.submission, TransitionReason.NO_ANSWER)
    assert row.abandon(row.owner, row.version)
    die(item)
    submit.sweep()
    run_worker()
    row.refresh_from_db()
    assert (row.status, stored(row)) == (Status.SUCCEEDED, 2), describe_rows()
    assert received_files() == []


def test_answer_to_an_attempt_that_was_sent_again_is_set_aside(upstream: Simulator) -> None:
    row = make_generation(**GPT)
    path = receive(claim(row))
    Generation.objects.filter(pk=row.pk).update(attempt=2, status=Status.UNCONFIRMED)
    size = path.stat().st_size
    submit.sweep()
    [kept] = received.folder().iterdir()
    assert (kept.name, kept.stat().st_size) == (f"{row.pk}-1{UNREAD}", size)


def test_answer_to_a_deleted_request_is_set_aside(upstream: Simulator) -> None:
    row = make_generation(**GPT)
    receive(claim(row))
    for file in received.folder().iterdir():
        file.rename(file.with_name(file.name.replace(f"{row.pk}-1", "777777-1")))
    submit.sweep()
    assert [kept.name for kept in received.folder().iterdir()] == [f"777777-1{UNREAD}"]


def test_empty_file_of_a_killed_worker_is_deleted(upstream: Simulator) -> None:
    row = make_generation(**GPT)
    path = receive(claim(row))
    path.write_bytes(b"")
    submit.sweep()
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED
    assert not list(received.folder().iterdir())


def test_heartbeat_leaves_answers_to_the_next_one(
    upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [make_generation(**GPT) for _number in range(3)]
    for row in rows:
        receive(claim(row))
    monkeypatch.setattr(received, "RECOVER_SECONDS", -1.0)
    for left in (2, 1, 0):
        submit.sweep()
        assert len(list(received.folder().glob("*-1"))) == left


def test_answer_that_can_never_be_stored_is_set_aside_after_a_day(
    upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = receive(claim(make_generation(**GPT)))

    def fail(*_args: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(received, "_store", fail)
    submit.sweep()
    assert path.exists()
    yesterday = path.stat().st_mtime - received.RETRY_SECONDS
    os.utime(path, (yesterday, yesterday))
    submit.sweep()
    assert [kept.suffix for kept in received.folder().iterdir()] == [UNREAD]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), DatabaseError("locked")])
def test_old_answer_is_recorded_once_its_trouble_has_passed(
    error: Exception, upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_generation(**GPT)
    path = receive(claim(row))
    os.utime(path, (0, 0))  # the machine was off for long

    def fail(*_args: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(received, "_store", fail)
        submit.sweep()
    assert path.exists()
    submit.sweep()
    run_worker()
    row.refresh_from_db()
    assert (row.status, stored(row)) == (Status.SUCCEEDED, 1), describe_rows()


def test_request_is_not_sent_with_little_room_for_its_answer(
    upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_generation(**GPT)
    item = claim(row)
    with monkeypatch.context() as patch, closing(make_client("", "openai")) as client:
        patch.setattr(answer_file, "MIN_FREE_BYTES", 2**62)
        with pytest.raises(NotSent, match="MB are free"):
            client.submit(item.request)
    assert not upstream.requests("submit")


def test_answer_that_could_not_be_saved_is_recorded_by_a_heartbeat(
    upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_generation(n=2, **GPT)

    def fail(*_args: object) -> None:
        raise DatabaseError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(submit_outcomes, "_record_received", fail)
        patch.setattr(submit_outcomes, "log_unsaved", lambda *_args: None)
        patch.setattr(dispatch, "SWEEP_MARGIN_SECONDS", -200)
        run_worker(
            lambda: (
                len(upstream.requests("submit")) == 1
                and not Generation.objects.filter(status=Status.QUEUED).exists()
            ),
            "sent",
        )
    Submission.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    run_worker()
    row.refresh_from_db()
    assert (row.status, stored(row)) == (Status.SUCCEEDED, 2), describe_rows()
    assert len(upstream.requests("submit")) == 1


@pytest.mark.parametrize("step", ["take_out", "write_durably"])
def test_answer_that_a_full_disk_keeps_out_is_recorded_later(
    step: str, upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, of_bob = make_generation(n=2, **GPT), make_generation()

    def fail(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(embedded_images if step == "take_out" else store, step, fail)
        run_worker(
            lambda: (
                len(upstream.requests("submit")) == 2
                and not Generation.objects.filter(status__in=SENDING).exists()
            ),
            "sent",
        )
        row.refresh_from_db()
        assert row.status == Status.UNCONFIRMED
        submit.sweep()
        assert received.answer_file(row.pk, 1).path.exists()
    submit.sweep()  # there is room again
    run_worker()
    row.refresh_from_db()
    of_bob.refresh_from_db()
    assert (row.status, stored(row)) == (Status.SUCCEEDED, 2), describe_rows()
    assert of_bob.status == Status.SUCCEEDED
    assert len(upstream.requests("submit")) == 2
    assert received_files() == []


def test_answer_of_another_attempt_is_not_discarded() -> None:
    received.folder().mkdir()
    first, tenth = (received.answer_file(7, attempt) for attempt in (1, 10))
    for file in (first, tenth):
        file.path.write_text("{}")
    first.discard()
    assert not first.path.exists()
    assert tenth.path.exists()


def test_failure_after_the_commit_deletes_no_recorded_image(
    upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_generation(n=2, **GPT)
    end, failures = received.end, [DatabaseError("lost the connection")]

    def fail_once(*args: Any) -> None:
        if failures:
            raise failures.pop()
        end(*args)

    monkeypatch.setattr(received, "end", fail_once)
    run_worker()
    row.refresh_from_db()
    assert (row.status, stored(row)) == (Status.SUCCEEDED, 2), describe_rows()
    assert len(upstream.requests("submit")) == 1
    assert received_files() == []


def test_answer_that_cannot_be_read_is_kept_for_a_while(
    upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_generation(prompt="a red door, simulate: broken-json", **GPT)
    run_worker()
    [kept] = received.folder().iterdir()
    assert kept.name == f"{row.pk}-1.unread"
    assert kept.stat().st_size
    monkeypatch.setattr(received, "UNREAD_SECONDS", -1.0)
    submit.sweep()
    assert not list(received.folder().iterdir())


def test_request_is_not_sent_without_a_file_for_its_answer(
    upstream: Simulator, settings: Settings, data_dir: Path
) -> None:
    received.folder().mkdir()
    row = make_generation(**GPT)
    received.answer_file(row.pk, 1).path.mkdir()  # where the file should be
    run_worker()
    row.refresh_from_db()
    assert (row.status, row.attempt) == (Status.SUCCEEDED, 2)
    assert len(upstream.requests("submit")) == 1


def test_second_record_of_an_answer_changes_nothing(upstream: Simulator) -> None:
    row = make_generation(n=2, **GPT)
    item = claim(row)
    client = Clients().for_submit(None, "openai")
    answer = received.send(client, item.request)
    assert isinstance(answer, received.Received)
    assert received.record(row, item.submission, answer)
    assert not received.record(row, item.submission, answer)
    assert row.pictures.count() == 2


# --- reading Base64 ------------------------------------------------------------------------------


def png(size: int = 64) -> bytes:
    noise = Image.effect_noise((size, size), 90)
    file = io.BytesIO()
    noise.save(file, "PNG")
    return file.getvalue()


@pytest.fixture(params=["plain", "slashes", "escapes", "lines", "url-safe", "data-url", "as-url"])
def spelling(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


@pytest.mark.parametrize("size", [8, 300], ids=["short", "long"])
def test_base64_is_read_in_all_spellings(
    spelling: str, size: int, scripted_upstream: ScriptedUpstream
) -> None:
    image = png(size)
    text = base64.b64encode(image).decode()
    match spelling:
        case "slashes":
            text = text.replace("/", "\\/")
        case "escapes":
            text = escaped(text)
        case "lines":
            text = "\\n".join(text[i : i + 76] for i in range(0, len(text), 76))
        case "url-safe":
            text = text.translate(str.maketrans("+/", "-_")).rstrip("=")
        case "data-url" | "as-url":
            text = "data:image/png;base64," + text
    field = "url" if spelling == "as-url" else "b64_json"
    body = f'{{"created": 1, "data": [{{"{field}": "{text}"}}]}}'
    assert len(text) > 4096 or size == 8
    scripted_upstream.respond_with(reply(200, body))
    row = make_generation(**GPT)
    run_worker()
    picture = row.pictures.get()
    assert picture.state == Picture.State.STORED
    with picture.file.open("rb") as file:
        assert file.read() == image


def escaped(text: str) -> str:
    return text.replace("/", "\\u002F").replace("+", "\\u002b").replace("=", "\\u003d")


@pytest.mark.parametrize("chunk", [5, 1000, 4096])
@pytest.mark.parametrize("write", [lambda text: text.replace("/", "\\/"), escaped])
def test_base64_is_decoded_across_chunks(
    chunk: int, write: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_images, "_CHUNK_BYTES", chunk)
    images = [bytes(range(256)) * 40, b"\xff\xef" * 5001]
    texts = [write(base64.b64encode(image).decode()) for image in images]
    path = tmp_path / "answer"
    items = ", ".join(f'{{"b64_json": "{text}"}}' for text in texts)
    path.write_text(f'{{"data": [{items}], "x": "y"}}')
    answer = embedded_images.take_out(path)
    found = json.loads(answer.text)["data"]
    files = [answer.image(item["b64_json"], tmp_path / "unused") for item in found]
    assert [file.read_bytes() for file in files if file] == images


@pytest.mark.parametrize("is_whole", [True, False])
def test_answer_without_the_end_of_its_connection(
    is_whole: bool, scripted_upstream: ScriptedUpstream
) -> None:
    text = base64.b64encode(png(300)).decode()
    body = f'{{"created": 1, "data": [{{"b64_json": "{text}"}}]}}'
    cut = body if is_whole else body[:-3]
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) + 1}\r\n\r\n"
    server = scripted_upstream.respond_with(hang_up_after(f"{head}{cut}".encode()))
    row = make_generation(**GPT)
    run_worker()
    row.refresh_from_db()
    assert len(server.requests) == 1
    if is_whole:
        assert (row.status, stored(row)) == (Status.SUCCEEDED, 1), describe_rows()
        assert not list(received.folder().iterdir())
    else:
        assert row.status == Status.UNCONFIRMED
        [kept] = received.folder().iterdir()
        assert (kept.suffix, kept.stat().st_size) == (UNREAD, len(cut))


def hang_up_after(content: bytes) -> ScriptedResponse:
    def respond(client: socket.socket) -> None:
        client.sendall(content)
        client.shutdown(socket.SHUT_RDWR)

    return respond


def test_answer_that_is_too_long_without_its_images_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "answer"
    path.write_text(json.dumps({"data": ["x y" * 3_000_000]}))
    with pytest.raises(ValueError, match="too long"):
        embedded_images.take_out(path)


def test_idle_means_nothing_is_left(upstream: Simulator) -> None:
    make_generation(**GPT)
    assert not is_idle()
    run_worker()
    assert is_idle()
