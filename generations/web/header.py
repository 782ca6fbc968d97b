"""What the header of every page shows: the member's open generations, and unread notifications."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from generations.models import Generation, Member, Notification
from generations.models.counting import count_up_to
from generations.models.generation import GenerationQuerySet

MAX_COUNT = 100_000


@dataclass
class HeaderCounts:
    open: int = 0
    has_unread: bool = False


def open_generations(member: Member) -> GenerationQuerySet:
    return Generation.objects.filter(owner=member, finished_at=None)


def header_querysets(member: Member) -> list[QuerySet[Any]]:
    """For views that count more in the same statement: `store_counts` takes the two results."""
    return [open_generations(member), Notification.objects.unread_of(member)]


def store_counts(request: HttpRequest, counts: Sequence[int]) -> None:
    request.header_counts = HeaderCounts(counts[0], counts[1] > 0)  # type: ignore[attr-defined]


def header_counts(request: HttpRequest) -> HeaderCounts:
    """Counted once in a request, in one statement."""
    if not hasattr(request, "header_counts"):
        user: Any = getattr(request, "user", None)
        is_member = user is not None and user.is_authenticated
        counts = count_up_to(MAX_COUNT, header_querysets(user)) if is_member else (0, 0)
        store_counts(request, counts)
    counts_of_request: HeaderCounts = request.header_counts  # type: ignore[attr-defined]
    return counts_of_request


def mark_seen(request: HttpRequest, seen: Q) -> None:
    """Mark notifications as read whose object the page shows. Costs nothing if none is unread."""
    counts = header_counts(request)
    if not counts.has_unread:
        return
    unread = Notification.objects.unread_of(request.user)  # type: ignore[arg-type]
    if unread.filter(seen).mark_read():
        counts.has_unread = unread.exists()
