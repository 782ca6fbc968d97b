"""`make run`: everything in one foreground process tree, and the same in the container."""

import contextlib
import fcntl
import os
import secrets
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType
from typing import IO, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from generations.models import Generation, Member, TransitionReason
from generations.processes.forked import ForkedProcess
from generations.processes.supervisor import ManagedProcess, keep_running, stop_in_order
from generations.processes.watchdog import Watchdog

from . import web

TICK_SECONDS = 0.5
READY_SECONDS = 30.0


class Command(BaseCommand):
    help = "Prepare the data, then run web server, worker and (without a key) the simulator."

    stopping = False

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        self._check_ports()
        lock = _lock_data()
        self._prepare()
        processes = self._processes()
        keep_running(processes, self.stderr.write)
        # Beside the others: nobody waits for it, and later starts leave what was removed alone.
        demo = ForkedProcess(_load_demo) if settings.DEMO and self.is_first else None
        self._tell_when_ready()
        while not self.stopping:
            keep_running(processes, self.stderr.write)
            if demo and demo.poll() is not None:
                demo = None
            time.sleep(TICK_SECONDS)
        # Worker and web first: the simulator must answer calls in progress.
        stop_in_order(processes[:2], processes[2:])
        lock.close()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _check_ports(self) -> None:
        ports = {"PORT": settings.PORT}
        if settings.DEMO:
            ports["KLINGWEB_SIMULATOR_PORT"] = settings.SIMULATOR_PORT
        for variable, port in ports.items():
            with contextlib.closing(socket.socket()) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((settings.BIND, port))
                except OSError as error:
                    raise CommandError(
                        f"Port {port} is taken. Choose another: {variable}={port + 10} make run"
                    ) from error

    def _prepare(self) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)
        self.is_first = not Member.objects.filter(role=Member.Role.ADMIN).exists()
        self.password = _first_admin()
        if not settings.DEMO:
            _end_demo_rows()

    def _processes(self) -> list[ManagedProcess]:
        processes = [
            ManagedProcess("the worker", Watchdog().run),
            ManagedProcess("the web server", web.serve),
        ]
        if settings.DEMO:
            processes.append(ManagedProcess("the simulator", _simulate))
        return processes

    def _tell_when_ready(self) -> None:
        """Say where to go once it answers; a slow start says nothing and goes on."""
        until = time.monotonic() + READY_SECONDS
        while not self.stopping and time.monotonic() < until:
            with contextlib.closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", settings.PORT)) == 0:
                    break
            time.sleep(0.05)
        self.stdout.write(f"\nklingweb is at {settings.URL}\n")
        if self.password:
            self.stdout.write(f"Sign in as: admin   Password: {self.password}\n")
        if settings.DEMO:
            self.stdout.write("Demo: no key is set, pictures are drawn here and cost nothing.\n")
        self.stdout.write("Ctrl-C stops everything; what is under way is kept.\n\n")


def _lock_data() -> IO[str]:
    """One `run` for one data folder; the lock ends with the process, however it ends."""
    lock = (settings.DATA_DIR / "run.lock").open("w", encoding="ascii")
    os.set_inheritable(lock.fileno(), False)
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise CommandError(f"klingweb runs already on the data in {settings.DATA_DIR}.") from error
    return lock


def _first_admin() -> str:
    """Create the person `admin` on the first start; returns the password while it is still ours."""
    kept = settings.DATA_DIR / "first-password"
    if Member.objects.filter(role=Member.Role.ADMIN).exists():
        return _first_password_if_still_valid(kept)
    password = settings.ADMIN_PASSWORD or secrets.token_urlsafe(9)
    if not settings.ADMIN_PASSWORD:
        kept.touch(mode=0o600)
        kept.write_text(password, "ascii")
    admin, _created = Member.objects.get_or_create(username="admin")
    admin.role, admin.is_active = Member.Role.ADMIN, True
    admin.set_password(password)
    admin.save()
    return "" if settings.ADMIN_PASSWORD else password


def _first_password_if_still_valid(kept: Path) -> str:
    """Told again in the demo; once it is changed, or money is at stake, it is forgotten."""
    if not kept.exists():
        return ""
    password = kept.read_text("ascii")
    admin = Member.objects.filter(username="admin").first()
    if settings.DEMO and admin and admin.check_password(password):
        return password
    kept.unlink()
    return ""


def _end_demo_rows() -> None:
    """What was asked of the simulator is never paid for later: a real key begins with none open."""
    for row in Generation.objects.open().exclude(upstream=settings.UPSTREAM_MODE):
        if not (row.cancel(None, row.version) or row.abandon(None, row.version)):
            row.mark_lost(TransitionReason.DEMO_ENDED)


def _load_demo() -> None:
    os.nice(10)
    call_command("demo", verbosity=0)


def _simulate() -> None:
    """Another program, which knows nothing of us: only its arguments."""
    command = [
        sys.executable, "-m", "klingweb.simulator",
        "--port", str(settings.SIMULATOR_PORT), "--key", settings.SIMULATOR_KEY,
        "--seconds", settings.SIMULATOR_SECONDS,
        "--data-dir", str(settings.DATA_DIR / "simulator"),
    ]  # fmt: skip
    os.chdir(settings.BASE_DIR)
    os.execv(sys.executable, command)  # noqa: S606
