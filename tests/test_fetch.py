"""The fetch loop: rejected files, retries, stored files and previews, slow downloads."""

import hashlib
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.utils import timezone
from PIL import Image
from pytest_django import Settings

from generations.models import Generation, Lease, Picture, ReportSource, Status, Tag, UpstreamGate
from generations.worker import download, fetch
from generations.worker.lease import LeasedLoop
from tests.builders import make_generation, make_member, png_bytes, store_picture
from tests.scripted_server import ScriptedServer, reply
from tests.simulator import Simulator
from tests.worker_driver import DEAD_HOLDER, LIVE_HOLDER, REMOTE_HOLDER, run_loops, run_worker

pytestmark = pytest.mark.django_db


TRIES = 3  # with the two delays of `worker_driver.connect`


def task_path(picture: Picture) -> str:
    """The path of a query for the task of this picture."""
    return f"/kling/v1/images/generations/{picture.generation.upstream_task_id}"


def task_with(*urls: str) -> bytes:
    """The response to a query for a task with these images."""
    images = [{"index": index, "url": url} for index, url in enumerate(urls)]
    data = {"task_id": "t", "task_status": "succeed", "task_result": {"images": images}}
    return reply(200, {"code": 0, "data": data})


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
    monkeypatch.setattr(download, "MAX_BYTES", 2**20)
    if reason == "DeadlineExceeded":
        monkeypatch.setattr(download, "DOWNLOAD_SECONDS", 1.0)
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
def test_file_missing_at_every_new_url_is_lost_after_the_last_try(
    upstream: Simulator, scenario: str
) -> None:
    upstream.scenario(scenario)
    make_generation()
    run_worker(Picture.objects.exists, "the images are listed", ("submit", "poll"))
    polled = len(upstream.requests("query"))
    run_worker()
    assert len(upstream.requests("query")) == polled + TRIES, "one new URL for each try"
    assert len(upstream.requests("file")) == 2 * TRIES
    assert the_picture().state == Picture.State.LOST


def test_file_that_its_host_has_only_after_a_while_is_stored(upstream: Simulator) -> None:
    upstream.scenario("file-404", downloads=2 * TRIES - 1)
    upstream.scenario("normal")
    late, other = make_generation(owner=make_member("ann")), make_generation(owner=make_member())
    run_worker()
    assert [status_of(row) for row in (late, other)] == [Status.SUCCEEDED] * 2
    assert late.pictures.get().tries == TRIES - 1


def test_new_url_is_stored_although_its_file_is_not_there_yet(
    settings: Settings, upstream: Simulator
) -> None:
    settings.FETCH_RETRY_SECONDS = [5]
    with ScriptedServer(reply(404)) as server:
        settings.UPSTREAM_URL = server.url
        picture = wanted_from(server)
        server.routes[task_path(picture)] = task_with(f"{server.url}/new.png")
        run_loops("fetch")
        paths = [request.path for request in server.requests]
    assert paths == ["/0.png", task_path(picture), "/new.png"]
    picture.refresh_from_db()
    assert (picture.state, picture.tries) == (Picture.State.WANTED, 1)
    assert picture.upstream_url.endswith("/new.png")


def test_no_new_url_is_queried_while_a_retry_after_is_in_effect(
    settings: Settings, upstream: Simulator
) -> None:
    UpstreamGate.for_engine().stay_silent(40)
    gate = UpstreamGate.for_engine()
    with ScriptedServer(reply(403)) as server:
        settings.UPSTREAM_URL = server.url
        picture = wanted_from(server)
        run_loops("fetch")
        assert [request.path for request in server.requests] == ["/0.png"]
    picture.refresh_from_db()
    assert (picture.tries, picture.claimed_by) == (0, "")
    assert picture.next_try_at and gate.silent_until
    assert abs(picture.next_try_at - gate.silent_until) < timedelta(seconds=1)


