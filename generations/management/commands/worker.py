from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError
from django.db import connection

from generations.processes.watchdog import Watchdog, run_cluster_alone
from generations.setup import api_key
from klingweb import data_folder
from klingweb.environment import SettingError


class Command(BaseCommand):
    help = "Run the worker only: the django-q2 cluster, restarted by a watchdog."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--unwatched", action="store_true", help="Run the cluster without the watchdog"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if unfinished := data_folder.unfinished_restore(settings.DATA_DIR):
            raise CommandError(unfinished)
        self._prepare_keys()
        if options["unwatched"]:
            run_cluster_alone()
        else:
            Watchdog().run()

    def _prepare_keys(self) -> None:
        """As `manage.py run` does, which starts the worker in another way."""
        try:
            if problem := api_key.prepare():
                self.stderr.write(problem)
        except (OSError, SettingError) as error:
            raise CommandError(str(error)) from error
        except DatabaseError:
            pass  # the watchdog waits for the database
        connection.close()  # its processes open their own
