"""Download threads: hanging or slow files of one person delay no file of another."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.utils import timezone
from pytest_django import Settings

from generations.models import DuePicture, Generation, Member, Picture, Status
from generations.worker import download, fetch, imaging
from generations.worker.download import Transfer
from generations.worker.fetch_shares import Shares, max_threads
from generations.worker.lease import LeasedLoop
from tests.builders import make_generation, make_member, png_bytes
from tests.scripted_server import ScriptedResponse, ScriptedServer, reply
from tests.simulator import Simulator
from tests.worker_driver import run_loops

pytestmark = pytest.mark.django_db

HELD_SECONDS = 10  # a held file fails then, so that a test of unfair code ends


@pytest.fixture
def host(upstream: Simulator, settings: Settings) -> Iterator[ScriptedServer]:
    """The file host of everybody. Answers with a picture, if a test sets no other route."""
    with ScriptedServer(reply(200, png_bytes())) as server:
        settings.UPSTREAM_URL = server.url
        yield server


def make_wanted(owner: Member, host: ScriptedServer, count: int) -> list[str]:
    """Pictures of this person that are due for download; return the paths of their files."""
    paths: list[str] = []
    while len(paths) < count:
        row = make_generation(Status.FETCHING, owner=owner, n=min(9, count - len(paths)))
        for picture in row.pictures.all():
            paths.append(f"/{owner.username}/{picture.pk}.png")
            picture.upstream_url = host.url + paths[-1]
            picture.next_try_at = timezone.now()
            picture.save()
    return paths


def held_until(opened: threading.Event, *, trickling: bool = False) -> ScriptedResponse:
    """A file that hangs, or comes a byte at a time, until the event."""
    response = reply(200, png_bytes())

    def send(client: socket.socket) -> None:
        sent = 0
        while not opened.wait(0.05):
            if trickling:
                client.sendall(response[sent : sent + 1])
                sent += 1
        client.sendall(response[sent:])

    return send


def opening(opened: threading.Event) -> ScriptedResponse:
    """A file whose request opens those that are held."""

    def send(client: socket.socket) -> None:
        opened.set()
        client.sendall(reply(200, png_bytes()))

    return send


class LoopWithArrivals(LeasedLoop):
    """A run of the fetch loop; pictures of others arrive when the first downloads have started."""

    def __init__(self, host: ScriptedServer, arrive: Callable[[], None]) -> None:
        super().__init__("fetch", lambda _name: None, seconds=60)
        self.host, self.arrivals = host, [arrive]

    def should_continue(self) -> bool:
        if len(self.host.requests) >= settings.FETCH_THREADS and self.arrivals:
            self.arrivals.pop()()
        return super().should_continue()


def tries_of(owner: Member) -> set[int]:
    return set(Picture.objects.filter(generation__owner=owner).values_list("tries", flat=True))


def is_all_stored() -> bool:
    return not Picture.objects.exclude(state=Picture.State.STORED).exists()


@pytest.mark.parametrize("count", [9, 27])
@pytest.mark.parametrize("trickling", [False, True], ids=["hanging", "trickling"])
def test_files_of_others_come_while_those_of_one_person_do_not(
    host: ScriptedServer, monkeypatch: pytest.MonkeyPatch, count: int, trickling: bool
) -> None:
    monkeypatch.setattr(download, "DOWNLOAD_SECONDS", HELD_SECONDS)
    ann, opened = make_member("ann"), threading.Event()
    for path in make_wanted(ann, host, count):
        host.routes[path] = held_until(opened, trickling=trickling)

    def others_arrive() -> None:
        for name in ("bob", "carl"):
            make_wanted(make_member(name), host, 3)
        [last] = make_wanted(make_member("dora"), host, 1)
        host.routes[last] = opening(opened)

    with LoopWithArrivals(host, others_arrive) as loop:
        fetch.run(loop)
    assert len(host.requests) == count + 7
    assert is_all_stored()
    assert tries_of(ann) == {0}, "none of the held files had to wait until its deadline"


def test_all_hanging_files_of_a_person_wait_at_once(
    host: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "DOWNLOAD_SECONDS", HELD_SECONDS)
    monkeypatch.setattr(download, "STALLED_SECONDS", 0.02)
    ann, opened = make_member("ann"), threading.Event()
    paths = make_wanted(ann, host, 2 * settings.FETCH_THREADS)
    for path in paths:
        host.routes[path] = held_until(opened)
    host.routes[paths[-1]] = opening(opened)
    run_loops("fetch", seconds=60)
    assert is_all_stored()
    assert tries_of(ann) == {0}


def test_people_take_turns(host: ScriptedServer, settings: Settings) -> None:
    settings.FETCH_THREADS = 2
    make_wanted(make_member("ann"), host, 50)
    [path] = make_wanted(make_member("bob"), host, 1)
    run_loops("fetch", seconds=60)
    requested = [request.path for request in host.requests]
    assert requested.index(path) <= 2
    assert is_all_stored()


def test_few_pictures_are_decoded_at_once_and_people_take_turns(
    host: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoding: list[int] = []
    highest: list[int] = []
    process = imaging.process

    def counting(original: bytes) -> imaging.ProcessedImage:
        decoding.append(1)
        highest.append(len(decoding))
        try:
            return process(original)
        finally:
            decoding.pop()

    monkeypatch.setattr(imaging, "process", counting)
    for name in ("ann", "bob"):
        make_wanted(make_member(name), host, 9)
    run_loops("fetch", seconds=60)
    assert is_all_stored()
    assert len(highest) == 18
    assert max(highest) <= fetch.PROCESS_THREADS


# --- shares of threads ---------------------------------------------------------------------------


def add_started(pending: list[Transfer], owner: int, due: list[DuePicture]) -> int:
    """Start what this person may start; return how many downloads."""
    by_key = {picture.pk: picture for picture in due}
    chosen = [by_key[pk] for pk in Shares(pending).choose(due)]
    generation = Generation(owner_id=owner)
    pending += [Transfer(Picture(generation=generation, upstream_url=one[2])) for one in chosen]
    return len(chosen)


def due_of(owner: int, count: int = 100, host: str = "hangs.example") -> list[DuePicture]:
    return [DuePicture(pk, owner, f"https://{host}/{pk}.png") for pk in range(count)]


@pytest.mark.parametrize("people", range(1, 9))
def test_stalled_downloads_leave_threads_for_the_next_person(
    monkeypatch: pytest.MonkeyPatch, people: int
) -> None:
    pending: list[Transfer] = []
    monkeypatch.setattr(Transfer, "is_stalled", True)
    while sum([add_started(pending, owner, due_of(owner)) for owner in range(people)]):
        assert len(pending) < max_threads()
    assert len(pending) > max_threads() / 4, "one alone gets many"
    assert add_started(pending, people, due_of(people))


def test_host_that_hangs_for_all_leaves_threads_for_other_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pending: list[Transfer] = []
    monkeypatch.setattr(Transfer, "is_stalled", True)
    while sum([add_started(pending, owner, due_of(owner, 1)) for owner in range(30)]):
        assert len(pending) < max_threads()
    assert not add_started(pending, 0, due_of(0))
    assert add_started(pending, 0, due_of(0, host="answers.example"))
    assert add_started(pending, 31, due_of(31)), "one call of each person may always try it"


def test_answering_host_is_not_limited_although_all_files_come_from_it() -> None:
    pending: list[Transfer] = []
    assert add_started(pending, 1, due_of(1)) == settings.FETCH_THREADS
    assert add_started(pending, 1, due_of(1)) == 0
    assert add_started(pending, 2, due_of(2)) == 2, "whatever others download"
