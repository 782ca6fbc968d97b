"""Errors of the last hour, as every page of the admin counts them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from generations.models import Generation, Status

HOUR = timedelta(hours=1)
MAX_REQUESTS = 5000  # of an hour, counted exactly


@dataclass(frozen=True)
class ErrorCount:
    """Requests of the last hour, those of them that failed, and those of these that were charged.

    `total` is `MAX_REQUESTS` at most: the newest.
    """

    total: int
    failed: int
    charged: int


def errors_of_hour(now: datetime, engine: str = "") -> ErrorCount:
    """Count the requests that were created in the last hour, of one engine or of all."""
    rows = Generation.objects.for_current_upstream().filter(created_at__gte=now - HOUR)
    if engine:
        rows = rows.filter(engine=engine)
    # In date order, so that the planner reads the newest rows and not the table.
    newest = rows.order_by("-created_at", "-pk")[:MAX_REQUESTS]
    has_failed = Q(status=Status.FAILED)
    counts: dict[str, int] = newest.aggregate(
        total=Count("pk"),
        failed=Count("pk", filter=has_failed),
        charged=Count("pk", filter=has_failed & Q(charged_e4__gt=0)),
    )
    return ErrorCount(**counts)
