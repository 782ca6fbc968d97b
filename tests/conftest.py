"""Fixtures: members with signed-in clients, a browser, and an upstream for the worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Browser, sync_playwright
from pytest_django import Settings

from generations.models import Member, durations
from tests import worker_driver
from tests.builders import make_admin, make_member
from tests.simulator import Simulator

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture
def owner(db: None) -> Member:
    return make_member("owner")


@pytest.fixture
def stranger(db: None) -> Member:
    return make_member("stranger")


@pytest.fixture
def admin(db: None) -> Member:
    return make_admin("admin-of-tests")


@pytest.fixture
def owner_client(owner: Member) -> Client:
    return browser_of(owner)


@pytest.fixture
def stranger_client(stranger: Member) -> Client:
    return browser_of(stranger)


@pytest.fixture
def admin_client(admin: Member) -> Client:
    return browser_of(admin)


def browser_of(member: Member) -> Client:
    client = Client()
    client.force_login(member)
    return client


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser of the test run; each test opens its own windows."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[Simulator]:
    with Simulator(seconds=(0.05, 0.05)) as simulator:
        yield simulator


@pytest.fixture
def simulator(running_simulator: Simulator) -> Simulator:
    """The simulator, without requests and tasks of earlier tests."""
    running_simulator.reset()
    return running_simulator


@pytest.fixture
def upstream(
    simulator: Simulator,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Simulator:
    """The simulator, connected to the worker in this process, with short waits."""
    settings.MEDIA_ROOT = tmp_path
    worker_driver.connect(simulator, settings, monkeypatch)
    return simulator


@pytest.fixture
def scripted_upstream(
    upstream: Simulator, settings: Settings
) -> Iterator[worker_driver.ScriptedUpstream]:
    """An upstream that sends the test's own responses."""
    scripted = worker_driver.ScriptedUpstream(settings)
    yield scripted
    scripted.close()


@pytest.fixture(autouse=True)
def _clear_caches() -> None:
    """Cached durations must not reach the next test."""
    durations.clear_caches()
