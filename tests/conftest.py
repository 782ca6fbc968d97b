"""Fixtures shared by most tests: members, their signed-in clients, a browser and an upstream."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from allauth.usersessions.models import UserSession
from django.core.cache import caches
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, sync_playwright
from pytest_django import DjangoDbBlocker, Settings

from generations import estimates
from generations.engines import kling, registry
from generations.engines.offer import Field
from generations.models import Member, append_only, team_settings
from generations.setup.team import Cache as first_start_cache
from generations.web.middleware import session_limits
from tests import worker_driver
from tests.builders import make_admin, make_member
from tests.simulator import Simulator

# Without a window where it is installed: the same pages for half of the processor time.
CHROMIUM = shutil.which("chromium-headless-shell") or "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Let tests empty the tables whose triggers test_append_only.py restores."""
    with django_db_blocker.unblock():
        append_only.unprotect(connection)


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
    return client_for(owner)


@pytest.fixture
def stranger_client(stranger: Member) -> Client:
    return client_for(stranger)


@pytest.fixture
def admin_client(admin: Member) -> Client:
    return client_for(admin)


def client_for(member: Member) -> Client:
    """A signed-in client whose session is recorded, as after the sign-in page."""
    client = Client()
    client.force_login(member)
    key = client.session.session_key or ""
    UserSession.objects.create(user=member, ip="127.0.0.1", session_key=key)
    session_limits.remember(key)
    return client


@pytest.fixture
def media_root(settings: Settings, tmp_path: Path) -> Path:
    """A folder of its own for the files of a test."""
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for the whole run. Each test opens a context of its own."""
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
    """A simulator without tasks and settings of earlier tests."""
    running_simulator.reset()
    return running_simulator


@pytest.fixture
def upstream(
    simulator: Simulator,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Simulator:
    """The simulator, connected to the worker of this process, with short waits."""
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


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Field:
    """Kling's offer with one extra field, on an install with the extended profile."""
    settings.UPSTREAM_PROFILE = "extended"
    field = Field(
        name="paper",
        label="Paper",
        choices=(("matte", "Matte paper"), ("glossy", "Glossy paper")),
        default="matte",
        profile="extended",
    )
    offer = replace(kling.OFFER, fields=(field,))
    monkeypatch.setattr(kling, "OFFER", offer)
    monkeypatch.setitem(registry.ENGINES, "kling", replace(kling.ENGINE, models=(offer,)))
    return field


@pytest.fixture(autouse=True)
def _clear_caches() -> None:
    """Values cached in this process must not reach the next test."""
    estimates.clear_caches()
    # Known: nothing is stored. `change` and `forget` end this.
    team_settings.Cache.settings = team_settings.TeamSettings({})
    team_settings.Cache.loaded_at = float("inf")
    session_limits.forget_checks()
    caches["local"].clear()


@pytest.fixture(autouse=True)
def _first_start_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests without a person are about something else, except test_setup.py."""
    monkeypatch.setattr(first_start_cache, "person_exists", True)
