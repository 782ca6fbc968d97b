"""When to ask next: by age, with jitter, so that thousands of tasks spread by themselves."""

import random

from django.conf import settings

AGES_SECONDS = (60, 300, 1800)
LONGEST_AFTER_FAILURE_SECONDS = 60.0


def first_poll() -> float:
    """Seconds from the accepted submit to the first poll."""
    return _jittered(settings.POLL_SECONDS[0])


def next_poll(age_seconds: float, failures: int = 0) -> float:
    """Seconds to the next poll of a task of that age; doubled for each failed poll in a row."""
    older_than = sum(age_seconds >= age for age in AGES_SECONDS)
    rhythm = settings.POLL_SECONDS
    seconds = rhythm[min(older_than, len(rhythm) - 1)]  # fewer figures: the last holds on
    backed_off = min(seconds * 2.0 ** min(failures, 6), LONGEST_AFTER_FAILURE_SECONDS)
    return _jittered(max(seconds, backed_off))


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)
