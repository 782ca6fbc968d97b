from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from generations.processes.watchdog import Watchdog, run_cluster_alone


class Command(BaseCommand):
    help = "Run the worker only: the django-q2 cluster, restarted by a watchdog."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--unwatched", action="store_true", help="Run the cluster without the watchdog"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["unwatched"]:
            run_cluster_alone()
        else:
            Watchdog().run()
