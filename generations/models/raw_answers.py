"""The raw answers of the upstream: kept for half a year, then emptied, row by row.

They serve to understand a failure, and take up to 4,000 characters each, twice per generation. What
was charged is explained by the ledger, which is kept.
"""

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from .generation import Generation
from .submission import Submission

RETENTION = timedelta(days=180)
# Only rows of this span before are looked at: without it, each day would read all rows.
SPAN = timedelta(days=60)
ROWS_AT_ONCE = 500


def prune() -> int:
    """Empty the answers to generations that ended, and are old enough. Return how many ended."""
    pks = list(_due(timezone.now()).values_list("pk", flat=True))
    for start in range(0, len(pks), ROWS_AT_ONCE):
        some = pks[start : start + ROWS_AT_ONCE]
        Submission.objects.filter(generation__in=some).exclude(response="").update(response="")
        Generation.objects.filter(pk__in=some).update(last_response="")
    return len(pks)


def due_since(moment: datetime) -> int:
    """How many generations have answers that should have been emptied at this moment."""
    return _due(moment).count()


def _due(moment: datetime) -> "QuerySet[Generation]":
    before = moment - RETENTION
    answered = Submission.objects.filter(generation=OuterRef("pk")).exclude(response="")
    return Generation.objects.filter(
        ~Q(last_response="") | Exists(answered),
        created_at__range=(before - SPAN, before),
        finished_at__isnull=False,
        next_poll_at=None,
    )
