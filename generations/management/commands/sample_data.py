import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generations.operations import sample_data

MAX_GENERATIONS = 5_000_000


class Command(BaseCommand):
    help = "Create generated sample data for benchmarks and trials, or remove it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--generations", type=int, default=0, help="Number of generations to create"
        )
        parser.add_argument("--remove", action="store_true", help="Remove all sample data")

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        if options["remove"]:
            result = f"{sample_data.remove():,} generations removed"
        else:
            result = self._create(options["generations"], options["verbosity"])
        self.stdout.write(f"{result} in {time.monotonic() - started:.0f} s.")

    def _create(self, count: int, verbosity: int) -> str:
        if not 0 < count <= MAX_GENERATIONS:
            raise CommandError(f"Use --generations with 1 to {MAX_GENERATIONS:,}, or --remove.")
        progress = sample_data.Progress(0, 0)
        for progress in sample_data.create(count):
            if verbosity and self.stdout.isatty():
                self.stdout.write(f"\r{progress.generations:,} of {count:,}", ending="\r")
                self.stdout.flush()
        return f"{progress.generations:,} generations with {progress.pictures:,} images created"
