"""The production web server, in this process."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from gunicorn.app.base import BaseApplication


class Server(BaseApplication):
    """gunicorn with the settings that docs/decisions/0004 measured."""

    def load_config(self) -> None:
        options = {
            "bind": f"{settings.BIND}:{settings.PORT}",
            "worker_class": "gthread",
            "workers": 2,
            "threads": 8,
            # Without it one process often takes every kept-alive connection.
            "reuse_port": True,
            "graceful_timeout": 20,
            "loglevel": "warning",
            "proc_name": "klingweb",
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        # Not before: the application lists the static files, which `run` collects first.
        from klingweb.wsgi import application

        return application


def serve() -> None:
    Server().run()


class Command(BaseCommand):
    help = "Run the production web server alone."

    def handle(self, *args: Any, **options: Any) -> None:
        serve()
