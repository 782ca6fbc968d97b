"""One wish of one member, and the only place where its status moves."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .generation_queryset import GenerationQuerySet
from .library import Collection
from .member import Member
from .picture import Picture, ReferenceImage
from .process import this_process
from .search_text import normalize
from .status import FINAL, LIVE, OPEN, WITH_TASK, Failure, Status
from .submission import Submission
from .transition import TransitionReason
from .upstream_gate import UpstreamGate

MAX_TASK_ID_LENGTH = 200  # characters, as the column has them


class TaskTaken(ValueError):
    """That Kling task belongs to another generation already."""


def _current_upstream() -> str:
    upstream: str = settings.UPSTREAM_MODE
    return upstream


def _namespace(key: str) -> UUID:
    """The key itself where it is a UUID in the usual form, else one derived from it."""
    try:
        namespace = UUID(key)
    except ValueError:
        namespace = None
    if namespace is None or str(namespace) != key:
        return uuid5(NAMESPACE_URL, key)
    return namespace


class Generation(models.Model):
    class Upstream(models.TextChoices):
        """Where a request is sent. Rows of one upstream are never sent to another."""

        LIVE = "live", _("the gateway, paid")
        SIMULATOR = "simulator", _("the demo's simulator")
        DEMO = "demo", _("demo data, never sent")
        SAMPLE = "sample", _("generated sample data, never sent")

    shown_pictures: "list[Picture]"  # set by `with_pictures_of`

    owner = models.ForeignKey(Member, models.PROTECT, related_name="generations")
    idempotency_key = models.CharField(
        max_length=64, help_text=_("The same key of the same owner gives the same row.")
    )
    request_fingerprint = models.CharField(
        max_length=64, blank=True, default="", help_text=_("SHA-256 of the request.")
    )
    created_at = models.DateTimeField(default=timezone.now)

    # The wish
    upstream = models.CharField(
        max_length=20,
        choices=Upstream,
        default=_current_upstream,
        help_text=_("A request made in the demo is never sent to the paid gateway."),
    )
    prompt = models.TextField()
    negative_prompt = models.TextField(blank=True, default="")
    aspect_ratio = models.CharField(max_length=8)
    n = models.PositiveSmallIntegerField(default=1)
    reference = models.ForeignKey(ReferenceImage, models.PROTECT, null=True, blank=True)
    reference_url = models.URLField(max_length=2000, blank=True, default="")
    image_fidelity = models.FloatField(null=True, blank=True)
    remix_of = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="+")
    collection = models.ForeignKey(
        Collection,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Its pictures go there as they come."),
    )
    params = models.JSONField(
        default=dict, blank=True, help_text=_("Fields that only one engine has.")
    )
    is_private = models.BooleanField(default=False, help_text=_("Seen by its owner alone."))
    search_text = models.TextField(
        blank=True, default="", editable=False, help_text=_("The prompt as it is searched.")
    )

    # What became of it
    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED)
    status_at = models.DateTimeField(default=timezone.now)
    version = models.PositiveIntegerField(default=1, help_text=_("Fence of people and cards."))
    attempt = models.PositiveIntegerField(default=0, help_text=_("Fence of the worker's answers."))
    submitted_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=8, choices=Failure, blank=True, default="")
    failure_message = models.CharField(
        max_length=500, blank=True, default="", help_text=_("In its words.")
    )

    # The upstream's side
    upstream_task_id = models.CharField(max_length=200, blank=True, default="", db_index=True)
    next_poll_at = models.DateTimeField(null=True, blank=True)
    polls = models.PositiveIntegerField(default=0)
    poll_failures = models.PositiveIntegerField(default=0, help_text=_("In a row."))
    results_without_images = models.PositiveSmallIntegerField(
        default=0, help_text=_("Told that it is done, without a picture.")
    )
    first_not_found_at = models.DateTimeField(
        null=True, blank=True, help_text=_("First 'not found'.")
    )
    late_at = models.DateTimeField(null=True, blank=True)
    lost_at = models.DateTimeField(null=True, blank=True)
    polling_since = models.DateTimeField(null=True, blank=True)
    last_response = models.TextField(blank=True, default="", help_text=_("Of the last poll."))

    objects = GenerationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "idempotency_key"], name="generation_owner_idempotency_key_uniq"
            ),
            models.CheckConstraint(
                name="generation_finished_at_check",
                condition=Q(status__in=FINAL, finished_at__isnull=False)
                | (~Q(status__in=FINAL) & Q(finished_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="generation_upstream_task_id_check",
                condition=~Q(status__in=WITH_TASK) | ~Q(upstream_task_id=""),
            ),
            models.CheckConstraint(
                name="generation_failure_check", condition=~Q(status="failed") | ~Q(failure="")
            ),
            models.CheckConstraint(name="generation_n_check", condition=Q(n__gte=1)),
        ]
        indexes = [
            models.Index(
                "owner", F("created_at").desc(), F("id").desc(), name="generation_owner_created_idx"
            ),
            models.Index(
                "status",
                F("created_at").desc(),
                F("id").desc(),
                name="generation_status_created_idx",
            ),
            models.Index(
                fields=["owner"],
                name="generation_owner_open_idx",
                condition=Q(finished_at__isnull=True),
            ),
            models.Index(
                "aspect_ratio",
                F("created_at").desc(),
                F("id").desc(),
                name="generation_ratio_created_idx",
            ),
            models.Index(
                fields=["next_poll_at"],
                name="generation_next_poll_at_idx",
                condition=Q(next_poll_at__isnull=False),
            ),
            models.Index(
                fields=["status", "created_at"],
                name="generation_open_status_idx",
                condition=Q(finished_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        """Read by others, in the panel and in logs."""
        words = "private" if self.is_private else self.prompt[:60]
        return f"generation {self.pk}: {words}"

    def save(self, *args: Any, **options: Any) -> None:
        """Whatever makes the row, its prompt can be searched for."""
        if self._state.adding:
            self.search_text = " ".join(normalize(self.prompt))
        super().save(*args, **options)

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
    def external_id(self) -> str:
        """Our own name for it, the same on every attempt: an upstream that keeps such names apart
        refuses a second one, and can be asked whether it has it."""
        return f"klingweb-{uuid5(_namespace(self.idempotency_key), str(self.owner_id))}"

    @property
    def took_seconds(self) -> int | None:
        if not (self.submitted_at and self.finished_at):
            return None
        return round((self.finished_at - self.submitted_at).total_seconds())

    # --- moves of the worker: fenced by the attempt ---------------------------------------------

    def mark_submitting(self, deadline_seconds: float) -> Submission | None:
        """T1, durable before the socket opens: None when the row is not queued any more."""
        now = timezone.now()
        with transaction.atomic():
            unchanged = Q(attempt=self.attempt)
            # From here on it bears our own name, or cannot be looked for: mark_unconfirmed.
            ends = now + timedelta(seconds=deadline_seconds) if settings.UPSTREAM_LOOKUP else None
            if not self._transition(
                Status.QUEUED,
                Status.SUBMITTING,
                TransitionReason.SENT,
                fence=unchanged,
                attempt=self.attempt + 1,
                next_poll_at=ends,
            ):
                return None
            Member.objects.filter(pk=self.owner_id).update(last_submitted_at=now)
            return self.submissions.create(
                attempt=self.attempt,
                sent_at=now,
                deadline_at=now + timedelta(seconds=deadline_seconds),
                holder=this_process(),
            )

    def mark_running(
        self,
        submission: Submission,
        upstream_task_id: str,
        first_poll: float,
        reason: TransitionReason = TransitionReason.ACCEPTED,
        by: Member | None = None,
    ) -> bool:
        """T2: a task id, however late and from wherever."""
        now = timezone.now()
        changes: dict[str, Any] = {
            "upstream_task_id": upstream_task_id,
            "submitted_at": submission.sent_at,
            "polling_since": now,
            "next_poll_at": now + timedelta(seconds=first_poll),
            "poll_failures": 0,
        }
        same_attempt = Q(attempt=submission.attempt)
        return any(
            self._transition(before, Status.RUNNING, reason, by=by, fence=same_attempt, **changes)
            for before in (Status.SUBMITTING, Status.UNCONFIRMED)
        )

    def mark_refused(
        self,
        submission: Submission,
        failure: Failure,
        message: str,
        reason: TransitionReason = TransitionReason.REFUSED,
    ) -> bool:
        """T3, T7: the upstream said no for good; nothing runs there."""
        same_attempt = Q(attempt=submission.attempt)
        return any(
            self._transition(
                before,
                Status.FAILED,
                reason,
                fence=same_attempt,
                failure=failure,
                failure_message=message[:500],
                next_poll_at=None,
            )
            for before in (Status.SUBMITTING, Status.UNCONFIRMED)
        )

    def mark_postponed(self, submission: Submission, reason: TransitionReason) -> bool:
        """T4, T5: surely nothing runs upstream; back to its place in the queue."""
        same_attempt = Q(attempt=submission.attempt)
        return self._transition(
            Status.SUBMITTING, Status.QUEUED, reason, fence=same_attempt, next_poll_at=None
        )

    def mark_unconfirmed(self, submission: Submission, reason: TransitionReason) -> bool:
        """T6: sent, and nobody knows. A person decides; nothing is sent by itself.

        Where it went out under our own name the upstream is asked for it, after a grace.
        """
        same_attempt = Q(attempt=submission.attempt)
        first_look = None
        if settings.UPSTREAM_LOOKUP and self.next_poll_at:
            grace = settings.LOOKUP_SECONDS[0] * random.uniform(1, 1.2)
            first_look = timezone.now() + timedelta(seconds=grace)
        return self._transition(
            Status.SUBMITTING,
            Status.UNCONFIRMED,
            reason,
            fence=same_attempt,
            next_poll_at=first_look,
            polls=0,
            poll_failures=0,
        )

    def reschedule_lookup(self, seconds: float, *, polls: int, poll_failures: int) -> bool:
        """Ask for it again then: `polls` times it was denied, `poll_failures` not answered."""
        return bool(
            Generation.objects.filter(
                pk=self.pk, status=Status.UNCONFIRMED, next_poll_at=self.next_poll_at
            ).update(
                next_poll_at=timezone.now() + timedelta(seconds=seconds),
                polls=polls,
                poll_failures=poll_failures,
            )
        )

    def mark_found(self, submission: Submission, upstream_task_id: str) -> bool:
        """T2: the upstream was asked, and has it. Raises `TaskTaken`."""
        with transaction.atomic():
            self._claim_task_id(upstream_task_id)
            moved = self.mark_running(submission, upstream_task_id, 0, TransitionReason.FOUND)
            if moved:
                self._record_task_id(upstream_task_id)
        return moved

    def mark_not_there(self, submission: Submission) -> bool:
        """T7: the upstream was asked with authority, and has no such task: nothing was charged."""
        same_attempt = Q(attempt=submission.attempt)
        return self._transition(
            Status.UNCONFIRMED,
            Status.FAILED,
            TransitionReason.NOT_THERE,
            fence=same_attempt,
            failure=Failure.OURS,
            next_poll_at=None,
        )

    def mark_fetching(self, urls: Sequence[str], answer: str = "") -> bool:
        """T10: done upstream; the pictures it listed are wanted now."""
        if not Generation.objects.mark_fetching({self.pk: (urls, answer)}):
            return False
        self.refresh_from_db()
        return True

    def mark_failed(self, failure: Failure, message: str, answer: str = "") -> bool:
        """T11: the upstream ended the task without pictures."""
        return self._transition(
            Status.RUNNING,
            Status.FAILED,
            TransitionReason.FAILED,
            failure=failure,
            failure_message=message[:500],
            next_poll_at=None,
            last_response=answer,
        )

    def finish_if_complete(self) -> bool:
        """T12: end the row once no picture is wanted any more; False while one still is."""
        with transaction.atomic():
            # Two fetchers that end the last two pictures at once must see each other's.
            Generation.objects.select_for_update().filter(pk=self.pk).first()
            return self._finish_if_complete(list(self.pictures.values_list("state", flat=True)))

    def _finish_if_complete(self, states: list[str]) -> bool:
        if Picture.State.WANTED in states:
            return False
        stored = states.count(Picture.State.STORED)
        if stored:
            told = f"{stored} of {self.n}"
            return self._transition(
                Status.FETCHING, Status.SUCCEEDED, TransitionReason.STORED, detail=told
            )
        lost = self.pictures.exclude(reason="").values_list("reason", flat=True).first() or ""
        return self._transition(
            Status.FETCHING,
            Status.FAILED,
            TransitionReason.NO_FILE,
            failure=Failure.FILES,
            failure_message=lost,
        )

    def mark_late(self) -> bool:
        return self._annotate(TransitionReason.LATE, late_at=timezone.now())

    def mark_lost(self, reason: TransitionReason) -> bool:
        return self._annotate(reason, lost_at=timezone.now(), next_poll_at=None)

    def set_first_not_found(self, first_not_found_at: datetime | None) -> None:
        """Remember when the upstream first denied the task; None: it knows it again."""
        if (self.first_not_found_at is None) == (first_not_found_at is None):
            return
        Generation.objects.filter(pk=self.pk).update(first_not_found_at=first_not_found_at)
        self.first_not_found_at = first_not_found_at

    def count_result_without_images(self) -> int:
        """Done, it says, and lists nothing: how often by now."""
        self.results_without_images += 1
        Generation.objects.filter(pk=self.pk).update(
            results_without_images=self.results_without_images
        )
        return self.results_without_images

    # --- moves of people: fenced by the version they saw -------------------------------------

    def cancel(self, by: Member | None, version: int) -> bool:
        """T14: nothing was sent yet."""
        same_version = Q(version=version)
        return self._transition(
            Status.QUEUED, Status.CANCELED, TransitionReason.CANCELED, by=by, fence=same_version
        )

    def send_again(self, by: Member, version: int) -> bool:
        """T8: knowing that the first may have been charged."""
        same_version = Q(version=version)
        return self._transition(
            Status.UNCONFIRMED,
            Status.QUEUED,
            TransitionReason.SENT_AGAIN,
            by=by,
            fence=same_version,
            next_poll_at=None,
        )

    def abandon(self, by: Member | None, version: int) -> bool:
        """T9: an unconfirmed or a lost one is given up."""
        same_version = Q(version=version)
        return self._transition(
            Status.UNCONFIRMED,
            Status.ABANDONED,
            TransitionReason.GIVEN_UP,
            by=by,
            fence=same_version,
            next_poll_at=None,
        ) or self._transition(
            Status.RUNNING,
            Status.ABANDONED,
            TransitionReason.GIVEN_UP,
            by=by,
            fence=same_version & Q(lost_at__isnull=False),
            next_poll_at=None,
        )

    def recheck(self, by: Member, version: int) -> bool:
        """A lost one is watched again from now on."""
        return self._annotate(
            TransitionReason.LOOKED_AGAIN,
            by=by,
            fence=Q(version=version, lost_at__isnull=False),
            lost_at=None,
            first_not_found_at=None,
            results_without_images=0,
            polling_since=timezone.now(),
            next_poll_at=timezone.now(),
        )

    def search_upstream(self, by: Member, version: int) -> bool:
        """An unconfirmed one is looked for at once, where the upstream can be asked for it."""
        if not settings.UPSTREAM_LOOKUP:
            return False
        can_be_found = Q(version=version, next_poll_at__isnull=False)
        return self._annotate(
            TransitionReason.LOOKED_AGAIN,
            Status.UNCONFIRMED,
            by=by,
            fence=can_be_found,
            next_poll_at=timezone.now(),
        )

    def set_task_id(self, by: Member, version: int, upstream_task_id: str) -> bool:
        """T2 by an admin, who found the task of an unconfirmed one in the gateway's own log.

        A lost one may be named too: the id that was typed first may have been the wrong one.
        Raises `TaskTaken`.
        """
        upstream_task_id = upstream_task_id.strip()
        if not 0 < len(upstream_task_id) <= MAX_TASK_ID_LENGTH:
            return False
        now, is_lost = timezone.now(), Q(status=Status.RUNNING, lost_at__isnull=False)
        seen = Generation.objects.filter(Q(status=Status.UNCONFIRMED) | is_lost, version=version)
        with transaction.atomic():
            self._claim_task_id(upstream_task_id)
            if not seen.filter(pk=self.pk).update(status=F("status")):
                return False
            named = self._annotate(
                TransitionReason.NAMED,
                by=by,
                upstream_task_id=upstream_task_id,
                lost_at=None,
                first_not_found_at=None,
                results_without_images=0,
                polling_since=now,
                next_poll_at=now,
            ) or self.mark_running(
                self.submissions.latest("attempt"), upstream_task_id, 0, TransitionReason.NAMED, by
            )
            if named:
                self._record_task_id(upstream_task_id)
        return named

    def _claim_task_id(self, upstream_task_id: str) -> None:
        """Until the transaction ends, nobody else finds or names that task."""
        UpstreamGate.lock()
        others = Generation.objects.exclude(pk=self.pk).filter(upstream_task_id=upstream_task_id)
        answers = Submission.objects.exclude(generation=self).filter(
            upstream_task_id=upstream_task_id
        )
        if others.exists() or answers.exists():
            raise TaskTaken(f"Kling task {upstream_task_id} belongs to another generation")

    def _record_task_id(self, upstream_task_id: str) -> None:
        """It is the task of the last POST that may have been accepted."""
        never = (Submission.Outcome.REFUSED, Submission.Outcome.POSTPONED)
        sent = self.submissions.exclude(outcome__in=never).order_by("attempt").last()
        if sent:
            sent.outcome, sent.upstream_task_id = Submission.Outcome.ACCEPTED, upstream_task_id
            sent.save(update_fields=["outcome", "upstream_task_id"])

    def fetch_again(self, by: Member, version: int) -> bool:
        """T13: its files are tried once more, with fresh addresses. A made row stays made."""
        same_version = Q(version=version)
        files = same_version & Q(failure=Failure.FILES)
        lost = self.pictures.filter(state=Picture.State.LOST)
        with transaction.atomic():
            moved = self._transition(
                Status.FAILED,
                Status.FETCHING,
                TransitionReason.FETCHED_AGAIN,
                by=by,
                fence=files,
                failure="",
                failure_message="",
            )
            made = Status.SUCCEEDED
            if not moved and not (
                lost.exists()
                and self._annotate(TransitionReason.FETCHED_AGAIN, made, by=by, fence=same_version)
            ):
                return False
            lost.update(state=Picture.State.WANTED, tries=0, next_try_at=timezone.now(), reason="")
        return True

    # --- the one place ------------------------------------------------------------------------

    def _transition(
        self,
        before: Status,
        after: Status,
        reason: TransitionReason,
        *,
        detail: str = "",
        by: Member | None = None,
        fence: Q | None = None,
        **changes: Any,
    ) -> bool:
        """Move the row if it still stands where expected, and as the fence wants it.

        True: moved, recorded, and this object is fresh. False: somebody else was first.
        """
        row = Generation.objects.filter(fence or Q(), pk=self.pk)
        if not row.transition(before, after, reason, detail=detail, by=by, **changes):
            return False
        self.refresh_from_db()
        return True

    def _annotate(
        self,
        reason: TransitionReason,
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
            self.transitions.create(from_status=status, to_status=status, reason=reason, by=by)
        self.refresh_from_db()
        return True
