"""Queries over generations: visibility, queue order, due polls and the status transition."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

from django.conf import settings
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Exists, F, OuterRef, Q, Sum, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from generations.permissions import Action, Scope, roles_with, scope_of

from .member import Member
from .money import Quote, charging, ledger
from .picture import Picture
from .status import FINAL, LIVE, OPEN, POLLED, TRANSITIONS, Status
from .transition import Transition, TransitionReason
from .upstream_gate_base import DEFAULT_ENGINE

# An unconfirmed request counts as in flight for this long; no task takes longer upstream.
UNCONFIRMED_IN_FLIGHT = timedelta(minutes=10)
# The columns a poll needs. Thousands of rows are claimed, and few of them change.
POLL_COLUMNS = (
    "id",
    "owner_id",
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
    "engine",
    "api_key_id",
    "n",
)

# `Generation`: the module of that class imports this one.
Row = TypeVar("Row", bound=models.Model)


def prefetch_pictures(pictures: models.QuerySet[Picture]) -> "models.Prefetch[str]":
    """Prefetch into `shown_pictures`, a plain list.

    Prefetching into `pictures` would build a queryset for each row, which is slow.
    """
    return models.Prefetch("pictures", pictures, to_attr="shown_pictures")


class BaseGenerationQuerySet(models.QuerySet[Row]):
    def visible_to(self, member: Member) -> Self:
        """The member's own, and those of the team that are not private."""
        if not member.is_active:
            return self.none()
        return self.filter(Q(is_private=False) | Q(owner=member))

    def changeable_by(self, member: Member) -> Self:
        """Rows that this member may cancel, send again or dismiss."""
        match scope_of(member, Action.CHANGE):
            case Scope.ALL:
                return self
            case Scope.OWN:
                return self.filter(owner=member)
        return self.none()

    def having_pictures(self) -> Self:
        """Succeeded, with at least one available picture."""
        available = Picture.objects.available().filter(generation=OuterRef("pk"))
        return self.filter(Exists(available), status=Status.SUCCEEDED)

    def containing(self, pictures: models.QuerySet[Picture]) -> Self:
        """Rows with at least one of these pictures."""
        return self.filter(Exists(pictures.filter(generation=OuterRef("pk"))))

    def with_keys(self, keys: Iterable[int]) -> Self:
        """Those of these rows that have one of the keys, in the same order.

        The conditions so far are checked row by row. SQLite without statistics would else prefer an
        index for one of them, such as the status, and read nearly all rows.
        """
        matches = self.order_by().filter(pk=OuterRef("pk"))
        rows = type(self)(self.model, using=self.db).filter(Exists(matches), pk__in=list(keys))
        return rows.order_by(*self.query.order_by)

    def with_pictures_of(self, pictures: models.QuerySet[Picture]) -> Self:
        """Prefetch those pictures of each row that are in `pictures`, as `shown_pictures`."""
        return self.prefetch_related(prefetch_pictures(pictures))

    def open(self) -> Self:
        return self.filter(status__in=OPEN)

    def live(self) -> Self:
        return self.filter(status__in=LIVE)

    def for_current_upstream(self) -> Self:
        """Rows created for the configured upstream: demo rows are never sent to the paid one."""
        return self.filter(upstream=settings.UPSTREAM_MODE)

    def for_engine(self, engine: str = DEFAULT_ENGINE) -> Self:
        """Rows of one gate: for the current upstream and this engine."""
        return self.for_current_upstream().filter(engine=engine)

    def in_queue_order(self, engine: str = DEFAULT_ENGINE) -> Self:
        """Queued rows, by rounds of one row per member; annotated with their round as `turn`.

        In each round, members who were served longest ago come first.
        """
        turn = Window(RowNumber(), partition_by="owner", order_by=["created_at", "pk"])
        last_served = F("owner__last_submitted_at").asc(nulls_first=True)
        return (
            self.for_engine(engine)
            .filter(status=Status.QUEUED, finished_at=None)
            .annotate(turn=turn)
            .order_by("turn", last_served, "created_at", "pk")
        )

    def ready_to_submit(self, at: datetime) -> Self:
        """Queued rows of active people, without a wait of their own or of their owner then."""
        return self.filter(
            Q(submit_not_before=None) | Q(submit_not_before__lte=at),
            Q(owner__submit_not_before=None) | Q(owner__submit_not_before__lte=at),
            owner__is_active=True,
            owner__role__in=roles_with(Action.GENERATE),
            status=Status.QUEUED,
            finished_at=None,
        )

    def queued_without_permission(self) -> Self:
        """Queued rows whose owner may not spend any more: they are not sent, and are canceled."""
        may_spend = Q(is_active=True, role__in=roles_with(Action.GENERATE))
        others = Member.objects.exclude(may_spend)
        return self.filter(status=Status.QUEUED, finished_at=None, owner__in=others)

    def mark_waiting_for_room(self, rows: Sequence[Row]) -> None:
        """Record since when these rows are next in the queue but too large for the limit."""
        new = [row.pk for row in rows if getattr(row, "waits_for_room_since", None) is None]
        if new:
            self.filter(pk__in=new, waits_for_room_since=None).update(
                waits_for_room_since=timezone.now()
            )

    def end_waits(self) -> None:
        """Let queued rows be submitted now, whatever they and their owners wait for."""
        queued = self.filter(status=Status.QUEUED, finished_at=None)
        Member.objects.filter(submit_not_before__isnull=False).update(submit_not_before=None)
        queued.filter(submit_not_before__isnull=False).update(
            submit_not_before=None, version=F("version") + 1
        )

    def images_in_flight(self, engine: str = DEFAULT_ENGINE, sent_with: Q | None = None) -> int:
        """Images that the upstream generates or may be generating now: the sum of `n`."""
        return sum(self.images_in_flight_by_owner(engine, sent_with).values())

    def images_in_flight_by_owner(
        self, engine: str = DEFAULT_ENGINE, sent_with: Q | None = None
    ) -> dict[int, int]:
        """Images in flight by the key of their owner. Late tasks do not count: see `mark_late`.

        `sent_with`: only those of some API keys.
        """
        recent = Q(status_at__gt=timezone.now() - UNCONFIRMED_IN_FLIGHT)
        in_flight = (
            Q(status=Status.SUBMITTING)
            | Q(status=Status.RUNNING, lost_at=None, late_at=None)
            | Q(recent, status=Status.UNCONFIRMED)
        )
        rows = self.for_engine(engine).filter(in_flight, sent_with or Q(), finished_at=None)
        return dict(rows.order_by().values_list("owner").annotate(images=Sum("n")))

    def request(self, *, owner: Member, key: str, quote: Quote, **columns: Any) -> tuple[Row, bool]:
        """T0: create a queued generation and reserve its price.

        With a key used before: that row, and False. Raises LimitReached, and then writes nothing.
        Call it in the transaction that also wakes up the submit loop.
        """
        columns |= {"unit_price_e4": quote.unit_e4, "reservations": 1}
        with transaction.atomic():
            generation, created = self._create_once(owner=owner, idempotency_key=key, **columns)
            if created:
                ledger.reserve(generation.pk, 1, owner, quote)
                Transition.objects.create(
                    generation_id=generation.pk,
                    from_status="",
                    to_status=Status.QUEUED,
                    reason=TransitionReason.REQUESTED,
                    by=owner,
                )
        return generation, created

    def _create_once(
        self, *, owner: Member, idempotency_key: str, **columns: Any
    ) -> tuple[Row, bool]:
        """Like `get_or_create`, but looks for the row only if it cannot be inserted."""
        try:
            with transaction.atomic():
                row = self.create(owner=owner, idempotency_key=idempotency_key, **columns)
            return row, True
        except IntegrityError:
            existing = self.filter(owner=owner, idempotency_key=idempotency_key).first()
            if existing is None:
                raise
            return existing, False

    def transition(
        self,
        from_status: Status,
        to_status: Status,
        reason: TransitionReason,
        *,
        detail: str = "",
        by: Member | None = None,
        **changes: Any,
    ) -> list[int]:
        """Change the status of those rows that still have `from_status`. Return their keys.

        No other code writes a status. Raises ValueError for a transition that is not in the table.
        """
        if (from_status, to_status) not in TRANSITIONS:
            raise ValueError(f"no transition from {from_status} to {to_status}")
        now = timezone.now()
        with transaction.atomic():
            locked = self.filter(status=from_status).select_for_update()
            pks = list(locked.values_list("pk", flat=True))
            if pks:
                self.model._default_manager.filter(pk__in=pks).update(
                    status=to_status,
                    status_at=now,
                    finished_at=now if to_status in FINAL else None,
                    version=F("version") + 1,
                    **changes,
                )
                Transition.objects.bulk_create(
                    Transition(
                        generation_id=pk,
                        at=now,
                        from_status=from_status,
                        to_status=to_status,
                        reason=reason,
                        detail=detail[:300],
                        by=by,
                    )
                    for pk in pks
                )
                if to_status in FINAL:
                    charging.end_reservations(pks, from_status, to_status, reason)
        return pks

    def mark_fetching(self, results: Mapping[int, tuple[Sequence[str], str]]) -> set[int]:
        """T10 for many rows: by key, the image URLs and the response that listed them.

        Uses a constant number of statements. Returns the keys of the rows that changed.
        """
        now = timezone.now()
        with transaction.atomic():
            pks = [
                pk
                for status in POLLED
                for pk in self.filter(pk__in=results).transition(
                    status,
                    Status.FETCHING,
                    TransitionReason.COMPLETED,
                    next_poll_at=None,
                    lost_at=None,
                )
            ]
            with connection.cursor() as cursor:
                cursor.executemany(
                    "UPDATE generations_generation SET last_response = %s WHERE id = %s",
                    [(results[pk][1], pk) for pk in pks],
                )
            Picture.objects.bulk_create(
                Picture(generation_id=pk, index=index, upstream_url=url, next_try_at=now)
                for pk in pks
                for index, url in enumerate(results[pk][0])
            )
        return set(pks)

    # --- leases of rows: polls and lookups -------------------------------------------------------

    def claim_due(
        self,
        limit: int,
        lease_seconds: float,
        engine: str = DEFAULT_ENGINE,
        *,
        except_owners: Collection[int] = (),
        except_keys: Collection[int | None] = (),
    ) -> list[Row]:
        """Lease up to `limit` running or dismissed rows whose poll is due, oldest first.

        Leaves out rows of these people, and those that were sent with these API keys.

        `next_poll_at` is both schedule and lease: rows claimed by a process that died become due
        again without further action. `reschedule` writes only if the value set here is unchanged.
        """
        now = timezone.now()
        lease_end = now + timedelta(seconds=lease_seconds)
        others = "".join(f" AND owner_id <> {int(owner)}" for owner in except_owners)
        others += "".join(
            " AND api_key_id IS NOT NULL"
            if key is None
            else f" AND (api_key_id IS NULL OR api_key_id <> {int(key)})"
            for key in except_keys
        )
        skip_locked = "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
        with transaction.atomic():
            return list(
                self.raw(
                    f"""UPDATE generations_generation SET next_poll_at = %s WHERE id IN (
                            SELECT id FROM generations_generation
                            WHERE status IN ('running', 'abandoned') AND next_poll_at <= %s
                                AND upstream = %s AND engine = %s{others}
                            ORDER BY next_poll_at LIMIT %s {skip_locked})
                        RETURNING {", ".join(POLL_COLUMNS)}""",  # noqa: S608
                    [
                        _for_database(lease_end),
                        _for_database(now),
                        settings.UPSTREAM_MODE,
                        engine,
                        limit,
                    ],
                )
            )

    def reschedule(self, rows: Iterable[tuple[datetime, int, int, datetime]]) -> None:
        """Write (next_poll_at, poll_failures, id, next_poll_at as claimed) in one batch.

        Skips rows that were changed or claimed in the meantime.
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
                       WHERE id = %s AND status IN ('running', 'abandoned')
                           AND next_poll_at = %s""",
                    batch,
                )

    def reset_claims(self, lease_seconds: float) -> None:
        """Make claimed polls due now, after the process that claimed them died.

        Rows that are merely scheduled within `lease_seconds` become due early, which is harmless.
        """
        for status in POLLED:
            self._make_due(status, lease_seconds)

    def due_for_lookup(self, engine: str = DEFAULT_ENGINE) -> Self:
        """Unconfirmed rows whose lookup is due; none if the upstream supports no lookups."""
        if not settings.UPSTREAM_LOOKUP:
            return self.none()
        return self.for_engine(engine).filter(
            status=Status.UNCONFIRMED, next_poll_at__lte=timezone.now()
        )

    def not_sent_with(self, keys: Collection[int | None]) -> Self:
        """Rows that were last sent with another API key than these."""
        stored = [key for key in keys if key is not None]
        rows = self.filter(Q(api_key=None) | ~Q(api_key__in=stored)) if stored else self
        return rows.filter(api_key__isnull=False) if None in keys else rows

    def claim_lookups(
        self, limit: int, lease_seconds: float, except_keys: Collection[int | None] = ()
    ) -> list[Row]:
        """Lease up to `limit` rows that are due for lookup, oldest first.

        `Generation.reschedule_lookup` writes only if the `next_poll_at` set here is unchanged.
        """
        lease_end = timezone.now() + timedelta(seconds=lease_seconds)
        with transaction.atomic():
            due = self.due_for_lookup().not_sent_with(except_keys).order_by("next_poll_at", "pk")
            locked = due.select_for_update(skip_locked=True)
            pks = list(locked.values_list("pk", flat=True)[:limit])
            self.filter(pk__in=pks).update(next_poll_at=lease_end)
            claimed = self.in_bulk(pks)
        return [claimed[pk] for pk in pks]

    def reset_lookup_claims(self, lease_seconds: float) -> None:
        """Make claimed lookups due now, after the process that claimed them died.

        An early lookup is harmless: only elapsed time ends the search, not the number of lookups.
        """
        self._make_due(Status.UNCONFIRMED, lease_seconds)

    def _make_due(self, status: Status, lease_seconds: float) -> None:
        now = timezone.now()
        claimed = (now, now + timedelta(seconds=lease_seconds))
        self.filter(status=status, next_poll_at__range=claimed).update(next_poll_at=now)


def _for_database(moment: datetime) -> Any:
    """Convert for raw SQL, which skips Django's conversion: SQLite stores naive UTC text."""
    return connection.ops.adapt_datetimefield_value(moment)
