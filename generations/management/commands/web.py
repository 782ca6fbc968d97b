import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Run the production web server alone."

    def handle(self, *args: Any, **options: Any) -> None:
        # --reuse-port: without it one process often takes every kept-alive connection
        # (docs/decisions/0004).
        command = [
            sys.executable, "-m", "gunicorn", "klingweb.wsgi",
            "--bind", f"{settings.BIND}:{settings.PORT}",
            "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--reuse-port",
            "--graceful-timeout", "20", "--log-level", "warning",
        ]  # fmt: skip
        os.execv(sys.executable, command)  # noqa: S606
