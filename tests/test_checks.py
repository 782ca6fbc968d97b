"""Environment variables work under their old names, with one warning each."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

OLD_NAMES: dict[str, str] = settings.RENAMED_VARIABLES
NUMBER = "7"
PRINT_SETTINGS = """
import json
from django.conf import settings
database = settings.DATABASES["default"]["OPTIONS"]
print(json.dumps({
    "KLINGWEB_SQLITE_TIMEOUT_SECONDS": database["timeout"],
    **{f"KLINGWEB_{name}": getattr(settings, name) for name in dir(settings) if name.isupper()},
}, default=str))
"""


def run(data: Path, arguments: list[str], variables: dict[str, str]) -> tuple[str, str]:
    """Run Python in a fresh process; returns its standard output and error."""
    environment = {name: value for name, value in os.environ.items() if "KLINGWEB" not in name}  # noqa: TID251
    environment |= {
        "KLINGWEB_DATA_DIR": str(data),
        "KLINGWEB_UPSTREAM_KEY": "",
        "DJANGO_SETTINGS_MODULE": "klingweb.settings",
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment | variables,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, done.stderr


def test_old_names_set_the_renamed_settings(tmp_path: Path) -> None:
    output, _errors = run(tmp_path, ["-c", PRINT_SETTINGS], dict.fromkeys(OLD_NAMES, NUMBER))
    found = json.loads(output)
    assert {new: float(found[new]) for new in OLD_NAMES.values()} == dict.fromkeys(
        OLD_NAMES.values(), float(NUMBER)
    )


def test_new_name_wins_over_the_old_one(tmp_path: Path) -> None:
    variables = {"KLINGWEB_PUMPS": "2", "KLINGWEB_POLL_LOOPS": "3"}
    output, _errors = run(tmp_path, ["-c", PRINT_SETTINGS], variables)
    assert json.loads(output)["KLINGWEB_POLL_LOOPS"] == 3


def test_each_old_name_gives_one_warning(tmp_path: Path) -> None:
    _output, errors = run(tmp_path, ["manage.py", "check"], dict.fromkeys(OLD_NAMES, NUMBER))
    for old, new in OLD_NAMES.items():
        assert errors.count(f"{old} is now called {new}.") == 1


@pytest.mark.parametrize("variables", [{}, {"KLINGWEB_POLL_LOOPS": "3"}])
def test_current_names_give_no_warning(tmp_path: Path, variables: dict[str, str]) -> None:
    _output, errors = run(tmp_path, ["manage.py", "check"], variables)
    assert "is now called" not in errors
