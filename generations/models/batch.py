"""Batches: many requests that one member starts at once.

Their rows are ordinary generations with `batch` and `batch_row`. A batch has no state of its own
but its pause: how far it is follows from its rows.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import uuid4

from django.db import IntegrityError, models, transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .generation import Generation
from .member import Member
from .status import Status

IN_PROGRESS = (Status.SUBMITTING, Status.RUNNING, Status.FETCHING)


@dataclass
class BatchCounts:
    """How many rows of a batch are in each status, and their images and money.

    `planned_e4` is what the rows cost if all succeed; None if one of them has no price.
    """

    by_status: dict[str, int]
    images: int = 0
    open_images: int = 0  # queued or in progress
    planned_e4: int | None = 0
    charged_e4: int = 0
    changed_at: datetime | None = None  # the newest change of a status

    def of(self, *statuses: str) -> int:
        return sum(self.by_status.get(status, 0) for status in statuses)

    @property
    def rows(self) -> int:
        return sum(self.by_status.values())

    @property
    def done(self) -> int:
        return self.of(Status.SUCCEEDED)

    @property
    def in_progress(self) -> int:
        return self.of(*IN_PROGRESS)

    @property
    def queued(self) -> int:
        return self.of(Status.QUEUED)

    @property
    def is_open(self) -> bool:
        return bool(self.queued or self.in_progress)


class BatchQuerySet(models.QuerySet["Batch"]):
    def visible_to(self, member: Member) -> Self:
        """The member's own, and those with a row that the member may see."""
        rows = Generation.objects.visible_to(member).filter(batch=OuterRef("pk"))
        return self.filter(Q(owner=member) | Exists(rows)) if member.is_active else self.none()

    def create_once(self, owner: Member, key: str, title: str) -> tuple["Batch", bool]:
        """Create a batch; with a key used before: that batch, and False."""
        try:
            with transaction.atomic():
                return self.create(owner=owner, idempotency_key=key, title=title), True
        except IntegrityError:
            existing = self.filter(owner=owner, idempotency_key=key).first()
            if existing is None:
                raise
            return existing, False

    def hand_over(self, owner: Member, to: Member) -> None:
        """Make `to` the owner of all batches of `owner`, whose keys may be the same."""
        taken = set(self.filter(owner=to).values_list("idempotency_key", flat=True))
        rows = self.filter(owner=owner)
        for batch in rows.filter(idempotency_key__in=taken):
            self.filter(pk=batch.pk).update(idempotency_key=str(uuid4()))
        rows.update(owner=to)


class Batch(models.Model):
    MAX_TITLE_LENGTH = 120  # characters

    owner = models.ForeignKey(Member, models.CASCADE, related_name="batches")
    idempotency_key = models.CharField(max_length=64)
    title = models.CharField(max_length=MAX_TITLE_LENGTH, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)
    paused_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Its queued requests wait until it is resumed.")
    )
    paused_by = models.ForeignKey(
        Member, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )

    objects = BatchQuerySet.as_manager()

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "idempotency_key"], name="batch_owner_idempotency_key_uniq"
            )
        ]

    def __str__(self) -> str:
        return f"batch {self.pk}"

    @property
    def audit_label(self) -> str:
        return str(self)

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None

    def pause(self, by: Member) -> bool:
        """False if it is paused already."""
        rows = Batch.objects.filter(pk=self.pk, paused_at=None)
        return bool(rows.update(paused_at=timezone.now(), paused_by=by))

    def resume(self) -> bool:
        """False if it is not paused."""
        rows = Batch.objects.filter(pk=self.pk, paused_at__isnull=False)
        return bool(rows.update(paused_at=None, paused_by=None))


def counts_of(batches: Iterable[Batch], viewer: Member) -> dict[int, BatchCounts]:
    """Return the counts of each batch, of the rows that the viewer may see, in one query.

    Reads the rows of these batches only, by their index.
    """
    keys = [batch.pk for batch in batches]
    found: dict[int, BatchCounts] = defaultdict(lambda: BatchCounts({}))
    if not keys:
        return found
    groups = (
        Generation.objects.visible_to(viewer)
        .filter(batch__in=keys)
        .order_by()
        .values("batch", "status")
        .annotate(
            rows=Count("pk"),
            priced=Count("unit_price_e4"),
            images=Sum("n"),
            planned_e4=Coalesce(Sum(F("unit_price_e4") * F("n")), 0),
            charged_e4=Coalesce(Sum("charged_e4"), 0),
            changed_at=Max("status_at"),
        )
    )
    for group in groups:
        counts = found[group["batch"]]
        counts.by_status[group["status"]] = group["rows"]
        counts.images += group["images"]
        if group["status"] in (Status.QUEUED, *IN_PROGRESS):
            counts.open_images += group["images"]
        counts.charged_e4 += group["charged_e4"]
        if counts.planned_e4 is not None:
            is_priced = group["priced"] == group["rows"]
            counts.planned_e4 = counts.planned_e4 + group["planned_e4"] if is_priced else None
        counts.changed_at = max(filter(None, (counts.changed_at, group["changed_at"])))
    return found
