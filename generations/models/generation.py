"""One wish of one member, and the only place where its status moves."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import F, Q, Sum, Window
from django.db.models.functions import RowNumber
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.catalog import SHAPE_OF, Shape

from .member import Member
from .picture import Picture, ReferenceImage
from .process import this_process
from .status import FINAL, LIVE, MOVES, OPEN, WITH_TASK, Failure, Status
from .submission import Submission

# An unconfirmed submit probably holds upstream slots; after this long it surely does not.
UNCONFIRMED_HOLDS_UNITS = timedelta(minutes=10)


class GenerationQuerySet(models.QuerySet["Generation"]):
    def visible_to(self, member: Member) -> "GenerationQuerySet":
        """The whole team shares what it makes."""
        return self if member.is_active else self.none()

    def changeable_by(self, member: Member) -> "GenerationQuerySet":
        return self if member.is_admin else self.filter(owner=member)

    def open(self) -> "GenerationQuerySet":
        return self.filter(status__in=OPEN)

    def live(self) -> "GenerationQuerySet":
        return self.filter(status__in=LIVE)

    def here(self) -> "GenerationQuerySet":
        """Those for the upstream this install has now; a demo's are not paid for later."""
        return self.filter(engine=settings.ENGINE)

    def in_turn(self) -> "GenerationQuerySet":
        """The queue: one of each person in a round, the person served longest ago first."""
        mine_in_order = Window(RowNumber(), partition_by="owner", order_by=["created_at", "pk"])
        served = F("owner__served_at").asc(nulls_first=True)
        return (
            self.here()
            .filter(status=Status.QUEUED)
            .annotate(turn=mine_in_order)
            .order_by("turn", served, "created_at", "pk")
        )

    def units_in_use(self) -> int:
        """Upstream slots taken by us: n of every row that is, or may be, worked on there."""
        maybe = Q(status_at__gt=timezone.now() - UNCONFIRMED_HOLDS_UNITS)
        taken = (
            Q(status=Status.SUBMITTING)
            | Q(status=Status.RUNNING, lost_at=None)
            | Q(maybe, status=Status.UNCONFIRMED)
        )
        return self.here().filter(taken).aggregate(units=Sum("n"))["units"] or 0

    def request(self, *, owner: Member, nonce: UUID, **wish: Any) -> tuple["Generation", bool]:
        """T0: the one verb that creates. The same nonce again gives the same row and False.

        Call it inside the transaction that also enqueues the kick.
        """
        with transaction.atomic():
            generation, created = self.get_or_create(owner=owner, form_nonce=nonce, defaults=wish)
            if created:
                generation.moves.create(
                    from_status="", to_status=Status.QUEUED, why="requested", by=owner
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
                            WHERE status = 'running' AND next_poll_at <= %s AND engine = %s
                            ORDER BY next_poll_at LIMIT %s {skip_locked})
                        RETURNING *""",  # noqa: S608
                    [_for_database(until), _for_database(now), settings.ENGINE, limit],
                )
            )

    def release_claims(self, lease_seconds: float) -> None:
        """Whoever held them is dead: its rows come due now. Asking some too early does no harm."""
        now = timezone.now()
        held = (now, now + timedelta(seconds=lease_seconds))
        self.filter(status=Status.RUNNING, next_poll_at__range=held).update(next_poll_at=now)

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


def _engine_here() -> str:
    engine: str = settings.ENGINE
    return engine


class Generation(models.Model):
    owner = models.ForeignKey(Member, models.PROTECT, related_name="generations")
    form_nonce = models.UUIDField(help_text=_("The same press gives the same row."))
    created_at = models.DateTimeField(default=timezone.now)

    # The wish
    engine = models.CharField(
        max_length=20,
        default=_engine_here,
        help_text=_("Which upstream it is for: what was asked of the simulator is never paid."),
    )
    prompt = models.TextField()
    negative_prompt = models.TextField(blank=True, default="")
    aspect_ratio = models.CharField(max_length=8)
    n = models.PositiveSmallIntegerField(default=1)
    reference = models.ForeignKey(ReferenceImage, models.PROTECT, null=True, blank=True)
    reference_url = models.URLField(max_length=2000, blank=True, default="")
    image_fidelity = models.FloatField(null=True, blank=True)
    again_of = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="+")

    # What became of it
    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED)
    status_at = models.DateTimeField(default=timezone.now)
    version = models.PositiveIntegerField(default=1, help_text=_("Fence of people and cards."))
    attempt = models.PositiveIntegerField(default=0, help_text=_("Fence of the engine's answers."))
    submitted_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=8, choices=Failure, blank=True, default="")
    reason = models.CharField(max_length=500, blank=True, default="", help_text=_("In its words."))

    # The upstream's side
    kling_task_id = models.CharField(max_length=200, blank=True, default="", db_index=True)
    next_poll_at = models.DateTimeField(null=True, blank=True)
    polls = models.PositiveIntegerField(default=0)
    poll_failures = models.PositiveIntegerField(default=0, help_text=_("In a row."))
    empty_answers = models.PositiveSmallIntegerField(
        default=0, help_text=_("Told that it is done, without a picture.")
    )
    denied_at = models.DateTimeField(null=True, blank=True, help_text=_("First 'not found'."))
    late_at = models.DateTimeField(null=True, blank=True)
    lost_at = models.DateTimeField(null=True, blank=True)
    watched_from = models.DateTimeField(null=True, blank=True)
    last_answer = models.TextField(blank=True, default="", help_text=_("Of the last poll."))

    objects = GenerationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "form_nonce"], name="one_row_per_press"),
            models.CheckConstraint(
                name="final_rows_have_an_end",
                condition=Q(status__in=FINAL, finished_at__isnull=False)
                | (~Q(status__in=FINAL) & Q(finished_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="the_upstream_has_what_runs",
                condition=~Q(status__in=WITH_TASK) | ~Q(kling_task_id=""),
            ),
            models.CheckConstraint(
                name="failed_rows_say_why", condition=~Q(status="failed") | ~Q(failure="")
            ),
            models.CheckConstraint(name="one_to_nine_pictures", condition=Q(n__gte=1, n__lte=9)),
        ]
        indexes = [
            models.Index("owner", F("created_at").desc(), F("id").desc(), name="studio_stream"),
            models.Index(
                fields=["next_poll_at"],
                name="generation_due",
                condition=Q(next_poll_at__isnull=False),
            ),
            models.Index(
                fields=["status", "created_at"],
                name="generation_open",
                condition=Q(finished_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"generation {self.pk}: {self.prompt[:60]}"

    # --- questions ---------------------------------------------------------------------------

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def is_late(self) -> bool:
        return self.late_at is not None and self.status == Status.RUNNING

    @property
    def is_lost(self) -> bool:
        return self.lost_at is not None and self.status == Status.RUNNING

    @property
    def has_files_to_fetch(self) -> bool:
        return self.status == Status.FAILED and self.failure == Failure.FILES

    @property
    def has_reference(self) -> bool:
        return self.reference_id is not None or bool(self.reference_url)

    @property
    def shape(self) -> Shape:
        return SHAPE_OF[self.aspect_ratio]

    @property
    def took_seconds(self) -> int | None:
        if not (self.submitted_at and self.finished_at):
            return None
        return round((self.finished_at - self.submitted_at).total_seconds())

    # --- moves of the engine: fenced by the attempt ---------------------------------------------

    def mark_submitting(self, deadline_seconds: float) -> Submission | None:
        """T1, durable before the socket opens: None when the row is not queued any more."""
        now = timezone.now()
        with transaction.atomic():
            unchanged = Q(attempt=self.attempt)
            if not self._move(Status.QUEUED, Status.SUBMITTING, "sent", fence=unchanged,
                              attempt=self.attempt + 1):  # fmt: skip
                return None
            Member.objects.filter(pk=self.owner_id).update(served_at=now)
            return self.submissions.create(
                attempt=self.attempt,
                sent_at=now,
                deadline_at=now + timedelta(seconds=deadline_seconds),
                holder=this_process(),
            )

    def mark_running(self, submission: Submission, kling_task_id: str, first_poll: float) -> bool:
        """T2: an answer with a task id, however late."""
        now = timezone.now()
        changes: dict[str, Any] = {
            "kling_task_id": kling_task_id,
            "submitted_at": submission.sent_at,
            "watched_from": now,
            "next_poll_at": now + timedelta(seconds=first_poll),
        }
        mine = Q(attempt=submission.attempt)
        return any(
            self._move(before, Status.RUNNING, "accepted by the upstream", fence=mine, **changes)
            for before in (Status.SUBMITTING, Status.UNCONFIRMED)
        )

    def mark_refused(
        self,
        submission: Submission,
        failure: Failure,
        reason: str,
        why: str = "refused by the upstream",
    ) -> bool:
        """T3, T7: the upstream said no for good; nothing runs there."""
        mine = Q(attempt=submission.attempt)
        return any(
            self._move(before, Status.FAILED, why, fence=mine,
                       failure=failure, reason=reason[:500])
            for before in (Status.SUBMITTING, Status.UNCONFIRMED)
        )  # fmt: skip

    def mark_postponed(self, submission: Submission, why: str) -> bool:
        """T4, T5: surely nothing runs upstream; back to its place in the queue."""
        mine = Q(attempt=submission.attempt)
        return self._move(Status.SUBMITTING, Status.QUEUED, why, fence=mine)

    def mark_unconfirmed(self, submission: Submission, why: str) -> bool:
        """T6: sent, and nobody knows. A person decides; nothing is sent by itself."""
        mine = Q(attempt=submission.attempt)
        return self._move(Status.SUBMITTING, Status.UNCONFIRMED, why, fence=mine)

    def mark_fetching(self, urls: Sequence[str], answer: str = "") -> bool:
        """T10: done upstream; the pictures it listed are wanted now."""
        now = timezone.now()
        with transaction.atomic():
            if not self._move(Status.RUNNING, Status.FETCHING, "made by the upstream",
                              next_poll_at=None, lost_at=None, last_answer=answer):  # fmt: skip
                return False
            Picture.objects.bulk_create(
                Picture(generation=self, index=index, upstream_url=url, next_try_at=now)
                for index, url in enumerate(urls)
            )
        return True

    def mark_failed(self, failure: Failure, reason: str, answer: str = "") -> bool:
        """T11: the upstream ended the task without pictures."""
        return self._move(Status.RUNNING, Status.FAILED, "failed at the upstream",
                          failure=failure, reason=reason[:500], next_poll_at=None,
                          last_answer=answer)  # fmt: skip

    def settle(self) -> bool:
        """T12: end the row once no picture is wanted any more; False while one still is."""
        with transaction.atomic():
            # Two fetchers that end the last two pictures at once must see each other's.
            Generation.objects.select_for_update().filter(pk=self.pk).first()
            return self._settle(list(self.pictures.values_list("state", flat=True)))

    def _settle(self, states: list[str]) -> bool:
        if Picture.State.WANTED in states:
            return False
        stored = states.count(Picture.State.STORED)
        if stored:
            why = f"{stored} of {self.n} pictures stored"
            return self._move(Status.FETCHING, Status.SUCCEEDED, why)
        lost = self.pictures.exclude(reason="").values_list("reason", flat=True).first() or ""
        return self._move(Status.FETCHING, Status.FAILED, "no file could be fetched",
                          failure=Failure.FILES, reason=lost)  # fmt: skip

    def mark_late(self) -> bool:
        return self._mark("late: still watched", late_at=timezone.now())

    def mark_lost(self, why: str) -> bool:
        return self._mark(f"lost: {why}", lost_at=timezone.now(), next_poll_at=None)

    def doubt(self, denied_at: datetime | None) -> None:
        """Remember when the upstream first denied the task; None: it knows it again."""
        if (self.denied_at is None) == (denied_at is None):
            return
        Generation.objects.filter(pk=self.pk).update(denied_at=denied_at)
        self.denied_at = denied_at

    def count_empty_answer(self) -> int:
        """Done, it says, and lists nothing: how often by now."""
        self.empty_answers += 1
        Generation.objects.filter(pk=self.pk).update(empty_answers=self.empty_answers)
        return self.empty_answers

    # --- moves of people: fenced by the version they saw -------------------------------------

    def cancel(self, by: Member | None, version: int) -> bool:
        """T14: nothing was sent yet."""
        seen = Q(version=version)
        return self._move(Status.QUEUED, Status.CANCELED, "canceled", by=by, fence=seen)

    def send_again(self, by: Member, version: int) -> bool:
        """T8: knowing that the first may have been charged."""
        seen = Q(version=version)
        return self._move(Status.UNCONFIRMED, Status.QUEUED, "send again", by=by, fence=seen)

    def abandon(self, by: Member | None, version: int) -> bool:
        """T9: an unconfirmed or a lost one is given up."""
        seen = Q(version=version)
        return self._move(
            Status.UNCONFIRMED, Status.ABANDONED, "given up", by=by, fence=seen
        ) or self._move(
            Status.RUNNING, Status.ABANDONED, "given up", by=by,
            fence=seen & Q(lost_at__isnull=False), next_poll_at=None,
        )  # fmt: skip

    def look_again(self, by: Member, version: int) -> bool:
        """A lost one is watched again from now on."""
        return self._mark(
            "look again", by=by, fence=Q(version=version, lost_at__isnull=False),
            lost_at=None, denied_at=None, empty_answers=0,
            watched_from=timezone.now(), next_poll_at=timezone.now(),
        )  # fmt: skip

    def fetch_again(self, by: Member, version: int) -> bool:
        """T13: its files are tried once more, with fresh addresses. A made row stays made."""
        seen = Q(version=version)
        files = seen & Q(failure=Failure.FILES)
        lost = self.pictures.filter(state=Picture.State.LOST)
        with transaction.atomic():
            moved = self._move(Status.FAILED, Status.FETCHING, "fetch again", by=by, fence=files,
                               failure="", reason="")  # fmt: skip
            made = Status.SUCCEEDED
            if not moved and not (
                lost.exists() and self._mark("fetch again", made, by=by, fence=seen)
            ):
                return False
            lost.update(state=Picture.State.WANTED, tries=0, next_try_at=timezone.now(), reason="")
        return True

    # --- the one place ------------------------------------------------------------------------

    def _move(
        self,
        before: Status,
        after: Status,
        why: str,
        *,
        by: Member | None = None,
        fence: Q | None = None,
        **changes: Any,
    ) -> bool:
        """Move the row if it still stands where expected: one conditional UPDATE decides.

        True: moved, recorded, and this object is fresh. False: somebody else was first.
        """
        if (before, after) not in MOVES:
            raise ValueError(f"no generation moves from {before} to {after}")
        now = timezone.now()
        still = Generation.objects.filter(fence or Q(), pk=self.pk, status=before)
        with transaction.atomic():
            if not still.update(
                status=after,
                status_at=now,
                finished_at=now if after in FINAL else None,
                version=F("version") + 1,
                **changes,
            ):
                return False
            self.moves.create(at=now, from_status=before, to_status=after, why=why[:300], by=by)
        self.refresh_from_db()
        return True

    def _mark(
        self,
        why: str,
        status: Status = Status.RUNNING,
        *,
        by: Member | None = None,
        fence: Q | None = None,
        **changes: Any,
    ) -> bool:
        """Note something about a row; its status stays."""
        still = Generation.objects.filter(fence or Q(), pk=self.pk, status=status)
        with transaction.atomic():
            if not still.update(version=F("version") + 1, **changes):
                return False
            self.moves.create(from_status=status, to_status=status, why=why[:300], by=by)
        self.refresh_from_db()
        return True
