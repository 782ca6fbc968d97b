"""`make bench`: prints every figure beside its target and its conditions."""

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

from tests.bench.bare import Bare
from tests.bench.flight import in_flight
from tests.bench.gallery import gallery
from tests.bench.lighthouse import lighthouse
from tests.bench.say import at, cpu_seconds, pss_megabytes, say, seconds_of
from tests.bench.soak import soak
from tests.installation import Installation, Visitor, wait_until
from tests.simulator import Simulator

POLL_SECONDS = "2,5,5,5"
UPSTREAM_SECONDS = (5, 20)
SINGLES = (5.0, 8.0, 11.0, 14.0, 17.0, 20.0)
MANY = 100
IDLE_SETTLE_SECONDS = 20
IDLE_SECONDS = 30
IN_FLIGHT = [100, 1_000, 5_000, 10_000]
SOAK_MINUTES = 10
ROWS = [1_000, 100_000]


def main() -> None:
    """`tests.bench [requests] [submits] [flight [N]] [soak [N]] [gallery [N]] [lighthouse]`

    N: how many in flight, how many minutes, how many generations.
    """
    wanted = sys.argv[1:] or ["requests", "submits", "flight", "gallery", "lighthouse"]
    numbers = [int(word) for word in wanted if word.isdecimal()]
    print(__doc__)
    with database() as settings:
        kind = "PostgreSQL" if settings else "SQLite"
        print(f"Python {platform.python_version()}, {psutil.cpu_count()} cores, {kind}.")
        if "requests" in wanted:
            whole_requests(settings)
        if "submits" in wanted:
            submits(settings)
        if "flight" in wanted:
            in_flight(numbers or IN_FLIGHT, **settings)
        if "soak" in wanted:
            soak(numbers[0] if numbers else SOAK_MINUTES, **settings)
        if "gallery" in wanted:
            gallery(numbers or ROWS, **settings)
        if "lighthouse" in wanted:
            lighthouse()


@contextmanager
def database() -> Iterator[dict[str, object]]:
    """Settings of a house: SQLite, or a PostgreSQL database of its own where one is named."""
    server = os.environ.get("KLINGWEB_DATABASE_URL", "")  # noqa: TID251
    if not server:
        yield {}
        return
    name = f"klingweb_bench_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield {"database_url": f"{server.rsplit('/', 1)[0]}/{name}"}
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def whole_requests(settings: dict[str, object]) -> None:
    print(
        f"Worker running, n = 1, plain 512 px pictures, poll rhythm {POLL_SECONDS} s, no budget of "
        f"units, upstream time {UPSTREAM_SECONDS[0]}-{UPSTREAM_SECONDS[1]} s.\n"
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        Simulator(seconds=UPSTREAM_SECONDS) as simulator,
        Installation(
            Path(folder), upstream_url=simulator.url, poll_seconds=POLL_SECONDS,
            concurrency_limit=0, **settings,
        ) as installation,
    ):  # fmt: skip
        installation.start("run")
        installation.wait_for_web()
        idle(installation)
        visitor = installation.sign_in()
        visitor.session.headers["HX-Request"] = "true"
        bare = Bare(simulator.url, simulator.key, 2.0, Path(folder))
        one_at_a_time(installation, simulator, visitor, bare)
        many_at_once(installation, simulator, visitor, bare)


def submits(settings: dict[str, object]) -> None:
    """A hundred wait, the upstream takes a second to answer a POST, and has no limit of its own."""
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
        for number in range(MANY):
            visitor.make(f"bench submit {number}")
        installation.start("worker")
        wait_until(lambda: len(simulator.requests("submit")) >= MANY, 120, "all are sent")
        walls = [sent["wall"] for sent in simulator.requests("submit")]
        took = max(walls) - min(walls)
        say(f"{MANY} queued, POST takes 1 s: first to last POST", f"{took:.1f} s", "< 15 s")


def idle(installation: Installation) -> None:
    """Nothing to do: what the whole costs, without the simulator."""
    time.sleep(IDLE_SETTLE_SECONDS)
    family = installation.process_tree("run")
    before = cpu_seconds(family)
    time.sleep(IDLE_SECONDS)
    cpu = (cpu_seconds(family) - before) / IDLE_SECONDS
    pss = pss_megabytes(family)
    say("idle, whole install: processor, one core", f"{cpu:.1%}", "< 2 %")
    say(f"idle, whole install: memory, {len(family)} processes", f"{pss:.0f} MB", "< 250 MB")


def one_at_a_time(
    installation: Installation, simulator: Simulator, visitor: Visitor, bare: Bare
) -> None:
    """Each upstream time once through klingweb and once through the bare script, in turn."""
    ours, theirs = [], []
    for seconds in SINGLES:
        simulator.settings(seconds=[seconds, seconds])
        started = time.perf_counter()
        visitor.make(f"bench single {seconds}")
        wait_until(installation.is_idle, 120, "the single is final")
        ours.append(time.perf_counter() - started)
        theirs.append(bare.make(f"bare single {seconds}"))
    simulator.settings(seconds=list(UPSTREAM_SECONDS))
    compare("whole request, one at a time", ours, theirs)


def many_at_once(
    installation: Installation, simulator: Simulator, visitor: Visitor, bare: Bare
) -> None:
    prompts = [f"bench many {number}" for number in range(MANY)]
    presses = []
    for prompt in prompts:
        started = time.perf_counter()
        assert visitor.make(prompt, nonce=uuid4()).ok
        presses.append(time.perf_counter() - started)
    wait_until(installation.is_idle, 180, "all are final")
    rows = installation.rows(
        "SELECT prompt, created_at, finished_at, status FROM generations_generation "
        "WHERE prompt LIKE 'bench many %'"
    )
    assert {row["status"] for row in rows} == {"succeeded"}, installation.statuses()
    created = {row["prompt"]: seconds_of(row["created_at"]) for row in rows}
    finished = {row["prompt"]: seconds_of(row["finished_at"]) for row in rows}
    tasks = {task["prompt"]: task for task in simulator.tasks()}
    posts = {sent["prompt"]: sent["wall"] for sent in simulator.requests("submit")}
    ours = [finished[prompt] - created[prompt] for prompt in prompts]
    upstream = [tasks[prompt]["done_at"] - tasks[prompt]["created_at"] for prompt in prompts]
    theirs = bare.make_many([f"bare many {number}" for number in range(MANY)])
    compare(f"whole request, {MANY} at once", ours, theirs)
    say("  of which upstream", f"{mean(upstream):.2f} s", "")

    line = [posts[prompt] - created[prompt] for prompt in prompts]
    lag = [finished[prompt] - tasks[prompt]["done_at"] for prompt in prompts]
    say("press -> card, p95", f"{at(95, presses) * 1000:.0f} ms", "< 60 ms on the server")
    say("row queued -> POST leaves, p50", f"{at(50, line):.2f} s", "< 0.3 s")
    say("finished upstream -> final, p50", f"{at(50, lag):.2f} s", "< 1.5 s")
    say("finished upstream -> final, p95", f"{at(95, lag):.2f} s", "< 3 s")


def compare(what: str, ours: list[float], theirs: list[float]) -> None:
    ratio = mean(ours) / mean(theirs)
    say(f"{what}: klingweb / bare script", f"{mean(ours):.2f} / {mean(theirs):.2f} s", "")
    say("  ratio", f"{ratio:.2f} x", "<= 1.10 x")


if __name__ == "__main__":
    main()
