"""Rows for benches, demos and an operator's trial, by the hundred thousand."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generations.management import filling

MAX_GENERATIONS = 5_000_000


class Command(BaseCommand):
    help = "Make believable generations that nobody paid for, or remove them again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--generations", type=int, default=0, help="how many to make")
        parser.add_argument("--remove", action="store_true", help="remove all that was made so")

    def handle(self, *args: Any, **options: Any) -> None:
        many, began = options["generations"], time.monotonic()
        if options["remove"]:
            gone = filling.remove()
            self.stdout.write(f"{gone:,} generations removed in {time.monotonic() - began:.0f} s.")
            return
        if not 0 < many <= MAX_GENERATIONS:
            raise CommandError(
                f"Say how many: --generations 1 to {MAX_GENERATIONS:,}, or --remove."
            )
        done = filling.Filled(0, 0)
        for done in filling.fill(many):
            if options["verbosity"] and self.stdout.isatty():
                self.stdout.write(f"\r{done.generations:,} of {many:,}", ending="")
                self.stdout.flush()
        made = f"{done.generations:,} generations with {done.pictures:,} pictures"
        self.stdout.write(f"\r{made} in {time.monotonic() - began:.0f} s.")
