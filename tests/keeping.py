"""Installs that are backed up and restored by commands in processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from django.db import connection

from klingweb import data_folder
from tests.installation import ROOT, Installation

# Generations with images, and an encrypted secret.
FILL = """
from generations.models import ApiKey, Member, Status
from tests.builders import make_generation
owner = Member.objects.get()
for number in range({count}):
    make_generation(Status.SUCCEEDED, owner=owner, n=2, upstream="live")
ApiKey.objects.put(ApiKey.Slot.FIRST, "sk-a-key-of-the-team-1234", owner)
"""
# Runs a command, and kills its own process at the first call of a function.
KILLED = """
import os, signal, sys
from importlib import import_module
import django
django.setup()
module, name = {place!r}.rsplit(":")
def kill(*_arguments, **_options):
    os.kill(os.getpid(), signal.SIGKILL)
owner = import_module(module)
*outer, last = name.split(".")
for each in outer:
    owner = getattr(owner, each)
setattr(owner, last, kill)
from django.core.management import call_command
call_command(*sys.argv[1:])
"""


class Install(Installation):
    """An install with a database of its own, also on PostgreSQL."""

    def run(self, *command: object) -> subprocess.CompletedProcess[str]:
        """Run a management command, whether or not it succeeds."""
        return self._python("manage.py", *command)

    def run_json(self, *command: object) -> Any:
        """Run a command with --json; return its document."""
        return json.loads(self.run(*command, "--json").stdout)

    def refusal(self, *command: object) -> str:
        """Run a command that is refused; return its sentence."""
        done = self.run(*command)
        assert done.returncode == 1, done.stdout
        assert done.stderr.startswith("CommandError: "), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr.removeprefix("CommandError: ").strip()

    def killed_at(self, place: str, *command: object) -> None:
        """Run a command that is killed when it calls `module:function`."""
        done = self._python("-c", KILLED.format(place=place), *command)
        assert done.returncode == -9, done.stderr

    def fill(self, count: int = 3) -> None:
        """Add generations with images, and an encrypted API key."""
        self.manage("shell", "-c", FILL.format(count=count))
        data_folder.gateway_mark(self.folder).touch()

    def files(self) -> dict[str, bytes]:
        """The stored files with their contents."""
        folder = self.folder / "files"
        found = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in found}

    def _python(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
        )


@contextmanager
def install(folder: Path, **settings: object) -> Iterator[Install]:
    """An install without tables; its database is removed at the end."""
    if connection.vendor == "sqlite":
        with Install(folder, **settings) as made:
            yield made
        return
    server = os.environ["KLINGWEB_DATABASE_URL"]  # noqa: TID251
    name = f"klingweb_keeping_{uuid4().hex[:12]}"
    url = f"{server.rpartition('/')[0]}/{name}"
    with psycopg.connect(server, autocommit=True) as database:
        database.execute(f"CREATE DATABASE {name}")
        try:
            with Install(folder, database_url=url, **settings) as made:
                yield made
        finally:
            database.execute(f"DROP DATABASE {name} WITH (FORCE)")
