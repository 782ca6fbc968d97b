"""`make bench`: figures beside their targets and conditions."""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from uuid import uuid4

import psutil
import psycopg

from tests.bench.bare_script import BareScript
from tests.bench.callbacks import callbacks
from tests.bench.fair import fair
from tests.bench.gallery import admin, gallery
from tests.bench.immediate import TASKS, immediate
from tests.bench.in_flight import in_flight
from tests.bench.lighthouse import lighthouse
from tests.bench.mix import FAULT_PERCENT, mix
from tests.bench.money import budget_under_kills, press_to_card
from tests.bench.report import cpu_seconds, percentile, print_figure, pss_megabytes, timestamp
from tests.bench.soak import soak
from tests.installation import Installation, Visitor, wait_until
from tests.simulator import Simulator

POLL_SECONDS = "2,5,5,5"
UPSTREAM_SECONDS = (5, 20)
SINGLE_REQUEST_SECONDS = (5.0, 8.0, 11.0, 14.0, 17.0, 20.0)
REQUESTS_AT_ONCE = 100
IDLE_WARM_UP_SECONDS = 20
IDLE_SECONDS = 30
IN_FLIGHT = [100, 1_000, 5_000, 10_000]
SOAK_MINUTES = 10
GALLERY_ROWS = [1_000, 100_000]
DEFAULT_SECTIONS = [
    "requests",
    "submits",
    "in-flight",
    "fair",
    "money",
    "callbacks",
    "immediate",
    "gallery",
    "admin",
    "lighthouse",
]


def main() -> None:
    """`tests.bench [requests] [submits] [in-flight [N]] [soak [N]] [fair [N]] [mix [N]]
    [money] [callbacks] [immediate [N]] [gallery [N]] [admin [N]] [lighthouse]`

    N is the number of tasks in flight, of minutes, of a fault, of requests with a fault in
    percent, or of generations; several are possible.
    """
    sections = sys.argv[1:] or DEFAULT_SECTIONS
    numbers = [int(word) for word in sections if word.isdecimal()]
    print(__doc__)
    with database() as settings:
        kind = "PostgreSQL" if settings else "SQLite"
        print(f"Python {platform.python_version()}, {psutil.cpu_count()} cores, {kind}.")
        if "requests" in sections:
            whole_requests(settings)
        if "submits" in sections:
            submits(settings)
        if "in-flight" in sections:
            in_flight(numbers or IN_FLIGHT, **settings)
        if "soak" in sections:
            soak(numbers[0] if numbers else SOAK_MINUTES, **settings)
        if "fair" in sections:
            fair(numbers, **settings)
        if "mix" in sections:
            mix(numbers[0] if numbers else FAULT_PERCENT, **settings)
        if "money" in sections:
            budget_under_kills(settings)
            with database() as one, database() as another:
                press_to_card(one, another)
        if "callbacks" in sections:
            callbacks(settings)
        if "immediate" in sections:
            immediate(numbers[0] if numbers else TASKS, **settings)
        if "gallery" in sections:
            gallery(numbers or GALLERY_ROWS, **settings)
        if "admin" in sections:
            admin(numbers or GALLERY_ROWS, **settings)
        if "lighthouse" in sections:
            lighthouse()


@contextmanager
def database() -> Iterator[dict[str, object]]:
    """Yield settings of an `Installation`: SQLite, or a new database on the PostgreSQL server."""
    server = os.environ.get("KLINGWEB_DATABASE_URL", "")  # noqa: TID251
    if not server:
        yield {}
        return
    name = f"klingweb_bench_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield {"database_url": f"{server.rsplit('/', 1)[0]}/{name}"}
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def whole_requests(settings: dict[str, object]) -> None:
    """Measure an idle install, single requests, and many requests at once."""
    print(
        f"Worker running, n = 1, plain 512 px images, poll interval {POLL_SECONDS} s, no "
        f"concurrency limit, upstream time {UPSTREAM_SECONDS[0]}-{UPSTREAM_SECONDS[1]} s.\n"
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        Simulator(seconds=UPSTREAM_SECONDS) as simulator,
        Installation(
            Path(folder),
            upstream_url=simulator.url,
            poll_seconds=POLL_SECONDS,
            concurrency_limit=0,
            **settings,
        ) as installation,
    ):
        installation.start("run")
        installation.wait_for_web()
        idle(installation)
        visitor = installation.sign_in()
        visitor.session.headers["HX-Request"] = "true"
        script = BareScript(simulator.url, simulator.key, 2.0, Path(folder))
        one_at_a_time(installation, simulator, visitor, script)
        many_at_once(installation, simulator, visitor, script)


