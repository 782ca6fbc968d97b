"""Houses of several sizes, filled and asked for their pages; each in a process of its own."""

import os
import subprocess
import sys
import tempfile

from tests.installation import ROOT

TARGETS = """
Targets: a list page <= 15 ms of processor; 100,000 rows at most 1.2 x of 1,000; 1,000,000 <= 30 ms;
the oldest page at most 1.1 x of the first; at most 8 queries; a page of a rare word <= 20 ms at
100,000 and <= 50 ms at 1,000,000; a list page <= 10 KB compressed."""


def gallery(sizes: list[int], database_url: object = "") -> None:
    print(TARGETS)
    for many in sizes:
        with tempfile.TemporaryDirectory() as folder:
            where = {"KLINGWEB_DATA_DIR": folder, "KLINGWEB_LOG_LEVEL": "ERROR"}
            if database_url:
                where["KLINGWEB_DATABASE_URL"] = str(database_url)
            for command in (
                ["manage.py", "migrate", "--verbosity", "0"],
                ["manage.py", "sample_data", "--generations", str(many)],
                ["-m", "tests.bench.pages"],
                ["manage.py", "sample_data", "--remove"],
            ):
                subprocess.run(
                    [sys.executable, *command],
                    cwd=ROOT,
                    env=os.environ | where,  # noqa: TID251
                    check=True,
                )
