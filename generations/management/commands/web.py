"""`manage.py web`: the production web server."""

import signal
import time
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from generations import safe_start
from generations.processes import web_server
from generations.processes.supervisor import ManagedProcess, keep_running, stop_in_order
from klingweb import data_folder

TICK_SECONDS = 0.5


def processes() -> list[ManagedProcess]:
    """Load the application, whose memory the processes share, and return the processes.

    Call it late: the application lists the static files, which `run` collects first.
    """
    from klingweb.wsgi import application

    return web_server.processes(application, settings.BIND, settings.PORT)


def check_start() -> None:
    """Stop with one sentence if this install is not complete, or not safe with these settings."""
    if unfinished := data_folder.unfinished_restore(settings.DATA_DIR):
        raise CommandError(unfinished)
    if unsafe := safe_start.problems():
        raise CommandError(" ".join(unsafe))


def check_port(variable: str, host: str, port: int) -> None:
    """Stop with one sentence if the server could not listen."""
    try:
        web_server.check(host, port)
    except web_server.CannotListen as error:
        other = "KLINGWEB_BIND" if error.is_address else variable
        raise CommandError(f"{error} Set another {other}.") from error


class Command(BaseCommand):
    help = "Run the web server only."

    stopping = False

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        check_start()
        check_port("PORT", settings.BIND, settings.PORT)
        servers = processes()
        while not self.stopping:
            keep_running(servers, self.stderr.write)
            time.sleep(TICK_SECONDS)
        stop_in_order(servers)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True
