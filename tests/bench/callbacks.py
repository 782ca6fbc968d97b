"""How soon an image is there after it is finished upstream, without and with callbacks."""

import tempfile
from pathlib import Path
from uuid import uuid4

from tests.bench.report import percentile, print_figure, timestamp
from tests.installation import Installation, wait_until
from tests.simulator import Simulator

REQUESTS = 40
UPSTREAM_SECONDS = (5, 20)


def callbacks(settings: dict[str, object]) -> None:
    """Print the lag with the default poll interval, alone and with callbacks beside it."""
    for name, is_on, target in (("polls alone", False, ""), ("with callbacks", True, "< 0.8 s")):
        lags, queries = _lags(is_on, settings)
        figure = f"{percentile(50, lags):.2f} / {percentile(95, lags):.2f} s"
        print_figure(f"finished upstream -> final, {name}, p50 / p95", figure, target)
        print_figure("  queries a request", f"{queries / REQUESTS:.1f}")


def _lags(is_on: bool, settings: dict[str, object]) -> tuple[list[float], int]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Simulator(seconds=UPSTREAM_SECONDS) as simulator,
        Installation(
            Path(folder),
            upstream_url=simulator.url,
            upstream_profile="extended",
            callbacks=str(is_on).lower(),
            concurrency_limit=0,
            **settings,
        ).prepare() as installation,
    ):
        visitor = installation.open()
        for number in range(REQUESTS):
            assert visitor.generate(f"bench callback {number}", nonce=uuid4()).ok
        wait_until(installation.is_idle, 180, "all requests are final")
        assert installation.statuses() == {"succeeded": REQUESTS}
        rows = installation.rows("SELECT prompt, finished_at FROM generations_generation")
        finished = {row["prompt"]: timestamp(row["finished_at"]) for row in rows}
        lags = [finished[task["prompt"]] - task["done_at"] for task in simulator.tasks()]
        return lags, simulator.stats()["requests"]["query"]
