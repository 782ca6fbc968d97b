"""Whether a submit whose answer was lost may be found upstream."""

from django.conf import settings

from generations.engines.registry import ENGINES


def can_look_up(engine: str) -> bool:
    """Whether requests to this engine carry our own id, and the upstream finds tasks by it."""
    return bool(settings.UPSTREAM_LOOKUP) and engine in ENGINES and ENGINES[engine].can_look_up
