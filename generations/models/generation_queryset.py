"""Many generations at once: who may see them, whose turn it is, what is due, and the one move."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Exists, F, OuterRef, Q, Sum, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from .member import Member
from .picture import Picture
from .status import FINAL, LIVE, OPEN, TRANSITIONS, Status
from .transition import Transition, TransitionReason

if TYPE_CHECKING:
    from .generation import Generation

# An unconfirmed submit probably holds upstream slots; after this long it surely does not.
UNCONFIRMED_IN_FLIGHT = timedelta(minutes=10)
# So many rows are sorted by date in no time; more are met soon enough on the way back through time.
MAX_SORTED_ROWS = 5000
# What a poll needs to know of a row: thousands are claimed, and most of them only to be asked.
POLL_COLUMNS = (
    "id",
    "status",
    "version",
    "attempt",
    "upstream_task_id",
    "created_at",
    "submitted_at",
    "next_poll_at",
    "polls",
    "poll_failures",
    "results_without_images",
    "first_not_found_at",
    "late_at",
    "lost_at",
    "polling_since",
    "reference_id",
    "upstream",
    "n",
)


def prefetch_pictures(pictures: models.QuerySet[Picture]) -> "models.Prefetch[str]":
    """Into a list of its own: for `pictures` Django would build a query for each row."""
    return models.Prefetch("pictures", pictures, to_attr="shown_pictures")


class GenerationQuerySet(models.QuerySet["Generation"]):
    def visible_to(self, member: Member) -> "GenerationQuerySet":
        """The team shares what it makes; what somebody keeps private is theirs alone."""
        if not member.is_active:
            return self.none()
        return self.filter(Q(is_private=False) | Q(owner=member))

    def changeable_by(self, member: Member) -> "GenerationQuerySet":
        return self if member.is_admin else self.filter(owner=member)

    def having_pictures(self) -> "GenerationQuerySet":
        """Made, and at least one of the pictures is neither lost nor in the trash."""
        here = Picture.objects.available().filter(generation=OuterRef("pk"))
        return self.filter(Exists(here), status=Status.SUCCEEDED)

    def containing(self, pictures: models.QuerySet[Picture]) -> "GenerationQuerySet":
        """Those with one of these pictures.

        While they are few their keys are read first: else the database walks back through all
        of time to find them. Of many each row is asked whether it has one.
        """
        few = list(pictures.order_by().values_list("generation", flat=True)[: MAX_SORTED_ROWS + 1])
        if len(few) <= MAX_SORTED_ROWS:
            return self.filter(pk__in=few)
        return self.filter(Exists(pictures.filter(generation=OuterRef("pk"))))

    def with_pictures_of(self, pictures: models.QuerySet[Picture]) -> "GenerationQuerySet":
        """Fetch these of their pictures along, as `hung`."""
        return self.prefetch_related(prefetch_pictures(pictures))

    def open(self) -> "GenerationQuerySet":
        return self.filter(status__in=OPEN)

    def live(self) -> "GenerationQuerySet":
        return self.filter(status__in=LIVE)

    def for_current_upstream(self) -> "GenerationQuerySet":
        """Those for the upstream this install has now; a demo's are not paid for later."""
        return self.filter(upstream=settings.UPSTREAM_MODE)

    def in_queue_order(self) -> "GenerationQuerySet":
        """The queue: one of each person in a round, the person served longest ago first."""
        mine_in_order = Window(RowNumber(), partition_by="owner", order_by=["created_at", "pk"])
        served = F("owner__last_submitted_at").asc(nulls_first=True)
        return (
            self.for_current_upstream()
            .filter(status=Status.QUEUED)
            .annotate(turn=mine_in_order)
            .order_by("turn", served, "created_at", "pk")
        )

    def images_in_flight(self) -> int:
        """Upstream slots taken by us: n of every row that is, or may be, worked on there."""
        maybe = Q(status_at__gt=timezone.now() - UNCONFIRMED_IN_FLIGHT)
        taken = (
            Q(status=Status.SUBMITTING)
            | Q(status=Status.RUNNING, lost_at=None)
            | Q(maybe, status=Status.UNCONFIRMED)
        )
        return self.for_current_upstream().filter(taken).aggregate(images=Sum("n"))["images"] or 0

    def request(self, *, owner: Member, key: str, **columns: Any) -> tuple["Generation", bool]:
        """T0: the one verb that creates. The same key again gives the same row and False.

        Call it inside the transaction that also enqueues the kick.
        """
        with transaction.atomic():
            generation, created = self.get_or_create(
                owner=owner, idempotency_key=key, defaults=columns
            )
            if created:
                generation.transitions.create(
                    from_status="",
                    to_status=Status.QUEUED,
                    reason=TransitionReason.REQUESTED,
                    by=owner,
                )
        return generation, created

    def claim_due(self, limit: int, lease_seconds: float) -> list["Generation"]:
        """Lease up to `limit` running rows whose poll is due, oldest first.

        `next_poll_at` is schedule and lease in one: a crashed pump's rows come due by themselves,
        and the value written here is the fence of `reschedule`.
        """
        now = timezone.now()
        until = now + timedelta(seconds=lease_seconds)
        skip_locked = "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
        with transaction.atomic():
            return list(
                self.raw(
                    f"""UPDATE generations_generation SET next_poll_at = %s WHERE id IN (
                            SELECT id FROM generations_generation
                            WHERE status = 'running' AND next_poll_at <= %s AND upstream = %s
                            ORDER BY next_poll_at LIMIT %s {skip_locked})
                        RETURNING {", ".join(POLL_COLUMNS)}""",  # noqa: S608
                    [_for_database(until), _for_database(now), settings.UPSTREAM_MODE, limit],
                )
            )

    def reset_claims(self, lease_seconds: float) -> None:
        """Whoever held them is dead: its rows come due now. Asking some too early does no harm."""
        now = timezone.now()
        held = (now, now + timedelta(seconds=lease_seconds))
        self.filter(status=Status.RUNNING, next_poll_at__range=held).update(next_poll_at=now)

    def due_for_lookup(self) -> "GenerationQuerySet":
        """Sent, without an answer, and due to be asked for where the upstream can be asked."""
        if not settings.UPSTREAM_LOOKUP:
            return self.none()
        return self.for_current_upstream().filter(
            status=Status.UNCONFIRMED, next_poll_at__lte=timezone.now()
        )

    def claim_lookups(self, limit: int, lease_seconds: float) -> list["Generation"]:
        """Lease up to `limit` of those, oldest first; `look_later` fences with what it writes."""
        until = timezone.now() + timedelta(seconds=lease_seconds)
        with transaction.atomic():
            due = self.due_for_lookup().order_by("next_poll_at", "pk")
            claimed = list(due.select_for_update(skip_locked=True)[:limit])
            self.filter(pk__in=[row.pk for row in claimed]).update(next_poll_at=until)
        for row in claimed:
            row.next_poll_at = until
        return claimed

    def reset_lookup_claims(self, lease_seconds: float) -> None:
        """Whoever held them is dead. To look too early ends nothing: only time does."""
        now = timezone.now()
        held = (now, now + timedelta(seconds=lease_seconds))
        self.filter(status=Status.UNCONFIRMED, next_poll_at__range=held).update(next_poll_at=now)

    def transition(
        self,
        before: Status,
        after: Status,
        reason: TransitionReason,
        *,
        detail: str = "",
        by: Member | None = None,
        **changes: Any,
    ) -> list[int]:
        """The one place where a status moves: those of these rows that still stand at `before`.

        Returns their keys; whoever is not among them was moved by somebody else first.
        """
        if (before, after) not in TRANSITIONS:
            raise ValueError(f"no generation moves from {before} to {after}")
        now = timezone.now()
        with transaction.atomic():
            still = self.filter(status=before).select_for_update()
            moved = list(still.values_list("pk", flat=True))
            if moved:
                self.model.objects.filter(pk__in=moved).update(
                    status=after,
                    status_at=now,
                    finished_at=now if after in FINAL else None,
                    version=F("version") + 1,
                    **changes,
                )
                Transition.objects.bulk_create(
                    Transition(
                        generation_id=pk,
                        at=now,
                        from_status=before,
                        to_status=after,
                        reason=reason,
                        detail=detail[:300],
                        by=by,
                    )
                    for pk in moved
                )
        return moved

    def mark_fetching(self, made: Mapping[int, tuple[Sequence[str], str]]) -> set[int]:
        """T10 of many: by key, the pictures the upstream listed and its answer as received.

        A constant number of statements, however many; returns the keys of those it moved.
        """
        now = timezone.now()
        with transaction.atomic():
            moved = self.filter(pk__in=made).transition(
                Status.RUNNING,
                Status.FETCHING,
                TransitionReason.MADE,
                next_poll_at=None,
                lost_at=None,
            )
            with connection.cursor() as cursor:
                cursor.executemany(
                    "UPDATE generations_generation SET last_response = %s WHERE id = %s",
                    [(made[pk][1], pk) for pk in moved],
                )
            Picture.objects.bulk_create(
                Picture(generation_id=pk, index=index, upstream_url=url, next_try_at=now)
                for pk in moved
                for index, url in enumerate(made[pk][0])
            )
        return set(moved)

    def reschedule(self, rows: Iterable[tuple[datetime, int, int, datetime]]) -> None:
        """Write (next_poll_at, poll_failures, id, claimed next_poll_at) in one batch.

        A row somebody else moved or claimed meanwhile stays as it is.
        """
        batch = [
            (_for_database(at), failures, pk, _for_database(claimed))
            for at, failures, pk, claimed in rows
        ]
        if batch:
            with connection.cursor() as cursor:
                cursor.executemany(
                    """UPDATE generations_generation
                       SET next_poll_at = %s, polls = polls + 1, poll_failures = %s
                       WHERE id = %s AND status = 'running' AND next_poll_at = %s""",
                    batch,
                )


def _for_database(moment: datetime) -> Any:
    """Raw SQL passes Django's own conversion by: SQLite keeps moments as naive UTC text."""
    return connection.ops.adapt_datetimefield_value(moment)
