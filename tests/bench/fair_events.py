"""Cases of the section `fair` with figures of their own: kills, a refused key, containers."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from statistics import median

from tests.bench.fair_site import Load, Site, Sites, run_side_by_side
from tests.bench.report import timestamp
from tests.installation import wait_until

DEADLINE_SECONDS = 60.0
MAX_RATIO = 1.2
RECOVERY_SECONDS = 15
MAX_REFUSED_POSTS = 3  # one shows the fault, another one that it is the key's; one is under way
HANGING_SECONDS = 25.0  # longer than two heartbeats
CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")

UNREADABLE_REFERENCE = """
from uuid import uuid4
from django.conf import settings
from generations.models import Generation, Member, ReferenceImage
from generations.worker import tasks
(settings.MEDIA_ROOT / "references" / "folder").mkdir(parents=True)
ann = Member.objects.get(username="ann")
reference = ReferenceImage.objects.create(
    owner=ann, file="references/folder", name="pear.png", content_type="image/png", width=300,
    height=300, size_bytes=1, sha256="0")
Generation.objects.create(owner=ann, idempotency_key=str(uuid4()), prompt="unreadable, for ann",
                          aspect_ratio="1:1", reference=reference)
tasks.enqueue_submit()
"""


@dataclass(frozen=True)
class Event:
    name: str
    figure: str
    target: str
    is_ok: bool
    seen: str
    usual: str = ""


def unreadable_reference(sites: Sites) -> Iterator[Event]:
    """Ann's reference image is a folder: opening it raises another error than "not found"."""
    with sites.open() as undisturbed, sites.open() as site:
        site.installation.manage("shell", "-c", UNREADABLE_REFERENCE)
        usual, times = run_side_by_side([undisturbed, site], Load(), DEADLINE_SECONDS)
        ratios = (median(times) / median(usual), times[-1] / usual[-1])
        sent = site.requests_of("ann")["submit", 200]
        yield Event(
            "2 unreadable reference",
            f"{median(times):.1f} / {times[-1]:.1f}",
            f"<= {MAX_RATIO} x",
            max(ratios) <= MAX_RATIO and not sent,
            f"ann's row: {dict(site.statuses_of('ann'))}, sent: {sent}",
            usual=f"{median(usual):.1f} / {usual[-1]:.1f}",
        )


def kills_during_download(sites: Sites) -> Iterator[Event]:
    """All processes of the worker are killed and started again; then the one that downloads."""
    for name, kill in (
        ("9 worker killed in download", _kill_worker),
        ("9 process killed in download", _kill_downloader),
    ):
        with sites.open() as site:
            site.simulator.scenario("file-silent", match="bob", downloads=1, file_seconds=120)
            prompt = site.generate("bob")
            wait_until(lambda: site.requests_of("bob")["file", None], 30, "the download hangs")
            killed_at = time.time()
            kill(site)
            seconds = _seconds_until_stored(site, prompt, killed_at)
            yield Event(
                name,
                f"{seconds:.1f}" if seconds < DEADLINE_SECONDS else f"> {DEADLINE_SECONDS:.0f}",
                f"<= {RECOVERY_SECONDS} s",
                seconds <= RECOVERY_SECONDS,
                f"downloads: {len(site.simulator.requests('file')) - len(site.visitors)}",
            )


def _kill_worker(site: Site) -> None:
    site.installation.kill("worker")
    site.installation.start("worker")


def _kill_downloader(site: Site) -> None:
    """Kill the process from whose port the hanging download came."""
    ports = {
        request["remote_port"]
        for request in site.simulator.requests("file")
        if request["status"] is None
    }
    downloaders = [
        process
        for process in site.installation.process_tree("worker")
        if any(each.laddr.port in ports for each in process.net_connections() if each.laddr)
    ]
    assert len(downloaders) == 1, downloaders
    downloaders[0].kill()


def _seconds_until_stored(site: Site, prompt: str, since: float) -> float:
    query = (
        "SELECT finished_at FROM generations_generation WHERE prompt = ? AND status = 'succeeded'"
    )
    with suppress(AssertionError):
        rows = wait_until(lambda: site.installation.rows(query, prompt), DEADLINE_SECONDS)
        return timestamp(rows[0]["finished_at"]) - since
    return float("inf")


def refused_key(sites: Sites) -> Iterator[Event]:
    """Submits are refused with 401 while ann's earlier tasks are polled with success."""
    with sites.open() as site:
        site.simulator.scenario("never-ends", times=None, match="ann")
        for _ in range(3):
            site.generate("ann")
        wait_until(lambda: site.statuses_of("ann")["running"] == 3, 30, "ann's tasks run")
        site.simulator.scenario("key-refused-openai", times=None, match="bob")
        site.simulator.scenario("key-refused-openai", times=None, match="cem")
        refused_at = time.time()
        site.run(Load(requests=10, gap_seconds=1, owners=("bob", "cem")), 25)
        posts = sum(
            site.requests_of(name, since=refused_at)["submit", 401] for name in ("bob", "cem")
        )
        polls = site.requests_of("ann", since=refused_at)["query", 200]
        yield Event(
            "11 refused key, good polls",
            f"{posts} POSTs",
            f"<= {MAX_REFUSED_POSTS} POSTs",
            0 < posts <= MAX_REFUSED_POSTS and polls >= 2,
            f"good polls meanwhile: {polls}; others: {dict(site.statuses_of('bob'))}",
        )


def containers(sites: Sites) -> Iterator[Event]:
    """Another worker with the same host name, which cannot see the first one's processes."""
    with sites.open() as site:
        site.installation.start("worker", name="container", wrapper=CONTAINER)
        wait_until(lambda: len(site.installation.process_tree("container")) > 5, 30, "it runs")
        site.simulator.scenario(
            "answer-late", times=None, match="ann", answer_seconds=HANGING_SECONDS
        )
        for _ in range(4):
            site.generate("ann")
        site.run(Load(gap_seconds=2, owners=("bob", "cem")), DEADLINE_SECONDS)
        wait_until(lambda: site.requests_of("ann")["submit", None] == 0, 60, "all are answered")
        holders = site.installation.rows("SELECT DISTINCT holder FROM generations_submission")
        unconfirmed = site.installation.rows(
            "SELECT DISTINCT generation_id FROM generations_transition"
            " WHERE to_status = 'unconfirmed'"
        )
        yield Event(
            "13 two containers",
            f"{len(unconfirmed)} taken",
            "0 taken for dead",
            not unconfirmed,
            f"ann's POSTs of {HANGING_SECONDS:.0f} s: "
            f"{site.requests_of('ann')['submit', 200]}; processes that sent: {len(holders)}",
        )


EVENTS: list[tuple[int, Callable[[Sites], Iterator[Event]]]] = [
    (2, unreadable_reference),
    (9, kills_during_download),
    (11, refused_key),
    (13, containers),
]