def submits(settings: dict[str, object]) -> None:
    """Measure how fast queued requests are sent when the upstream takes 1 s for each POST."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Simulator(submit_seconds=1, seconds=UPSTREAM_SECONDS) as simulator,
        Installation(
            Path(folder), upstream_url=simulator.url, concurrency_limit=0, **settings
        ).prepare() as installation,
    ):
        installation.start("web")
        installation.wait_for_web()
        visitor = installation.sign_in()
        for number in range(REQUESTS_AT_ONCE):
            visitor.generate(f"bench submit {number}")
        installation.start("worker")
        wait_until(
            lambda: len(simulator.requests("submit")) >= REQUESTS_AT_ONCE, 120, "all are sent"
        )
        sent_at = [submit["wall"] for submit in simulator.requests("submit")]
        seconds = max(sent_at) - min(sent_at)
        print_figure(
            f"{REQUESTS_AT_ONCE} queued, POST takes 1 s: first to last POST",
            f"{seconds:.1f} s",
            "< 15 s",
        )


def idle(installation: Installation) -> None:
    """Measure the install without any work, and without the simulator."""
    time.sleep(IDLE_WARM_UP_SECONDS)
    processes = installation.process_tree("run")
    before = cpu_seconds(processes)
    time.sleep(IDLE_SECONDS)
    cpu = (cpu_seconds(processes) - before) / IDLE_SECONDS
    memory = pss_megabytes(processes)
    print_figure("idle, whole install: processor, one core", f"{cpu:.1%}", "< 2 %")
    print_figure(
        f"idle, whole install: memory, {len(processes)} processes", f"{memory:.0f} MB", "< 250 MB"
    )


def one_at_a_time(
    installation: Installation, simulator: Simulator, visitor: Visitor, script: BareScript
) -> None:
    """Run each upstream time once through klingweb and once through the bare script."""
    ours, theirs = [], []
    for seconds in SINGLE_REQUEST_SECONDS:
        simulator.settings(seconds=[seconds, seconds])
        started = time.perf_counter()
        visitor.generate(f"bench single {seconds}")
        wait_until(installation.is_idle, 120, "the request is final")
        ours.append(time.perf_counter() - started)
        theirs.append(script.generate(f"bare single {seconds}"))
    simulator.settings(seconds=list(UPSTREAM_SECONDS))
    compare("whole request, one at a time", ours, theirs)


def many_at_once(
    installation: Installation, simulator: Simulator, visitor: Visitor, script: BareScript
) -> None:
    """Run many requests at once through klingweb, then through the bare script."""
    prompts = [f"bench many {number}" for number in range(REQUESTS_AT_ONCE)]
    posts = []
    for prompt in prompts:
        started = time.perf_counter()
        assert visitor.generate(prompt, nonce=uuid4()).ok
        posts.append(time.perf_counter() - started)
    wait_until(installation.is_idle, 180, "all requests are final")
    rows = installation.rows(
        "SELECT prompt, created_at, finished_at, status FROM generations_generation "
        "WHERE prompt LIKE 'bench many %'"
    )
    assert {row["status"] for row in rows} == {"succeeded"}, installation.statuses()
    created = {row["prompt"]: timestamp(row["created_at"]) for row in rows}
    finished = {row["prompt"]: timestamp(row["finished_at"]) for row in rows}
    tasks = {task["prompt"]: task for task in simulator.tasks()}
    submitted = {each["prompt"]: each["wall"] for each in simulator.requests("submit")}
    ours = [finished[prompt] - created[prompt] for prompt in prompts]
    upstream = [tasks[prompt]["done_at"] - tasks[prompt]["created_at"] for prompt in prompts]
    theirs = script.generate_all([f"bare many {number}" for number in range(REQUESTS_AT_ONCE)])
    compare(f"whole request, {REQUESTS_AT_ONCE} at once", ours, theirs)
    print_figure("  of which upstream", f"{mean(upstream):.2f} s")

    queued = [submitted[prompt] - created[prompt] for prompt in prompts]
    lag = [finished[prompt] - tasks[prompt]["done_at"] for prompt in prompts]
    print_figure(
        "form sent -> card, p95", f"{percentile(95, posts) * 1000:.0f} ms", "< 60 ms on the server"
    )
    print_figure("row queued -> POST sent, p50", f"{percentile(50, queued):.2f} s", "< 0.3 s")
    print_figure("finished upstream -> final, p50", f"{percentile(50, lag):.2f} s", "< 1.5 s")
    print_figure("finished upstream -> final, p95", f"{percentile(95, lag):.2f} s", "< 3 s")


def compare(name: str, ours: list[float], theirs: list[float]) -> None:
    print_figure(f"{name}: klingweb / bare script", f"{mean(ours):.2f} / {mean(theirs):.2f} s")
    print_figure("  ratio", f"{mean(ours) / mean(theirs):.2f} x", "<= 1.10 x")


if __name__ == "__main__":
    main()
