"""`manage.py run`: web server, worker and (without a key) the simulator in one process tree."""

import os
import secrets
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import IO, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.urls import reverse

from generations.database_errors import explain, is_unavailable
from generations.models import (
    AuditAction,
    AuditEntry,
    Generation,
    Member,
    TransitionReason,
    append_only,
)
from generations.models.audit_entry import BY_COMMAND
from generations.operations import demo_data
from generations.permissions import Role
from generations.processes import web_server
from generations.processes.forked import ForkedProcess, ForkError, call_in_fork
from generations.processes.supervisor import ManagedProcess, keep_running, stop_in_order
from generations.processes.watchdog import Watchdog
from generations.setup import api_key
from generations.setup import code as setup_code
from klingweb import data_folder, static_files
from klingweb.environment import SettingError

from . import web

TICK_SECONDS = 0.5
READY_SECONDS = 30.0
RESTART_SECONDS = 3.0  # after a key was entered: the page that says so must load first


class Command(BaseCommand):
    help = (
        "Prepare the database, then run the web server, the worker and (in the demo) the simulator."
    )

    stopping = False
    restart_at: float | None = None  # of the monotonic clock

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        web.check_start()
        self._check_ports()
        lock = _lock_data_folder()
        self._prepare()
        processes, simulator = self._processes(), self._simulator()
        keep_running(processes + simulator, self.stderr.write)
        # In the background, and on the first start only: removed demo data is not added again.
        demo = ForkedProcess(_add_demo_data) if settings.DEMO and self.is_first_start else None
        self._print_when_ready()
        while not self.stopping and not self._must_restart():
            keep_running(processes + simulator, self.stderr.write)
            if demo and demo.poll() is not None:
                demo = None
            time.sleep(TICK_SECONDS)
        if demo:
            demo.kill()
        # Worker and web first: the simulator must answer calls in progress.
        stop_in_order(processes, simulator)
        lock.close()
        if not self.stopping:
            _start_again()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _must_restart(self) -> bool:
        """Whether an API key was entered in the demo, `RESTART_SECONDS` ago."""
        if self.restart_at is None and settings.DEMO and api_key.is_stored():
            self.stdout.write("An API key was entered. klingweb restarts to use it.\n")
            self.restart_at = time.monotonic() + RESTART_SECONDS
        return self.restart_at is not None and time.monotonic() >= self.restart_at

    def _check_ports(self) -> None:
        web.check_port("PORT", settings.BIND, settings.PORT)
        if settings.DEMO:
            web.check_port("KLINGWEB_SIMULATOR_PORT", "127.0.0.1", settings.SIMULATOR_PORT)

    def _prepare(self) -> None:
        """Prepare in a fork: migrations take 25 MB that all later forks would share."""
        try:
            prepared = call_in_fork(_prepare)
        except ForkError as error:
            raise CommandError(f"The first step of the start failed ({error}).") from error
        if prepared["error"]:
            raise CommandError(prepared["error"])
        self.is_first_start, self.first_step = prepared["is_first_start"], prepared["first_step"]
        if prepared["key_problem"]:
            self.stderr.write(prepared["key_problem"])

    def _processes(self) -> list[ManagedProcess]:
        return [ManagedProcess("the worker", Watchdog().run), *web.processes()]

    def _simulator(self) -> list[ManagedProcess]:
        return [ManagedProcess("the simulator", _simulate)] if settings.DEMO else []

    def _print_when_ready(self) -> None:
        """Print the address once the port answers, or after `READY_SECONDS`."""
        until = time.monotonic() + READY_SECONDS
        while not self.stopping and time.monotonic() < until:
            if web_server.accepts_connections(settings.BIND, settings.PORT):
                break
            time.sleep(0.05)
        self.stdout.write(f"\nklingweb is running at {settings.URL}\n")
        if self.first_step:
            self.stdout.write(f"{self.first_step}\n")
        if settings.DEMO:
            self.stdout.write(
                "Demo: no API key is set. Images are drawn on this machine and cost nothing.\n"
            )
        self.stdout.write("Press Ctrl-C to stop. Work in progress continues at the next start.\n\n")


