"""Cost of pages on installs of several sizes, each in its own process."""

import os
import subprocess
import sys
import tempfile

from tests.installation import ROOT

TARGETS = """
Targets: list page <= 15 ms of processor time; at 100,000 rows <= 1.2 x the time at 1,000; at
1,000,000 <= 30 ms; oldest page <= 1.1 x the first; <= 8 queries; search for a rare word <= 20 ms at
100,000 and <= 50 ms at 1,000,000; list page <= 10 KB compressed."""


ADMIN_TARGETS = """
Targets: every list, search and filter of the admin < 100 ms of processor time at 1,000,000 rows;
overview < 50 ms."""


def gallery(sizes: list[int], database_url: object = "") -> None:
    """Print the figures of every page for each number of generations."""
    print(TARGETS)
    _measure_installs("tests.bench.pages", sizes, database_url)


def admin(sizes: list[int], database_url: object = "") -> None:
    """Print the figures of the admin's pages for each number of generations."""
    print(ADMIN_TARGETS)
    _measure_installs("tests.bench.admin_pages", sizes, database_url)


def _measure_installs(module: str, sizes: list[int], database_url: object) -> None:
    """Run a module on a new install with each number of generations."""
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            environment = {"KLINGWEB_DATA_DIR": folder, "KLINGWEB_LOG_LEVEL": "ERROR"}
            if database_url:
                environment["KLINGWEB_DATABASE_URL"] = str(database_url)
            for command in (
                ["manage.py", "migrate", "--verbosity", "0"],
                ["manage.py", "sample_data", "--generations", str(count)],
                ["-m", module],
                ["manage.py", "sample_data", "--remove"],
            ):
                subprocess.run(
                    [sys.executable, *command],
                    cwd=ROOT,
                    env=os.environ | environment,  # noqa: TID251
                    check=True,
                )
