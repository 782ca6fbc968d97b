"""The client as this install has it: one place where its settings meet the door."""

from django.conf import settings

from generations.engines import kling


def client(*, pool_size: int = 1) -> kling.Client:
    return kling.Client(
        settings.UPSTREAM_URL,
        settings.UPSTREAM_KEY or settings.SIMULATOR_KEY,
        profile=settings.UPSTREAM_PROFILE,
        pool_size=pool_size,
        submit_seconds=settings.SUBMIT_DEADLINE_SECONDS,
    )
