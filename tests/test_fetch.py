"""The fetch loop: rejected files, retries, stored files and previews, slow downloads."""

import hashlib
import io
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from PIL import Image
from pytest_django import Settings

from generations.models import Generation, Lease, Picture, Status
from generations.worker import fetch
from generations.worker.lease import LeasedLoop
from tests.builders import make_generation, png_bytes, store_picture
from tests.scripted_server import ScriptedServer, reply
from tests.simulator import Simulator
from tests.worker_driver import DEAD_HOLDER, run_loops, run_worker

pytestmark = pytest.mark.django_db


def the_picture() -> Picture:
    return Picture.objects.get()


def wanted_from(server: ScriptedServer, **columns: object) -> Picture:
    """A picture to download from this server, of a generation with one picture."""
    row = make_generation(Status.FETCHING)
    defaults = {"upstream_url": f"{server.url}/0.png", "next_try_at": timezone.now()}
    row.pictures.update(**{**defaults, **columns})
    return row.pictures.get()


def stored_files() -> list[str]:
    folder = Path(default_storage.path("."))
    return [path.name for path in folder.rglob("*") if path.is_file()]


# --- rejected files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        ("file-404", "answered 404"),
        ("file-410", "answered 410"),
        ("file-truncated", "the file host failed"),
        ("file-half", "not a complete image"),
        ("file-empty", "not a complete image"),
        ("file-html", "not a complete image"),
        ("file-html-as-png", "not a complete image"),
        ("file-svg", "not a complete image"),
        ("file-bomb", "too large"),
        ("file-gzip-bomb", "longer than 1048576 bytes"),
        ("file-endless", "longer than 1048576 bytes"),
        ("file-silent", "DeadlineExceeded"),
        ("file-slow", "DeadlineExceeded"),
        ("file-redirect-private", "refused: only https"),
        ("file-redirect-scheme", "refused: only https"),
        ("file-redirect-loop", "TooManyRedirects"),
    ],
)
def test_bad_file_is_rejected_with_a_reason_and_the_other_is_stored(
    upstream: Simulator,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    scenario: str,
    reason: str,
) -> None:
    settings.FETCH_RETRY_SECONDS = [0.02]
    monkeypatch.setattr(fetch, "MAX_BYTES", 2**20)
    if reason == "DeadlineExceeded":
        monkeypatch.setattr(fetch, "DOWNLOAD_SECONDS", 1.0)
    upstream.scenario(scenario, only=0)
    row = make_generation(n=2)
    run_worker()
    row.refresh_from_db()
    bad, other = row.pictures.order_by("index")
    assert row.status == Status.SUCCEEDED
    assert (bad.state, other.state) == (Picture.State.LOST, Picture.State.STORED)
    assert reason in bad.reason
    assert len(stored_files()) == 3, "only those of the other picture"


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/0.png",
        "https://[::1]/0.png",
        "file:///etc/passwd",
    ],
)
def test_private_address_is_never_contacted_and_never_retried(
    upstream: Simulator, url: str
) -> None:
    make_generation(Status.FETCHING).pictures.update(upstream_url=url, next_try_at=timezone.now())
    run_worker()
    picture = the_picture()
    assert (picture.state, picture.claims) == (Picture.State.LOST, 1)
    assert picture.reason.startswith("refused")


# --- retries -----------------------------------------------------------------------------------


def test_failing_host_is_retried_after_growing_delays_until_the_picture_is_lost(
    upstream: Simulator, settings: Settings
) -> None:
    settings.FETCH_RETRY_SECONDS = [5, 10, 20, 40]
    with ScriptedServer(reply(500)) as server:
        settings.UPSTREAM_URL = server.url
        picture = wanted_from(server)
        for delay in (5, 10, 20, 40):
            before = timezone.now()
            run_loops("fetch")
            picture.refresh_from_db()
            assert picture.next_try_at
            wait = timedelta(seconds=delay)
            assert before + wait <= picture.next_try_at <= timezone.now() + wait
            Picture.objects.update(next_try_at=timezone.now())
        run_loops("fetch")
        assert len(server.requests) == 5
    picture.refresh_from_db()
    assert picture.state == Picture.State.LOST
    assert Generation.objects.get().failure == "files"


def test_new_url_is_queried_once_for_an_expired_one(upstream: Simulator) -> None:
    upstream.scenario("file-403-once")
    make_generation()
    run_worker(Picture.objects.exists, "the images are listed", ("submit", "poll"))
    polled = len(upstream.requests("query"))
    run_worker()
    assert len(upstream.requests("query")) == polled + 1
    assert len(upstream.requests("file")) == 2
    assert the_picture().is_stored
    assert the_picture().upstream_url.endswith("?response=2")


@pytest.mark.parametrize("scenario", ["file-404", "file-410"])
def test_file_missing_at_its_new_url_is_lost_immediately(
    upstream: Simulator, scenario: str
) -> None:
    upstream.scenario(scenario)
    make_generation()
    run_worker(Picture.objects.exists, "the images are listed", ("submit", "poll"))
    polled = len(upstream.requests("query"))
    run_worker()
    assert len(upstream.requests("query")) == polled + 1
    assert the_picture().state == Picture.State.LOST
    assert the_picture().claims == 1


def test_failed_query_for_a_new_url_is_retried(upstream: Simulator, settings: Settings) -> None:
    gone, broken, content = reply(403), reply(502, "<html>"), reply(200, png_bytes())
    with ScriptedServer(gone, broken, gone, content) as server:
        settings.UPSTREAM_URL = server.url
        image = {"index": 0, "url": f"{server.url}/fresh.png"}
        data = {"task_id": "t", "task_status": "succeed", "task_result": {"images": [image]}}
        server.responses.insert(3, reply(200, {"code": 0, "data": data}))
        wanted_from(server)
        run_worker()
    assert the_picture().is_stored
    assert the_picture().tries == 1


