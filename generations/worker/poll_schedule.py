"""When to ask next: by age, with jitter, so that thousands of tasks spread by themselves."""

import random

from django.conf import settings

AGES_SECONDS = (60, 300, 1800)
MAX_RETRY_SECONDS = 60.0


def first_poll() -> float:
    """Seconds from the accepted submit to the first poll."""
    return _jittered(settings.POLL_SECONDS[0])


def next_poll(age_seconds: float, failures: int = 0) -> float:
    """Seconds to the next poll of a task of that age; doubled for each failed poll in a row."""
    older_than = sum(age_seconds >= age for age in AGES_SECONDS)
    intervals = settings.POLL_SECONDS
    # A shorter list: its last interval applies to all older tasks.
    seconds = intervals[min(older_than, len(intervals) - 1)]
    backed_off = min(seconds * 2.0 ** min(failures, 6), MAX_RETRY_SECONDS)
    return _jittered(max(seconds, backed_off))


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)
