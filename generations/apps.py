from django.apps import AppConfig
from django.db.models.signals import post_migrate


class GenerationsConfig(AppConfig):
    name = "generations"

    def ready(self) -> None:
        from generations import checks, search  # noqa: F401  # they import models, ready only now
        from generations.models import statistics

        post_migrate.connect(search.prepare, sender=self)
        post_migrate.connect(statistics.update_after_migration, sender=self)
