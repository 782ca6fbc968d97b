from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from generations.operations import demo_data


class Command(BaseCommand):
    help = "Add the demo data, or remove it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--remove", action="store_true", help="Remove the demo data and its image files"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        text = "Demo data added."
        if options["remove"]:
            text = "Demo data removed."
            if kept := ", ".join(person.username for person in demo_data.remove()):
                text += f" {kept} stay, because they own other images or are in the ledger."
        else:
            demo_data.add()
        if options["verbosity"]:
            self.stdout.write(text)
