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


def gallery(sizes: list[int], database_url: object = "") -> None:
    """Print the figures of every page for each number of generations."""
    print(TARGETS)
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            environment = {"KLINGWEB_DATA_DIR": folder, "KLINGWEB_LOG_LEVEL": "ERROR"}
            if database_url:
                environment["KLINGWEB_DATABASE_URL"] = str(database_url)
            for command in (
                ["manage.py", "migrate", "--verbosity", "0"],
                ["manage.py", "sample_data", "--generations", str(count)],
                ["-m", "tests.bench.pages"],
                ["manage.py", "sample_data", "--remove"],
            ):
                subprocess.run(
                    [sys.executable, *command],
                    cwd=ROOT,
                    env=os.environ | environment,  # noqa: TID251
                    check=True,
                )
