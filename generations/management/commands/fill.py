from typing import Any

from .sample_data import Command as SampleDataCommand


class Command(SampleDataCommand):
    help = "Old name of sample_data; works in this release only."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stderr.write(
            "fill is now called sample_data. The old name works in this release only."
        )
        super().handle(*args, **options)
