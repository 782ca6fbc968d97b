"""Soak test: steady load for some minutes. Memory and open files must stay flat."""

import tempfile
import time
from pathlib import Path

import psutil

from tests.bench.report import print_figure, pss_megabytes
from tests.installation import Installation
from tests.simulator import Simulator

WARM_UP_SECONDS = 180  # afterwards every worker process has run every kind of task
INTERVAL_SECONDS = 0.5  # between two requests


def soak(minutes: int, **settings: object) -> None:
    """Print how memory and open files of the worker change under steady load."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Simulator(seconds=(5, 20)) as simulator,
        Installation(
            Path(folder), upstream_url=simulator.url, poll_seconds="2,5,5,5", concurrency_limit=0,
            **settings,
        ).prepare() as installation,
    ):  # fmt: skip
        visitor = installation.open()
        started, count, first = time.monotonic(), 0, (0.0, 0)
        while (passed := time.monotonic() - started) < minutes * 60:
            visitor.generate(f"soak {count}")
            count += 1
            if not first[1] and passed > WARM_UP_SECONDS:
                first = _load(installation)
            time.sleep(INTERVAL_SECONDS)
        last = _load(installation)
        print(f"\nSoak of {minutes} min, {count} generations: {installation.statuses()}")
        for name, unit, before, after in (
            ("memory of the worker (PSS)", "MB", first[0], last[0]),
            ("open files of the worker", "", float(first[1]), float(last[1])),
        ):
            change = f"{after / before - 1:+.1%}, < 10 %"
            print_figure(name, f"{before:.0f} -> {after:.0f} {unit}", change)


def _load(installation: Installation) -> tuple[float, int]:
    """Return memory in MB and the number of open files of the worker's processes."""
    processes = installation.process_tree("worker")
    return pss_megabytes(processes), sum(_open_files(process) for process in processes)


def _open_files(process: psutil.Process) -> int:
    return process.num_fds() if process.is_running() else 0