def test_retry_after_of_a_query_for_a_new_url_silences_the_key_and_is_no_try(
    settings: Settings, upstream: Simulator
) -> None:
    with ScriptedServer(reply(403)) as server:
        settings.UPSTREAM_URL = server.url
        ann, bob = wanted_from(server), wanted_from(server, upstream_url=f"{server.url}/bob.png")
        server.routes[task_path(ann)] = reply(429, {"code": 1302}, Retry_After="30")
        server.routes["/bob.png"] = reply(200, png_bytes())
        run_loops("fetch")
    for picture in (ann, bob):
        picture.refresh_from_db()
    assert UpstreamGate.for_engine().is_silent
    assert (ann.state, ann.tries) == (Picture.State.WANTED, 0)
    assert bob.is_stored


def test_refused_key_of_queries_for_new_urls_holds_the_gate(
    settings: Settings, upstream: Simulator
) -> None:
    with ScriptedServer(reply(403), routes={}) as server:
        settings.UPSTREAM_URL = server.url
        for _ in range(UpstreamGate.MAX_REFUSED_QUERIES):
            server.routes[task_path(wanted_from(server))] = reply(401, {"code": 1000})
        run_loops("fetch")
    gate = UpstreamGate.for_engine()
    assert (gate.hold_reason, gate.held_by) == (gate.HoldReason.KEY, ReportSource.FETCH)


def test_failed_query_for_a_new_url_is_retried(upstream: Simulator, settings: Settings) -> None:
    gone, broken, content = reply(403), reply(502, "<html>"), reply(200, png_bytes())
    with ScriptedServer(gone, broken, gone, content) as server:
        settings.UPSTREAM_URL = server.url
        server.responses.insert(3, task_with(f"{server.url}/fresh.png"))
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
    later = timezone.now() + timedelta(seconds=5)
    with ScriptedServer(reply(200, png_bytes())) as server:
        settings.UPSTREAM_URL = server.url
        wanted_from(server, next_try_at=later, claimed_by=DEAD_HOLDER)
        run_loops("fetch")
    assert the_picture().is_stored


@pytest.mark.parametrize("holder", [DEAD_HOLDER, REMOTE_HOLDER], ids=["dead", "unseen"])
def test_heartbeat_makes_pictures_of_dead_processes_due_while_another_holds_the_lease(
    holder: str,
) -> None:
    lease_end = timezone.now() + timedelta(seconds=fetch.ROW_LEASE_SECONDS)
    Lease.objects.create(name="fetch", holder=LIVE_HOLDER, expires_at=lease_end)
    picture = make_generation(Status.FETCHING).pictures.get()
    Picture.objects.update(claimed_by=holder, next_try_at=lease_end)
    fetch.sweep()
    picture.refresh_from_db()
    is_due = picture.next_try_at is not None and picture.next_try_at <= timezone.now()
    assert is_due == (holder == DEAD_HOLDER), "the lease of an unseen process ends by itself"


def test_only_the_process_that_claimed_a_picture_renews_or_reschedules_it() -> None:
    make_generation(Status.FETCHING)
    Picture.objects.update(next_try_at=timezone.now())
    [picture] = Picture.objects.claim([the_picture().pk], 0)
    Picture.objects.renew_claims([picture.pk], 60)
    assert Picture.objects.claim([picture.pk], 60) == []
    Picture.objects.update(claimed_by=LIVE_HOLDER, next_try_at=timezone.now())
    Picture.objects.renew_claims([picture.pk], 60)
    assert fetch.has_work()
    assert not picture.try_later(60, "late")
    assert not picture.mark_lost("late")


@pytest.mark.parametrize("claimed_by", ["", REMOTE_HOLDER], ids=["scheduled", "claimed"])
def test_pictures_become_due_after_the_clock_was_set_back(claimed_by: str) -> None:
    make_generation(Status.FETCHING)
    later = timezone.now() + timedelta(hours=2)
    Picture.objects.update(claimed_by=claimed_by, next_try_at=later)
    fetch.sweep()
    assert fetch.has_work()


