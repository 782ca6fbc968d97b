"""Who has what in the queue: images in progress, and requests that wait."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min

from generations.models import Generation, Member, Status

MAX_PEOPLE = 100


@dataclass(frozen=True)
class PersonInQueue:
    name: str
    in_progress: int  # images
    waiting: int  # requests
    oldest: datetime | None


def people_in_queue() -> tuple[list[PersonInQueue], int]:
    """Those with the most waiting requests first, and how many people more there are.

    One query groups the queued rows, which an index finds; one the rows in progress.
    """
    queued = Generation.objects.for_current_upstream().filter(
        status=Status.QUEUED, finished_at=None
    )
    grouped = queued.order_by().values_list("owner").annotate(Count("pk"), Min("created_at"))
    waiting = {owner: (count, oldest) for owner, count, oldest in grouped}
    in_progress = {
        owner: images
        for owner, images in Generation.objects.images_in_flight_by_owner().items()
        if images
    }
    keys = sorted(
        waiting.keys() | in_progress.keys(),
        key=lambda owner: (-waiting.get(owner, (0, None))[0], -in_progress.get(owner, 0), owner),
    )
    people = Member.objects.in_bulk(keys[:MAX_PEOPLE])
    rows = [
        PersonInQueue(
            people[key].name,
            in_progress.get(key, 0),
            *waiting.get(key, (0, None)),
        )
        for key in keys[:MAX_PEOPLE]
    ]
    return rows, max(len(keys) - MAX_PEOPLE, 0)