def test_picture_whose_downloads_are_always_interrupted_is_lost(upstream: Simulator) -> None:
    with ScriptedServer(reply(200, png_bytes())) as server:
        wanted_from(server, claims=fetch.MAX_CLAIMS)
        run_worker()
        assert server.requests == []
    assert the_picture().reason == "every download was interrupted"


def test_claims_of_a_dead_process_are_downloaded_immediately(
    upstream: Simulator, settings: Settings
) -> None:
    later = timezone.now() + timedelta(seconds=100)
    Lease.objects.create(name="fetch", holder=DEAD_HOLDER, expires_at=later)
    with ScriptedServer(reply(200, png_bytes())) as server:
        settings.UPSTREAM_URL = server.url
        wanted_from(server, next_try_at=later)
        run_loops("fetch")
    assert the_picture().is_stored


# --- after the row has ended -------------------------------------------------------------------


def test_lost_files_are_downloaded_when_fetched_again(upstream: Simulator) -> None:
    upstream.scenario("file-500-twice", downloads=3)
    row = make_generation()
    run_worker()
    row.refresh_from_db()
    assert (row.status, row.failure) == (Status.FAILED, "files")
    assert row.fetch_again(by=row.owner, version=row.version)
    run_worker()
    row.refresh_from_db()
    assert (row.status, row.failure, row.failure_message) == (Status.SUCCEEDED, "", "")


def test_missing_picture_of_a_succeeded_row_is_downloaded_without_a_transition(
    upstream: Simulator,
) -> None:
    upstream.scenario("file-one-404", only=0, downloads=2)
    row = make_generation(n=2)
    run_worker()
    row.refresh_from_db()
    assert row.pictures.filter(state=Picture.State.STORED).count() == 1
    transitions = row.transitions.count()
    row.pictures.filter(state=Picture.State.LOST).update(
        state=Picture.State.WANTED, tries=0, next_try_at=timezone.now()
    )
    run_worker(lambda: not fetch.has_work(), "it is downloaded")
    assert row.pictures.filter(state=Picture.State.STORED).count() == 2
    assert row.transitions.count() == transitions


# --- stored files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "edge", "form", "preview", "thumbnail"),
    [
        ("16:9", 1080, "PNG", (1280, 720), (512, 288)),
        ("1:1", 600, "JPEG", (600, 600), (512, 512)),
        ("2:3", 300, "WEBP", (300, 450), (300, 450)),
    ],
)
def test_original_bytes_are_stored_unchanged_with_previews(
    upstream: Simulator,
    settings: Settings,
    ratio: str,
    edge: int,
    form: str,
    preview: tuple[int, int],
    thumbnail: tuple[int, int],
) -> None:
    original = png_bytes(ratio, edge=edge, form=form)
    with ScriptedServer(reply(200, original)) as server:
        settings.UPSTREAM_URL = server.url
        wanted_from(server)
        run_worker()
    picture = the_picture()
    assert picture.file.read() == original
    assert picture.sha256 == hashlib.sha256(original).hexdigest()
    assert picture.size_bytes == len(original)
    assert picture.content_type == f"image/{form.lower()}"
    assert Image.open(io.BytesIO(original)).size == (picture.width, picture.height)
    for file, size in ((picture.preview, preview), (picture.thumbnail, thumbnail)):
        with Image.open(file) as image:
            assert (image.format, image.size) == ("WEBP", size)


def test_placeholder_colour_is_the_mean_colour(upstream: Simulator, settings: Settings) -> None:
    half = Image.new("RGB", (64, 64), (200, 0, 40))
    half.paste((100, 0, 40), (0, 0, 32, 64))
    content = io.BytesIO()
    half.save(content, "PNG")
    with ScriptedServer(reply(200, content.getvalue())) as server:
        settings.UPSTREAM_URL = server.url
        wanted_from(server)
        run_worker()
    assert the_picture().colour == "#960028"


def test_late_second_download_is_discarded(
    upstream: Simulator, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer(reply(200, png_bytes())) as server:
        settings.UPSTREAM_URL = server.url
        picture = wanted_from(server)

        def store_before(late: Picture, done: object) -> None:
            store_picture(picture)
            record_result(late, done)  # type: ignore[arg-type]

        record_result = fetch._record_result
        monkeypatch.setattr(fetch, "_record_result", store_before)
        run_loops("fetch")
    picture.refresh_from_db()
    assert picture.is_stored
    files = (picture.file, picture.preview, picture.thumbnail)
    expected = {Path(file.path).name for file in files}
    assert set(stored_files()) == expected


# --- slow downloads ----------------------------------------------------------------------------


def test_next_run_starts_while_a_slow_download_continues(
    upstream: Simulator,
) -> None:
    upstream.scenario("file-slow", file_seconds=1.5)
    slow = make_generation()
    run_worker(slow.pictures.exists, lease_names=("submit", "poll"))
    other = make_generation()
    run_worker(other.pictures.exists, lease_names=("submit", "poll"))
    other.pictures.update(next_try_at=timezone.now() + timedelta(hours=1))
    statuses: list[str] = []

    def next_run(name: str) -> None:
        other.pictures.update(next_try_at=timezone.now())
        run_loops(name)
        statuses.extend(status_of(row) for row in (slow, other))

    with LeasedLoop("fetch", next_run, seconds=0.1) as loop:
        fetch.run(loop)
    assert statuses == [Status.FETCHING, Status.SUCCEEDED]
    assert status_of(slow) == Status.SUCCEEDED


def status_of(row: Generation) -> str:
    return Generation.objects.values_list("status", flat=True).get(pk=row.pk)
