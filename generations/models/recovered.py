"""Generations that gave images although their answer was late, lost or given up."""

from datetime import datetime

from django.db import models
from django.db.models import Q, Sum
from django.utils import timezone

from .status import Status
from .transition import Transition, TransitionReason

# Transitions after which a request without this product would have been sent, and paid, again.
DOUBTS = Q(to_status__in=(Status.UNCONFIRMED, Status.ABANDONED)) | Q(
    reason__in=(
        TransitionReason.LATE,
        TransitionReason.NO_LONGER_FOUND,
        TransitionReason.NO_IMAGES,
        TransitionReason.WATCH_EXPIRED,
    )
)


class RecoveredQuerySet(models.QuerySet["Recovered"]):
    def record(self, generation_id: int, images: int, amount_e4: int) -> None:
        """Record a generation that has just succeeded, if its outcome was ever in doubt.

        Once: images that are downloaded again later change nothing. Call it in the transaction of
        the success.
        """
        transitions = Transition.objects.filter(generation=generation_id)
        if transitions.filter(DOUBTS).exists():
            self.get_or_create(
                generation_id=generation_id, defaults={"images": images, "amount_e4": amount_e4}
            )

    def since(self, start: datetime) -> tuple[int, int]:
        """Return the images recovered since then, and what they were charged."""
        sums = self.filter(at__gte=start).aggregate(images=Sum("images"), amount=Sum("amount_e4"))
        return sums["images"] or 0, sums["amount"] or 0


class Recovered(models.Model):
    """One generation. A plain number: deleting the generation does not change what was saved."""

    generation_id = models.BigIntegerField(unique=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    images = models.PositiveSmallIntegerField()
    amount_e4 = models.BigIntegerField()

    objects = RecoveredQuerySet.as_manager()

    def __str__(self) -> str:
        return f"generation {self.generation_id}: {self.images} images"
