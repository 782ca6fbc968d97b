"""The engine clients of this install."""

from django.conf import settings

from generations.engines import kling
from generations.engines.base import Engine
from generations.engines.gateway import Gateway


def make_client() -> Engine:
    """Return a client with the URL, key and profile from the settings. The caller closes it."""
    gateway = Gateway(
        settings.UPSTREAM_URL,
        settings.UPSTREAM_KEY or settings.SIMULATOR_KEY,
        submit_seconds=settings.SUBMIT_DEADLINE_SECONDS,
    )
    return kling.Client(gateway, profile=settings.UPSTREAM_PROFILE)
