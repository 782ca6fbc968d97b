"""Engines without tasks: what their slow answers cost Kling's tasks, and what a large one needs."""

import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.bench.in_flight import SLOW_PROMPT, SLOW_SECONDS, klingweb
from tests.bench.report import percentile, print_figure, pss_megabytes
from tests.installation import Installation, wait_until
from tests.simulator import Simulator

ENGINE = "openai"  # answers with Base64
TASKS = 1_000
QUEUED = 200
SAMPLE_SECONDS = 0.05


def immediate(tasks: int, **settings: Any) -> None:
    """Print the lag of `tasks` Kling tasks alone and beside slow answers, and the memory."""
    print(
        f"\nImmediate: {QUEUED} queued for {ENGINE}, each answered after {SLOW_SECONDS:.0f} s, "
        f"beside {tasks:,} Kling tasks in flight."
    )
    alone = klingweb(tasks, **settings)
    beside = klingweb(
        tasks,
        lambda installation: installation.queue_requests(
            ENGINE, [f"{SLOW_PROMPT} {number}" for number in range(QUEUED)]
        ),
        **settings,
    )
    for name, figures in (("alone", alone), ("beside", beside)):
        lags = "/".join(f"{percentile(percent, figures.lags):.2f}" for percent in (50, 95))
        print_figure(f"Kling's lag {name}, p50/p95", f"{lags} s")
        print_figure(f"  worker {name}, one core", f"{figures.cpu:.0%}")
    print_figure("  slow answers waited for at once", f"{beside.submitting}")
    ratio = percentile(95, beside.lags) / percentile(95, alone.lags)
    print_figure("  p95 beside / alone", f"{ratio:.2f} x", "<= 1.10 x")
    large_answer(**settings)


def large_answer(**settings: Any) -> None:
    """Print how much memory an answer with an image of 40 MB of Base64 adds to the worker."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Simulator() as simulator,
        Installation(
            Path(folder), upstream_url=simulator.url, **settings
        ).prepare() as installation,
    ):
        installation.start("worker")
        before = _peak_megabytes(installation, "a first red door")
        during = _peak_megabytes(installation, "a red door, simulate: base64-large")
        print_figure("worker, peak with a small answer", f"{before:.0f} MB")
        print_figure("  more with 40 MB of Base64", f"{during - before:.0f} MB", "< 60 MB")


def _peak_megabytes(installation: Installation, prompt: str) -> float:
    """Send one request, and return the largest memory of the worker until its image is stored."""
    installation.queue_requests(ENGINE, [prompt])
    peak, has_ended = 0.0, threading.Event()

    def sample() -> None:
        nonlocal peak
        while not has_ended.wait(SAMPLE_SECONDS):
            with suppress(psutil.NoSuchProcess):  # a process of the worker has just ended
                peak = max(peak, pss_megabytes(installation.process_tree("worker")))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        wait_until(installation.is_idle, 120, "the image is stored")
    finally:
        has_ended.set()
        sampler.join()
    assert set(installation.statuses()) == {"succeeded"}
    return peak
