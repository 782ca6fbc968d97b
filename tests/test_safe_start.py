"""klingweb refuses to start where passwords or data would be open to others."""

import re
from pathlib import Path

import pytest
from django.core.management import CommandError
from pytest_django import Settings

from generations import safe_start
from generations.management.commands import web
from tests.keeping import Install


@pytest.fixture(autouse=True)
def _safe(settings: Settings, tmp_path: Path) -> None:
    settings.DEMO = settings.DEBUG = False
    settings.DATA_DIR = tmp_path
    settings.URL, settings.BIND = "https://studio.example.org", "127.0.0.1"
    settings.ALLOWED_HOSTS = ["studio.example.org"]


@pytest.mark.parametrize(
    ("name", "value", "variable"),
    [
        ("DEBUG", True, "KLINGWEB_DEBUG"),
        ("ALLOWED_HOSTS", ["localhost", "*"], "KLINGWEB_ALLOWED_HOSTS"),
        ("URL", "http://studio.example.org", "KLINGWEB_URL"),
        ("URL", "http://8.8.8.8:8000", "KLINGWEB_URL"),
    ],
)
def test_unsafe_setting_is_refused_outside_the_demo(
    settings: Settings, name: str, value: object, variable: str
) -> None:
    web.check_start()
    setattr(settings, name, value)
    with pytest.raises(CommandError, match=variable):
        web.check_start()
    settings.DEMO = True
    web.check_start()


@pytest.mark.parametrize(
    ("host", "is_public"),
    [
        ("studio.example.org", True),
        ("studio.example.org.", True),
        ("8.8.8.8", True),
        ("[2606:4700::1111]", True),
        ("localhost", False),
        ("studio", False),
        ("studio.local", False),
        ("studio.lan", False),
        ("127.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104  # all addresses, as in a container
        ("192.168.1.5", False),
        ("10.0.0.1", False),
        ("[::1]", False),
        ("fd00::1", False),
    ],
)
def test_public_hosts(host: str, is_public: bool) -> None:
    assert safe_start.is_public(host) is is_public


def test_address_to_listen_on_is_checked_too(settings: Settings) -> None:
    settings.URL, settings.BIND = "http://localhost:8000", "8.8.8.8"
    with pytest.raises(CommandError, match=re.escape("KLINGWEB_BIND=8.8.8.8")):
        web.check_start()


def test_run_and_web_refuse_in_one_sentence(tmp_path: Path) -> None:
    unsafe = Install(tmp_path, url="http://studio.example.org")
    for command in ("run", "web"):
        assert "public address without https" in unsafe.refusal(command)


def test_deploy_check_is_silent_with_https(tmp_path: Path) -> None:
    done = Install(tmp_path, url="https://studio.example.org").run("check", "--deploy")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("System check identified no issues")


def test_deploy_check_names_what_is_unsafe(tmp_path: Path) -> None:
    done = Install(tmp_path, url="http://studio.example.org", debug="true").run("check", "--deploy")
    assert done.returncode == 1
    assert "KLINGWEB_DEBUG" in done.stderr
    assert "without https" in done.stderr
