"""`manage.py run` before it starts processes: the first admin, the lock, demo requests."""

import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError
from pytest_django import Settings

from generations.management.commands import run
from generations.models import Member, Status
from generations.permissions import Role
from generations.processes import web_server
from generations.setup import code as setup_code
from klingweb import data_folder
from tests.builders import make_admin, make_generation, make_member

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _data_folder(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.ADMIN_PASSWORD = ""
    settings.DEMO = True


def test_first_start_creates_an_admin_with_a_generated_password(settings: Settings) -> None:
    hint = run._ensure_admin()
    admin = Member.objects.get()
    assert admin.role == Role.OWNER
    assert hint.startswith("user name admin, password ")
    assert admin.check_password(hint.split()[-1])
    assert run._ensure_admin() == hint  # the demo repeats it


def test_file_of_the_generated_password_is_deleted_once_it_is_changed(settings: Settings) -> None:
    run._ensure_admin()
    admin = Member.objects.get()
    admin.set_password("another one")
    admin.save()
    assert run._ensure_admin() == ""
    assert list(settings.DATA_DIR.iterdir()) == []


def test_generated_password_is_not_repeated_with_a_real_key(settings: Settings) -> None:
    run._ensure_admin()
    settings.DEMO = False
    assert run._ensure_admin() == ""


def test_password_from_the_environment_is_used_and_not_printed(settings: Settings) -> None:
    settings.ADMIN_PASSWORD = "a quiet pear"
    hint = run._ensure_admin()
    assert Member.objects.get().check_password("a quiet pear")
    assert "KLINGWEB_ADMIN_PASSWORD" in hint
    assert "pear" not in hint


def test_existing_admin_is_left_alone() -> None:
    admin = make_admin("lan")
    assert run._ensure_admin() == ""
    assert Member.objects.get() == admin


def test_with_a_key_the_first_start_prints_the_address_of_the_set_up_page(
    settings: Settings,
) -> None:
    settings.DEMO = False
    first_step = run._first_step()
    assert first_step.startswith(f"Set up your team: {settings.URL}/setup/?code=")
    assert setup_code.matches(first_step.partition("code=")[2])
    assert not Member.objects.exists()
    again = run._first_step()
    assert again != first_step
    assert setup_code.matches(again.partition("code=")[2])


def test_set_up_page_is_not_offered_once_a_person_exists(settings: Settings) -> None:
    settings.DEMO = False
    run._first_step()
    make_admin("lan")
    assert run._first_step() == ""
    assert not setup_code.exists()


def test_unattended_install_needs_no_set_up_page(settings: Settings) -> None:
    settings.DEMO, settings.ADMIN_PASSWORD = False, "a quiet pear"
    assert run._first_step() == "Sign in: user name admin, password from KLINGWEB_ADMIN_PASSWORD"
    assert Member.objects.get().role == Role.OWNER
    assert not setup_code.exists()


def test_demo_starts_with_its_account(settings: Settings) -> None:
    assert run._first_step().startswith("Sign in: user name admin, password ")
    assert not setup_code.exists()


def test_install_without_an_active_admin_gets_one(settings: Settings) -> None:
    settings.DEMO = False
    make_member("member")
    assert run._first_step().startswith("Sign in: user name admin, password ")


def test_key_entered_in_the_demo_restarts_after_a_moment(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, now = run.Command(stdout=StringIO()), [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    assert not command._must_restart()
    data_folder.gateway_mark(settings.DATA_DIR).touch()
    assert not command._must_restart()
    now[0] += run.RESTART_SECONDS
    assert command._must_restart()
    assert command.stdout.getvalue().count("An API key was entered") == 1


def test_second_run_on_one_data_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*_arguments: object) -> None:
        raise BlockingIOError

    monkeypatch.setattr("fcntl.lockf", taken)  # one process could lock the file twice
    with pytest.raises(CommandError, match="already running"):
        run._lock_data_folder()


@pytest.mark.parametrize(
    ("bind", "message"),
    [
        ("127.0.0.1", "is in use. Set another PORT."),
        ("203.0.113.1", "does not have the address 203.0.113.1. Set another KLINGWEB_BIND."),
    ],
)
def test_start_names_the_variable_of_a_wrong_address(
    settings: Settings, bind: str, message: str
) -> None:
    with web_server.listen("127.0.0.1", 0) as listener:
        settings.BIND, settings.PORT = bind, listener.getsockname()[1]
        with pytest.raises(CommandError, match=re.escape(message)):
            run.Command()._check_ports()


def test_open_demo_requests_end_at_the_first_start_with_a_key(settings: Settings) -> None:
    queued = make_generation(Status.QUEUED, upstream="simulator")
    running = make_generation(Status.RUNNING, upstream="simulator")
    settings.UPSTREAM_MODE = "live"
    paid = make_generation(Status.QUEUED, upstream="live")
    run._end_demo_generations()
    for row in (queued, running, paid):
        row.refresh_from_db()
    assert queued.status == Status.CANCELED
    assert running.is_lost or running.is_final
    assert paid.status == Status.QUEUED
