"""When to poll next: by the task's age, with jitter, so that polls do not come in bursts."""

import random

from django.conf import settings

AGES_SECONDS = (60, 300, 1800)
MAX_RETRY_SECONDS = 60.0


def first_poll() -> float:
    """Return the seconds from the accepted submit to the first poll."""
    return _with_jitter(settings.POLL_SECONDS[0])


def next_poll(age_seconds: float, failures: int = 0) -> float:
    """Return the seconds to the next poll. Doubled for each failed poll in a row."""
    steps = sum(age_seconds >= age for age in AGES_SECONDS)
    intervals = settings.POLL_SECONDS
    # The last interval of a shorter list applies to all older tasks.
    seconds = intervals[min(steps, len(intervals) - 1)]
    backed_off = min(seconds * 2.0 ** min(failures, 6), MAX_RETRY_SECONDS)
    return _with_jitter(max(seconds, backed_off))


def _with_jitter(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)
