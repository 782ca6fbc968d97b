"""The random mix: faults of many kinds and kills, beside the same load without them."""

import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.fair_site import Site, Sites
from tests.bench.report import print_figure
from tests.mix import OPEN, charged_twice, lost, sent_in_silence

FAULT_PERCENT = 10
PEOPLE = ("ann", "bob", "cem", "dan")
REQUESTS = 300
UPSTREAM_SECONDS = (2.0, 8.0)
SECONDS_BETWEEN_KILLS = 60.0
DEADLINE_SECONDS = 600.0
MAX_RATIO = 2.0
UNFINISHED = OPEN - {"unconfirmed"}

# Each of them ends with images, or with a row that is openly unconfirmed.
FAULTS = (
    "too-many", "too-fast", "too-fast-retry-after", "empty-429", "saturated", "submit-5000",
    "submit-5001", "no-channel",
    "submit-1103", "key-refused-openai", "payment-required", "firewall-page",
    "answer-late", "cut-after-accept", "cut-before-accept", "half-answer", "html-502",
    "query-500-twice", "query-429-retry-after", "query-silent",
    "file-403-once", "file-500-twice", "file-cut-once",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """`seconds` is infinite if rows were still unfinished at the deadline."""

    seconds: float
    statuses: dict[str, int]
    charged_twice: list[str]
    lost: list[str]
    silences: int
    too_early: list[dict[str, Any]]
    kills: int
    faults: Counter[str]


def mix(percent: int, /, **settings: object) -> None:
    """Print what the faults and kills did, and how long the load took with and without them.

    `percent` of the requests have one of the faults.
    """
    print(
        f"\nRandom mix: {REQUESTS} requests of {len(PEOPLE)} people, {len(FAULTS)} faults at "
        f"p = {percent / 100}, kills each {SECONDS_BETWEEN_KILLS:.0f} s, upstream time "
        f"{UPSTREAM_SECONDS} s, default settings."
    )
    with tempfile.TemporaryDirectory() as folder:
        sites = Sites(Path(folder), settings, members=PEOPLE, upstream_seconds=UPSTREAM_SECONDS)
        with sites.open() as calm, sites.open() as disturbed, ThreadPoolExecutor() as pool:
            usual = pool.submit(run, calm, prompts(REQUESTS, 0), None, DEADLINE_SECONDS)
            with_faults = pool.submit(
                run,
                disturbed,
                prompts(REQUESTS, percent / 100),
                SECONDS_BETWEEN_KILLS,
                DEADLINE_SECONDS,
            )
            print_outcome(usual.result(), with_faults.result())


def prompts(
    count: int, probability: float, *, faults: Sequence[str] = FAULTS, seed: int = 10
) -> list[str]:
    """Return the prompts; each has, with this probability, one of the faults.

    No fault comes again before each of the others has come.
    """
    rng = random.Random(seed)
    dealt: list[str] = []
    result = []
    for number in range(count):
        scenario = "normal"
        if rng.random() < probability:
            dealt = dealt or rng.sample(faults, len(faults))
            scenario = dealt.pop()
        result.append(f"mixed {number}, simulate: {scenario}")
    return result


def run(
    site: Site,
    prompts: Sequence[str],
    seconds_between_kills: float | None,
    deadline_seconds: float,
) -> Outcome:
    """Queue the requests of all people at once, and wait until none is unfinished."""
    started = time.time()
    with ThreadPoolExecutor(len(site.visitors)) as pool:
        shares = [prompts[index :: len(site.visitors)] for index in range(len(site.visitors))]
        sent = pool.map(
            lambda person, share: [person.generate(prompt).ok for prompt in share],
            site.visitors.values(),
            shares,
        )
        is_finished = threading.Event()
        killed_at: list[float] = []
        killer = threading.Thread(
            target=_kill_regularly, args=(site, seconds_between_kills, is_finished, killed_at)
        )
        if seconds_between_kills:
            killer.start()
        assert all(ok for share in sent for ok in share), "a form was refused"
    while time.time() < started + deadline_seconds and _unfinished(site):
        time.sleep(0.5)
    is_finished.set()
    if seconds_between_kills:
        killer.join()
    seconds = float("inf") if _unfinished(site) else time.time() - started
    rows = site.installation.rows("SELECT * FROM generations_generation")
    silences, too_early = sent_in_silence(site.simulator, rows, killed_at)
    return Outcome(
        seconds=seconds,
        statuses=dict(Counter(row["status"] for row in rows if row["prompt"] in set(prompts))),
        charged_twice=charged_twice(site.simulator),
        lost=lost(site.simulator, rows),
        silences=silences,
        too_early=too_early,
        kills=len(killed_at),
        faults=Counter(prompt.rpartition(" ")[2] for prompt in prompts),
    )


def _kill_regularly(
    site: Site, seconds: float, is_finished: threading.Event, killed_at: list[float]
) -> None:
    while not is_finished.wait(seconds):
        killed_at.append(time.time())
        site.installation.kill("worker")
        site.installation.start("worker")


def _unfinished(site: Site) -> bool:
    return bool(UNFINISHED & site.installation.statuses().keys())


def print_outcome(usual: Outcome, with_faults: Outcome) -> None:
    kinds = len(with_faults.faults.keys() - {"normal"})
    faulty = with_faults.faults.total() - with_faults.faults["normal"]
    print(f"{faulty} requests with faults of {kinds} kinds, {with_faults.kills} kills.")
    print(f"Without faults: {usual.statuses}. With faults: {with_faults.statuses}.")
    print_figure("charged twice", str(len(with_faults.charged_twice)), "0")
    print_figure("lost", str(len(with_faults.lost)), "0")
    print_figure(
        f"sent during one of {with_faults.silences} silences",
        str(len(with_faults.too_early)),
        "0",
    )
    print_figure("all final or unconfirmed, without faults", f"{usual.seconds:.0f} s")
    print_figure("all final or unconfirmed, with faults", f"{with_faults.seconds:.0f} s")
    print_figure("  ratio", f"{with_faults.seconds / usual.seconds:.2f} x", f"<= {MAX_RATIO} x")
    for name in ("charged_twice", "lost"):
        if wrong := getattr(with_faults, name):
            print(f"{name}: {wrong}")
