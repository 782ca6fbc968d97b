"""Queries over generations: visibility, queue order, due polls and the status transition."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

from django.conf import settings
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Exists, F, OuterRef, Q, Sum, Window
from django.db.models.functions import RowNumber
from django.db.models.lookups import IsNull
from django.utils import timezone

from generations.permissions import Action, Scope, roles_with, scope_of

from .among import Among
from .lookups import can_look_up
from .member import Member
from .money import Quote, charging, ledger
from .notification import Notification
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
        rows = type(self)(self.model, using=self.db).filter(Exists(matches))
        return rows.filter(Among(F("pk"), list(keys))).order_by(*self.query.order_by)

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

    def queued_engines(self) -> list[str]:
        """The engines that have queued rows at the current upstream."""
        queued = self.for_current_upstream().filter(status=Status.QUEUED, finished_at=None)
        return list(queued.order_by().values_list("engine", flat=True).distinct())

    def in_queue_order(self, engine: str = DEFAULT_ENGINE) -> Self:
        """Queued rows, by rounds of one row per member; annotated with their round as `turn`.

        In each round, members who were served longest ago come first. Of one member, single
        requests go before the rows of a batch. Leaves out rows of paused batches.
        """
        is_of_batch = IsNull(F("batch"), False)
        turn = Window(RowNumber(), partition_by="owner", order_by=[is_of_batch, "created_at", "pk"])
        last_served = F("owner__last_submitted_at").asc(nulls_first=True)
        return (
            self.for_engine(engine)
            .filter(status=Status.QUEUED, finished_at=None, batch__paused_at=None)
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
        """Images in flight by the key of their owner. `sent_with`: only those of some API keys."""
        rows = self._in_flight(engine).filter(sent_with or Q())
        return dict(rows.values_list("owner").annotate(images=Sum("n")))

    def images_in_flight_by_status(self, engine: str = DEFAULT_ENGINE) -> dict[str, int]:
        """Images in flight by status: what their sum consists of."""
        return dict(self._in_flight(engine).values_list("status").annotate(images=Sum("n")))

    def _in_flight(self, engine: str) -> Self:
        """Rows that take places of the concurrency limit, without an order.

        Late tasks do not: see `mark_late`. Unconfirmed ones do for a while.
        """
        recent = Q(status_at__gt=timezone.now() - UNCONFIRMED_IN_FLIGHT)
        in_flight = (
            Q(status=Status.SUBMITTING)
            | Q(status=Status.RUNNING, lost_at=None, late_at=None, key_missing_since=None)
            | Q(recent, status=Status.UNCONFIRMED)
        )
        return self.for_engine(engine).filter(in_flight, finished_at=None).order_by()

    def request(self, *, owner: Member, key: str, quote: Quote, **columns: Any) -> tuple[Row, bool]:
        """T0: create a queued generation and reserve its price.

        With a key used before: that row, and False. Raises LimitReached, and then writes nothing.
        Call it in the transaction that also wakes up the submit loop.
        """
        columns |= {"unit_price_e4": quote.unit_e4, "reservations": 1}
        with transaction.atomic():
            generation, created = self._create_once(owner=owner, idempotency_key=key, **columns)
            if created:
                self._record_requests([(generation.pk, quote)], owner)
        return generation, created

    def request_all(
        self, *, owner: Member, rows: Sequence[tuple[str, Quote, Mapping[str, Any]]]
    ) -> list[Row]:
        """T0 for many: all rows, each with a new key, a price and its columns, or none.

        The rows come first: others who reserve wait for the periods only from then on. Raises
        LimitReached, and then writes nothing.
        """
        new = [
            self.model(
                owner=owner, idempotency_key=key, unit_price_e4=quote.unit_e4, reservations=1,
                **columns,
            )
            for key, quote, columns in rows
        ]  # fmt: skip
        for generation in new:
            generation.set_search_text()  # type: ignore[attr-defined]  # of `Generation`
        with transaction.atomic():
            created = self.bulk_create(new)
            quotes = [quote for _key, quote, _columns in rows]
            keys = [generation.pk for generation in created]
            self._record_requests(list(zip(keys, quotes, strict=True)), owner)
        return created

    @staticmethod
    def _record_requests(requests: Sequence[tuple[int, Quote]], owner: Member) -> None:
        """Record new rows, by key and price, in their history and in the ledger.

        The ledger last: others who reserve wait from then on. Raises LimitReached.
        """
        Transition.objects.bulk_create(
            Transition(
                generation_id=pk,
                from_status="",
                to_status=Status.QUEUED,
                reason=TransitionReason.REQUESTED,
                by=owner,
            )
            for pk, _quote in requests
        )
        ledger.reserve_all(requests, 1, owner)

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
            locked = self.filter(status=from_status).order_by("pk").select_for_update()
            rows = list(locked.values_list("pk", "owner_id", "batch_id"))
            pks = [pk for pk, _owner, _batch in rows]
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
                Notification.objects.record_transition(rows, to_status, reason, by)
                if from_status == Status.UNCONFIRMED:
                    Notification.objects.delete_checks(pks)
        return pks

    def ended_without_images(self) -> Self:
        return self.filter(finished_at__isnull=False).exclude(status=Status.SUCCEEDED)

    def in_studio(self) -> Self:
        """Without those that their owner removed. One that goes on, or has images, comes back."""
        return self.filter(Q(hidden_at=None) | Q(finished_at=None) | Q(status=Status.SUCCEEDED))

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

        Leaves out rows of these people, those that were sent with these API keys, and those that
        are marked as without their key, until `mark_keys` has begun their watch time anew.

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
                                AND upstream = %s AND engine = %s
                                AND key_missing_since IS NULL{others}
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

    def poll_now(self) -> None:
        """Make the next poll of these rows due, if they are polled.

        Also of one whose poll is under way: its answer may be older than what makes this needed.
        """
        now = timezone.now()
        self.filter(status__in=POLLED, next_poll_at__gt=now).update(next_poll_at=now)

    def reset_claims(self, lease_seconds: float) -> None:
        """Make claimed polls due now, after the process that claimed them died.

        Rows that are merely scheduled within `lease_seconds` become due early, which is harmless.
        """
        for status in POLLED:
            self._make_due(status, lease_seconds)

    def mark_keys(self, missing: Collection[int]) -> bool:
        """Mark the rows that wait for one of these keys, and unmark those whose key is back.

        The time without a key counts neither as watched nor as "not found". Returns whether rows
        can be polled again.
        """
        statuses = (*POLLED, Status.UNCONFIRMED)
        polled = self.for_current_upstream().filter(status__in=statuses, next_poll_at__isnull=False)
        waiting = polled.filter(api_key__in=missing, key_missing_since=None)
        back = polled.filter(key_missing_since__isnull=False).exclude(api_key__in=missing)
        now = timezone.now()
        waiting._mark_key(TransitionReason.KEY_MISSING, key_missing_since=now)
        return back._mark_key(
            TransitionReason.KEY_BACK,
            key_missing_since=None,
            first_not_found_at=None,
            polling_since=now,
        )

    def _mark_key(self, reason: TransitionReason, **changes: Any) -> bool:
        if not self.exists():  # as nearly always: begin no transaction, which locks SQLite
            return False
        with transaction.atomic():
            rows = dict(self.order_by("pk").select_for_update().values_list("pk", "status"))
            if rows:
                marked = self.model._default_manager.filter(pk__in=rows)
                marked.update(version=F("version") + 1, **changes)
                Transition.objects.bulk_create(
                    Transition(generation_id=pk, from_status=at, to_status=at, reason=reason)
                    for pk, at in rows.items()
                )
        return bool(rows)

    def due_for_lookup(self, engine: str = DEFAULT_ENGINE) -> Self:
        """Unconfirmed rows whose lookup is due; none if the upstream supports no lookups."""
        if not can_look_up(engine):
            return self.none()
        return self.for_engine(engine).filter(
            status=Status.UNCONFIRMED, next_poll_at__lte=timezone.now(), key_missing_since=None
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