def _prepare() -> dict[str, Any]:
    """Prepare database, static files and the first step of a person, which is a line to print.

    `error` is one sentence, or empty.
    """
    try:
        static_files.collect()
        call_command("migrate", verbosity=0, interactive=False)
        if not append_only.is_protected(connection):  # a copy of the database may lack triggers
            append_only.protect(connection)
        is_first_start = not Member.objects.admins().exists()
        key_problem = api_key.prepare()
        first_step = _first_step()
        if settings.DEMO:
            demo_data.add_price()
        else:
            _end_demo_generations()
    except DatabaseError as error:
        if not is_unavailable(error):
            raise
        return {"error": explain(error)}
    except OSError as error:
        return {"error": _explain_os_error(error)}
    except SettingError as error:
        return {"error": str(error)}
    return {
        "error": "",
        "is_first_start": is_first_start,
        "first_step": first_step,
        "key_problem": key_problem,
    }


def _explain_os_error(error: OSError) -> str:
    path = error.filename or settings.DATA_DIR
    return (
        f"Cannot write {path}: {error.strerror}. Check its permissions and the space on its disk."
    )


def _lock_data_folder() -> IO[str]:
    """Allow one `run` per data folder."""
    try:
        return data_folder.lock(settings.DATA_DIR, data_folder.RUN_LOCK)
    except data_folder.FolderInUse as error:
        raise CommandError(
            f"klingweb is already running with the data folder {settings.DATA_DIR}."
        ) from error
    except OSError as error:
        raise CommandError(_explain_os_error(error)) from error


def _start_again() -> None:
    """Replace this process: only a new one reads the settings again."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def _first_step() -> str:
    """Return how to set up the team, with a new code, or how to sign in; "" if that is known.

    With a key and without KLINGWEB_ADMIN_PASSWORD, the first person is created on the set-up page.
    """
    if settings.DEMO or settings.ADMIN_PASSWORD or Member.objects.exists():
        setup_code.discard()
        hint = _ensure_admin()
        return f"Sign in: {hint}" if hint else ""
    return f"Set up your team: {settings.URL}{reverse('setup')}?code={setup_code.renew()}"


def _ensure_admin() -> str:
    """Create the account "admin" if there is no admin, and return how to sign in.

    Empty when the password is no longer known.
    """
    password_file = settings.DATA_DIR / "first-password"
    if Member.objects.admins().exists():
        password = _first_password_if_still_valid(password_file)
        return _sign_in_hint(password) if password else ""
    password = settings.ADMIN_PASSWORD or secrets.token_urlsafe(9)
    if not settings.ADMIN_PASSWORD:
        password_file.touch(mode=0o600)
        password_file.write_text(password, "ascii")
    admin, is_new = Member.objects.get_or_create(username="admin")
    admin.role, admin.is_active = Role.OWNER, True
    admin.set_password(password)
    with transaction.atomic():
        admin.save()
        action = AuditAction.JOINED if is_new else AuditAction.PASSWORD_CHANGED
        AuditEntry.objects.record(
            action, None, on=admin, after={"role": admin.role}, note=BY_COMMAND
        )
    if settings.ADMIN_PASSWORD:
        return "user name admin, password from KLINGWEB_ADMIN_PASSWORD"
    return _sign_in_hint(password)


def _sign_in_hint(password: str) -> str:
    return f"user name admin, password {password}"


def _first_password_if_still_valid(password_file: Path) -> str:
    """Return the generated password in the demo while it is unchanged; else delete its file."""
    if not password_file.exists():
        return ""
    password = password_file.read_text("ascii")
    admin = Member.objects.filter(username="admin").first()
    if settings.DEMO and admin and admin.check_password(password):
        return password
    password_file.unlink()
    return ""


def _end_demo_generations() -> None:
    """Cancel, dismiss or mark as lost the open generations of another upstream mode.

    A request made in the demo must not be sent to the paid gateway later.
    """
    for row in Generation.objects.open().exclude(upstream=settings.UPSTREAM_MODE):
        if not (row.cancel(None, row.version) or row.abandon(None, row.version)):
            row.mark_lost(TransitionReason.DEMO_ENDED)


def _add_demo_data() -> None:
    os.nice(10)
    demo_data.add()


def _simulate() -> None:
    """Replace this process with the simulator, which shares no code with the application."""
    command = [
        sys.executable, "-m", "klingweb.simulator",
        "--port", str(settings.SIMULATOR_PORT), "--key", settings.SIMULATOR_KEY,
        "--seconds", settings.SIMULATOR_SECONDS,
        "--data-dir", str(settings.DATA_DIR / "simulator"),
    ]  # fmt: skip
    os.chdir(settings.BASE_DIR)
    os.execv(sys.executable, command)  # noqa: S606
