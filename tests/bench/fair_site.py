"""One installation with its own simulator and signed-in members, for the section `fair`."""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from tests.bench.report import timestamp
from tests.installation import Installation, Visitor, wait_until
from tests.simulator import Simulator

MEMBERS = ("ann", "bob", "cem")
UPSTREAM_SECONDS = (1.0, 1.5)
SUBMIT_SECONDS = 0.05

_databases = count()


@dataclass(frozen=True)
class Load:
    """The others' requests: how many, the seconds between two of them, and whose in turn."""

    requests: int = 16
    gap_seconds: float = 0.5
    owners: tuple[str, ...] = ("bob",)


@dataclass(frozen=True)
class Site:
    """`ready_at` is the time after the first images, which are not counted."""

    simulator: Simulator
    installation: Installation
    visitors: dict[str, Visitor]
    ready_at: float

    def generate(self, owner: str, n: int = 1, label: str = "") -> str:
        """Send one request; its prompt contains the owner, so that scenarios can match it."""
        prompt = f"{label or uuid4().hex[:8]} for {owner}"
        assert self.visitors[owner].generate(prompt, n=n).ok
        return prompt

    def run(self, load: Load, deadline_seconds: float) -> list[float]:
        """Send the load on time, and return the others' seconds from creation to the stored image.

        A request that is not done at the deadline, or has failed, counts as infinity. Ann's
        requests are part of some loads and of no result.
        """
        label = uuid4().hex[:8]
        started = time.monotonic()
        for number in range(load.requests):
            time.sleep(max(0, started + number * load.gap_seconds - time.monotonic()))
            owner = load.owners[number % len(load.owners)]
            self.generate(owner, label=f"{label} {number}")
        while time.monotonic() < started + deadline_seconds:
            rows = self._rows(label)
            if all(row["finished_at"] for row in rows):
                break
            time.sleep(0.2)
        rows = self._rows(label)
        return sorted(
            timestamp(row["finished_at"]) - timestamp(row["created_at"])
            if row["status"] == "succeeded"
            else float("inf")
            for row in rows
        )

    def _rows(self, label: str) -> list[dict[str, Any]]:
        return self.installation.rows(
            "SELECT status, created_at, finished_at FROM generations_generation"
            " WHERE prompt LIKE ? AND prompt NOT LIKE ?",
            f"{label} %",
            "% ann",
        )

    def statuses_of(self, owner: str) -> Counter[str]:
        """Count the statuses of this person's rows, without the first image."""
        rows = self.installation.rows(
            "SELECT status FROM generations_generation WHERE prompt LIKE ? AND prompt <> ?",
            f"% {owner}",
            f"first for {owner}",
        )
        return Counter(row["status"] for row in rows)

    def requests_of(self, owner: str, since: float = 0) -> Counter[tuple[str, int | None]]:
        """Count the requests that arrived upstream for this person, by kind and status.

        The status is None while the upstream has not answered.
        """
        prompts = {task["task_id"]: task["prompt"] for task in self.simulator.tasks()}
        return Counter(
            (request["kind"], request["status"])
            for request in self.simulator.requests()
            if request["wall"] >= (since or self.ready_at)
            and (request["prompt"] or prompts.get(request["task_id"], "")).endswith(owner)
        )


class Sites:
    """Starts installations as copies of one that is prepared once."""

    def __init__(
        self,
        folder: Path,
        settings: dict[str, object],
        *,
        members: tuple[str, ...] = MEMBERS,
        upstream_seconds: tuple[float, float] = UPSTREAM_SECONDS,
    ) -> None:
        self._folder, self._settings = folder, dict(settings)
        self._members, self._upstream_seconds = members, upstream_seconds
        self._template = folder / "template"
        self._template.mkdir()
        installation = Installation(self._template, **settings).prepare()
        installation.add_members(*members)

    @contextmanager
    def open(self, **settings: object) -> Iterator[Site]:
        """Yield a site that has made one image for each member."""
        folder = self._folder / uuid4().hex
        shutil.copytree(self._template, folder)
        with (
            self._database() as database,
            Simulator(seconds=self._upstream_seconds, submit_seconds=SUBMIT_SECONDS) as upstream,
            Installation(
                folder,
                **{
                    "upstream_url": upstream.url,
                    "log_level": "ERROR",
                    **self._settings,
                    **database,
                    **settings,
                },
            ) as installation,
        ):
            installation.start("web")
            installation.start("worker")
            installation.wait_for_web()
            visitors = {name: installation.sign_in(name) for name in self._members}
            for name, visitor in visitors.items():
                # The web server may close an idle connection while a form is being sent on it.
                visitor.session.headers["Connection"] = "close"
                visitor.session.close()
                assert visitor.generate(f"first for {name}").ok
            wait_until(installation.is_idle, 60, "the first images are stored")
            yield Site(upstream, installation, visitors, ready_at=time.time())
        shutil.rmtree(folder)

    @contextmanager
    def _database(self) -> Iterator[dict[str, object]]:
        """Yield settings of a copy of the template's database; SQLite's is in the folder."""
        if not (template := str(self._settings.get("database_url", ""))):
            yield {}
            return
        server, _, name = template.rpartition("/")
        copy = f"{name}_{next(_databases)}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {copy} TEMPLATE {name}")
            try:
                yield {"database_url": f"{server}/{copy}"}
            finally:
                connection.execute(f"DROP DATABASE {copy} WITH (FORCE)")


def run_side_by_side(sites: list[Site], load: Load, deadline_seconds: float) -> list[list[float]]:
    """Run the same load on all sites at the same time, so that the machine slows them equally."""
    with ThreadPoolExecutor(len(sites)) as pool:
        return list(pool.map(lambda site: site.run(load, deadline_seconds), sites))
