"""`manage.py web`: the production web server."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from gunicorn.app.base import BaseApplication


class Server(BaseApplication):
    """gunicorn with the settings measured in docs/decisions/0004-gunicorn.md."""

    def load_config(self) -> None:
        options = {
            "bind": f"{settings.BIND}:{settings.PORT}",
            "worker_class": "gthread",
            "workers": 2,
            "threads": 8,
            # Without it, one process often receives all keep-alive connections.
            "reuse_port": True,
            "graceful_timeout": 20,
            "loglevel": "warning",
            "proc_name": "klingweb",
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        # Imported late: the application lists the static files, which `run` collects first.
        from klingweb.wsgi import application

        return application


def serve() -> None:
    """Serve in this process until it is stopped."""
    Server().run()


class Command(BaseCommand):
    help = "Run the web server only."

    def handle(self, *args: Any, **options: Any) -> None:
        serve()
