"""A soak: steady work for some minutes; memory and open files must stay flat."""

import tempfile
import time
from pathlib import Path

import psutil

from tests.bench.say import pss_megabytes, say
from tests.installation import Installation
from tests.simulator import Simulator

SETTLE_SECONDS = 180  # by then every worker has done all it learns to do
GAP_SECONDS = 0.5  # between two presses


def soak(minutes: int, **settings: object) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Simulator(seconds=(5, 20)) as simulator,
        Installation(
            Path(folder), upstream_url=simulator.url, poll_seconds="2,5,5,5", concurrency_limit=0,
            **settings,
        ).prepare() as installation,
    ):  # fmt: skip
        visitor = installation.open()
        began, made, first = time.monotonic(), 0, (0.0, 0)
        while (passed := time.monotonic() - began) < minutes * 60:
            visitor.make(f"soak {made}")
            made += 1
            if not first[1] and passed > SETTLE_SECONDS:
                first = _load(installation)
            time.sleep(GAP_SECONDS)
        last = _load(installation)
        print(f"\nSoak of {minutes} min, {made} generations: {installation.statuses()}")
        for what, unit, before, after in (
            ("memory of the worker (PSS)", "MB", first[0], last[0]),
            ("open files of the worker", "", float(first[1]), float(last[1])),
        ):
            say(what, f"{before:.0f} -> {after:.0f} {unit}", f"{after / before - 1:+.1%}, < 10 %")


def _load(installation: Installation) -> tuple[float, int]:
    family = installation.process_tree("worker")
    return pss_megabytes(family), sum(_files(process) for process in family)


def _files(process: psutil.Process) -> int:
    return process.num_fds() if process.is_running() else 0
