"""Management commands in tests: in this process, and as a process of their own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.installation import ROOT


@dataclass(frozen=True)
class Printed:
    stdout: str
    stderr: str


def run(*command: str) -> Printed:
    """Run a command that succeeds."""
    stdout, stderr = StringIO(), StringIO()
    call_command(*command, stdout=stdout, stderr=stderr)
    return Printed(stdout.getvalue(), stderr.getvalue())


def run_json(*command: str) -> Any:
    """Run a command that succeeds with --json; return its document."""
    return json.loads(run(*command, "--json").stdout)


def refusal(*command: str) -> str:
    """Run a command that is refused; return its sentence, the same as with --json."""
    with pytest.raises(CommandError) as refused:
        run(*command)
    assert refused.value.returncode == 1
    document = refusal_json(*command)
    assert str(refused.value).startswith(document["error"])
    return str(refused.value)


def refusal_json(*command: str) -> Any:
    """Run a command that is refused with --json; return its document."""
    stdout, stderr = StringIO(), StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(*command, "--json", stdout=stdout, stderr=stderr)
    assert ended.value.code == 1
    assert stderr.getvalue() == ""
    return json.loads(stdout.getvalue())


def environment(folder: Path) -> dict[str, str]:
    """The variables of an installation with this data folder and a key."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("KLINGWEB_")}  # noqa: TID251
    return inherited | {
        "DJANGO_SETTINGS_MODULE": "klingweb.settings",  # not those of the tests
        "KLINGWEB_DATA_DIR": str(folder),
        "KLINGWEB_UPSTREAM_KEY": "test-key",
    }


def manage(
    folder: Path, *command: str | bytes, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=environment(folder),
        input=stdin,
        capture_output=True,
    )
