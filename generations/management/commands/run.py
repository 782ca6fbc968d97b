"""`make run`: everything in one foreground process tree, and the same in the container."""

import contextlib
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from generations.models import Member
from generations.worker.child import Child
from generations.worker.watchdog import Watchdog

from . import web

LOOK_SECONDS = 0.5
READY_SECONDS = 30.0
STOP_SECONDS = 135.0  # the worker may have to wait for the longest call
LONGEST_PAUSE_SECONDS = 30.0


class Part:
    """One long-lived program of the tree, started again when it ends by itself."""

    def __init__(self, name: str, target: Callable[[], object]) -> None:
        self.name = name
        self.target = target
        self.child: Child | None = None
        self.start_at = 0.0
        self.ends = 0

    def keep(self) -> str:
        """Start it when it is due; returns a sentence when it has just ended by itself."""
        now = time.monotonic()
        if self.child is None:
            if now >= self.start_at:
                self.child = Child(self.target)
            return ""
        if self.child.poll() is None:
            return ""
        status = self.child.status
        self.child.kill()  # what it may have left behind
        self.child = None
        self.ends += 1
        pause = min(2.0**self.ends, LONGEST_PAUSE_SECONDS)
        self.start_at = now + pause
        return f"{self.name} ended with {status}; it starts again in {pause:.0f} s"

    def stop(self) -> None:
        if self.child:
            self.child.terminate()

    def wait(self, until: float) -> None:
        if self.child:
            self.child.wait(until - time.monotonic())
            self.child.kill()


class Command(BaseCommand):
    help = "Prepare the data, then run web server, worker and (without a key) the simulator."

    stopping = False

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        self._check_ports()
        self._prepare()
        parts = self._parts()
        self._keep(parts)
        # Beside the others: nobody waits for it, and later starts leave what was removed alone.
        demo = Child(_load_demo) if settings.DEMO and self.is_first else None
        self._tell_when_ready()
        while not self.stopping:
            self._keep(parts)
            if demo and demo.poll() is not None:
                demo = None
            time.sleep(LOOK_SECONDS)
        self._stop_all(parts)

    def _keep(self, parts: list[Part]) -> None:
        for part in parts:
            if sentence := part.keep():
                self.stderr.write(sentence)

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

    def _parts(self) -> list[Part]:
        parts = [
            Part("the worker", Watchdog().run),
            Part("the web server", web.serve),
        ]
        if settings.DEMO:
            parts.append(Part("the simulator", _simulate))
        return parts

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

    def _stop_all(self, parts: list[Part]) -> None:
        """Worker and web first: the simulator must answer what is still under way."""
        until = time.monotonic() + STOP_SECONDS
        for told in (parts[:2], parts[2:]):
            for part in told:
                part.stop()
            for part in told:
                part.wait(until)


def _first_admin() -> str:
    """Create the person `admin` on the first start; returns the password while it is still ours."""
    kept = settings.DATA_DIR / "first-password"
    if Member.objects.filter(role=Member.Role.ADMIN).exists():
        return kept.read_text("ascii") if settings.DEMO and kept.exists() else ""
    password = settings.ADMIN_PASSWORD or secrets.token_urlsafe(9)
    if not settings.ADMIN_PASSWORD:
        kept.touch(mode=0o600)
        kept.write_text(password, "ascii")
    Member.objects.create_user("admin", password=password, role=Member.Role.ADMIN)
    return "" if settings.ADMIN_PASSWORD else password


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