@pytest.mark.django_db(transaction=True)
def test_downloaded_picture_is_recorded_once_the_database_is_back(
    upstream: Simulator, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "DATABASE_RETRY_SECONDS", 0.01)
    mark_stored, failures = Picture.mark_stored, iter(range(2))

    def fail_first(picture: Picture, **columns: Any) -> bool:
        if next(failures, None) is None:
            return mark_stored(picture, **columns)
        raise OperationalError("the database is away")

    monkeypatch.setattr(Picture, "mark_stored", fail_first)
    with ScriptedServer(reply(200, png_bytes())) as server:
        settings.UPSTREAM_URL = server.url
        wanted_from(server)
        run_loops("fetch")
        assert len(server.requests) == 1
    assert the_picture().is_stored
    assert len(stored_files()) == 3


@pytest.mark.django_db(transaction=True)
def test_files_stay_when_the_database_fails_after_they_were_recorded(
    upstream: Simulator, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "DATABASE_RETRY_SECONDS", 0.01)
    record_stored, failures = fetch._record_stored, iter(range(1))

    def fail_after(picture: Picture, columns: dict[str, Any]) -> None:
        record_stored(picture, columns)
        if next(failures, None) is not None:
            raise OperationalError("no answer to the commit")

    monkeypatch.setattr(fetch, "_record_stored", fail_after)
    with ScriptedServer(reply(200, png_bytes())) as server:
        settings.UPSTREAM_URL = server.url
        wanted_from(server)
        run_loops("fetch")
    assert the_picture().is_stored
    assert len(stored_files()) == 3


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
    upstream.scenario("file-one-404", only=0, downloads=2 * TRIES)
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

        def store_before(late: Picture, columns: dict[str, Any]) -> None:
            store_picture(picture)
            record_stored(late, columns)

        record_stored = fetch._record_stored
        monkeypatch.setattr(fetch, "_record_stored", store_before)
        run_loops("fetch")
    picture.refresh_from_db()
    assert picture.is_stored
    files = (picture.file, picture.preview, picture.thumbnail)
    expected = {Path(file.path).name for file in files}
    assert set(stored_files()) == expected


def test_received_image_of_a_lost_picture_is_kept(
    upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_generation(Status.FETCHING)
    name = default_storage.save("received/1.bin", ContentFile(png_bytes()))
    row.pictures.update(received_file=name, upstream_url="")

    def lose_before(late: Picture, columns: dict[str, Any]) -> None:
        Picture.objects.filter(pk=late.pk).update(state=Picture.State.LOST)
        record_stored(late, columns)

    record_stored = fetch._record_stored
    with monkeypatch.context() as patch:
        patch.setattr(fetch, "_record_stored", lose_before)
        run_loops("fetch")
    assert default_storage.exists(name)
    row.pictures.update(state=Picture.State.WANTED, next_try_at=timezone.now(), claimed_by="")
    Generation.objects.update(status=Status.FETCHING)
    run_loops("fetch")
    assert the_picture().is_stored
    assert not default_storage.exists(name)


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


# --- tags ---------------------------------------------------------------------------------------


def test_images_get_the_tags_of_their_request_when_they_are_stored() -> None:
    known = Tag.objects.named("Spring")
    row = make_generation(Status.FETCHING, n=2, tag_names=["SPRING", "still life"])
    for picture in row.pictures.all():
        assert not picture.tags.exists()
        store_picture(picture)
        assert [tag.name for tag in picture.tags.all()] == ["Spring", "still life"]
        assert known in picture.tags.all()
    assert Tag.objects.count() == 2


def test_a_picture_that_is_not_wanted_gets_no_tags() -> None:
    row = make_generation(Status.FETCHING, n=1, tag_names=["spring"])
    picture = row.pictures.get()
    picture.mark_lost("gone")
    stale = Picture.objects.get(pk=picture.pk)
    assert not stale.mark_stored(file="f.png", width=4, height=3, size_bytes=9, sha256="ab")
    assert not Tag.objects.exists()
