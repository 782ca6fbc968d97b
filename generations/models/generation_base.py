"""The columns and constraints of a generation, and the conditional changes of one row."""

from collections.abc import Sequence
from typing import Any, Self
from uuid import NAMESPACE_URL, UUID, uuid5

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.engines.base import MAX_TASK_ID_CHARACTERS

from .api_key import ApiKey
from .generation_queryset import BaseGenerationQuerySet
from .member import Member
from .notification import Notification
from .picture import Picture
from .search_text import normalize
from .status import ACCEPTED, FINAL, LIVE, OPEN, Failure, Status
from .submission import Submission
from .transition import Transition, TransitionReason
from .upstream_gate_base import DEFAULT_ENGINE, DEFAULT_MODEL

HAS_REFERENCE = ~Q(reference=None, reference_url="")


def _namespace(key: str) -> UUID:
    """Return the key itself if it is a UUID in its usual form, else a UUID made from it."""
    try:
        namespace = UUID(key)
    except ValueError:
        return uuid5(NAMESPACE_URL, key)
    return namespace if str(namespace) == key else uuid5(NAMESPACE_URL, key)


def _current_upstream() -> str:
    upstream: str = settings.UPSTREAM_MODE
    return upstream


class GenerationBase(models.Model):
    """The data of a generation. `Generation` adds the named transitions."""

    class Upstream(models.TextChoices):
        """Where a request is sent. Rows of one upstream are never sent to another."""

        LIVE = "live", _("Gateway (paid)")
        SIMULATOR = "simulator", _("Simulator")
        DEMO = "demo", _("Demo data, never sent")
        SAMPLE = "sample", _("Generated sample data, never sent")

    shown_pictures: list[Picture]  # set by `with_pictures_of`

    owner = models.ForeignKey(Member, models.PROTECT, related_name="generations")
    idempotency_key = models.CharField(
        max_length=64,
        help_text=_("A repeated request with the same key creates no second generation."),
    )
    request_fingerprint = models.CharField(
        max_length=64, blank=True, default="", help_text=_("SHA-256 of the request.")
    )
    created_at = models.DateTimeField(default=timezone.now)

    # The request
    upstream = models.CharField(
        max_length=20,
        choices=Upstream,
        default=_current_upstream,
        help_text=_("A request created in the demo is never sent to the paid gateway."),
    )
    engine = models.CharField(max_length=20, default=DEFAULT_ENGINE)
    model = models.CharField(
        max_length=40,
        default=DEFAULT_MODEL,
        db_default=DEFAULT_MODEL,
        help_text=_("The model of the engine."),
    )
    prompt = models.TextField()
    sent_prompt = models.TextField(
        blank=True,
        default="",
        help_text=_("The prompt as sent, if the team’s settings added to it."),
    )
    revised_prompt = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text=_("The prompt as the engine has changed it, if it says so."),
    )
    negative_prompt = models.TextField(blank=True, default="")
    aspect_ratio = models.CharField(max_length=8)
    n = models.PositiveSmallIntegerField(default=1)
    reference = models.ForeignKey(
        "generations.ReferenceImage", models.PROTECT, null=True, blank=True, db_index=False
    )
    reference_url = models.URLField(max_length=2000, blank=True, default="")
    image_fidelity = models.FloatField(null=True, blank=True)
    remix_of = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    collection = models.ForeignKey(
        "generations.Collection",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text=_("Images are added to this collection when they are stored."),
    )
    # Null, not an empty list: SQLite adds such a column without copying the table.
    tag_names = models.JSONField(
        null=True, blank=True, help_text=_("Images get these tags when they are stored.")
    )
    batch = models.ForeignKey(
        "generations.Batch",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="rows",
        db_index=False,
        help_text=_("The batch that it was started with."),
    )
    batch_row = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text=_("Its number in the batch, from 1.")
    )
    params = models.JSONField(
        default=dict, blank=True, help_text=_("Fields that only one engine has.")
    )
    is_private = models.BooleanField(default=False, help_text=_("Visible to its owner only."))
    external_id_before = models.CharField(
        max_length=64,
        blank=True,
        default="",
        editable=False,
        help_text=_("Its own ID upstream, if it was open when it was handed over."),
    )
    search_text = models.TextField(
        blank=True, default="", editable=False, help_text=_("The prompt, normalized for search.")
    )

    # The state
    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED)
    status_at = models.DateTimeField(default=timezone.now)
    version = models.PositiveIntegerField(
        default=1, help_text=_("Increases with each change that people can see.")
    )
    attempt = models.PositiveIntegerField(default=0, help_text=_("How often it has been sent."))
    submitted_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    submit_not_before = models.DateTimeField(
        null=True, blank=True, help_text=_("A queued request is not sent before this time.")
    )
    accepted_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("When the upstream accepted the last attempt, which may be charged."),
    )
    postponements = models.PositiveIntegerField(
        default=0, help_text=_("How often it could not be sent for a reason of its own.")
    )
    postponed_since = models.DateTimeField(null=True, blank=True)
    held_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When its answer last put generation on hold.")
    )
    waits_for_room_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("When it first was next in the queue and too large for the limit."),
    )
    asked_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When a member last asked an admin to check it.")
    )
    hidden_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When its owner removed it from the studio.")
    )
    failure = models.CharField(max_length=8, choices=Failure, blank=True, default="")
    failure_message = models.CharField(
        max_length=500, blank=True, default="", help_text=_("The message from the upstream.")
    )

    # The money, in ten-thousandths of the currency unit. The ledger has the entries.
    unit_price_e4 = models.BigIntegerField(
        null=True, blank=True, help_text=_("Price of an image when it was requested.")
    )
    reservations = models.PositiveSmallIntegerField(
        default=0, help_text=_("How often money was reserved for it.")
    )
    charged_e4 = models.BigIntegerField(
        null=True, blank=True, help_text=_("Set when its reservations have ended.")
    )

    # The upstream task
    api_key = models.ForeignKey(
        ApiKey,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text=_(
            "What it was last sent with: only this account knows the task. Empty: the "
            "simulator’s, or that of an earlier release."
        ),
    )
    upstream_task_id = models.CharField(
        max_length=MAX_TASK_ID_CHARACTERS, blank=True, default="", db_index=True
    )
    next_poll_at = models.DateTimeField(null=True, blank=True)
    polls = models.PositiveIntegerField(default=0)
    poll_failures = models.PositiveIntegerField(
        default=0, help_text=_("Polls in a row without a readable answer.")
    )
    results_without_images = models.PositiveSmallIntegerField(
        default=0, help_text=_("Polls that reported success but listed no images.")
    )
    first_not_found_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("When the upstream first reported the task as not found."),
    )
    late_at = models.DateTimeField(null=True, blank=True)
    lost_at = models.DateTimeField(null=True, blank=True)
    polling_since = models.DateTimeField(null=True, blank=True)
    key_missing_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("Not polled since then, because the API key that sent it is gone."),
    )
    last_response = models.TextField(
        blank=True, default="", help_text=_("The response to the last poll.")
    )

    class Meta:
        abstract = True
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
                condition=~Q(status="running") | ~Q(upstream_task_id=""),
            ),
            models.CheckConstraint(
                name="generation_accepted_at_check",
                condition=~Q(status__in=ACCEPTED) | Q(accepted_at__isnull=False),
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
                "failure",
                F("created_at").desc(),
                F("id").desc(),
                name="generation_failure_created_idx",
                condition=~Q(failure=""),
            ),
            models.Index(
                "aspect_ratio",
                F("created_at").desc(),
                F("id").desc(),
                name="generation_ratio_created_idx",
            ),
            models.Index(
                "model", F("created_at").desc(), F("id").desc(), name="generation_model_created_idx"
            ),
            models.Index(F("created_at").desc(), F("id").desc(), name="generation_created_idx"),
            models.Index(
                fields=["owner"], name="generation_private_idx", condition=Q(is_private=True)
            ),
            models.Index(
                fields=["id"], name="generation_has_reference_idx", condition=HAS_REFERENCE
            ),
            # Of the rows that have one: few, which an index over all rows would hide from SQLite.
            *(
                models.Index(
                    fields=[name],
                    name=f"generation_{name}_idx",
                    condition=Q((f"{name}__isnull", False)),
                )
                for name in ("reference", "remix_of", "collection")
            ),
            models.Index(
                fields=["batch", "batch_row"],
                name="generation_batch_idx",
                condition=Q(batch__isnull=False),
            ),
            models.Index(
                fields=["next_poll_at"],
                name="generation_next_poll_at_idx",
                condition=Q(next_poll_at__isnull=False),
            ),
            # Dismissed rows are final, and many: their status alone would find all of them.
            models.Index(
                fields=["status", "next_poll_at"],
                name="generation_due_poll_idx",
                condition=Q(next_poll_at__isnull=False),
            ),
            models.Index(
                fields=["status", "created_at"],
                name="generation_open_status_idx",
                condition=Q(finished_at__isnull=True),
            ),
            # For reconciliation: what was sent in a span, and what was never answered.
            models.Index(fields=["submitted_at", "created_at"], name="generation_submitted_idx"),
        ]

    def __str__(self) -> str:
        """Shown in the admin and in logs, so without the prompt of private rows."""
        text = "private" if self.is_private else self.prompt[:60]
        return f"generation {self.pk}: {text}"

    def save(self, *args: Any, **options: Any) -> None:
        if self._state.adding:
            self.set_search_text()
        super().save(*args, **options)

    def set_search_text(self) -> None:
        """Call it before a row is created in bulk, which does not call `save`."""
        self.search_text = " ".join(normalize(self.prompt))

    @property
    def audit_label(self) -> str:
        """Its name in the audit log, which never forgets."""
        return f"generation {self.pk}"

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
    def is_key_missing(self) -> bool:
        """Whether nobody asks about its task, because the key that sent it is gone."""
        is_polled = self.status == Status.RUNNING and self.next_poll_at is not None
        return is_polled and self.key_missing_since is not None

    @property
    def has_files_to_fetch(self) -> bool:
        return self.status == Status.FAILED and self.failure == Failure.FILES

    @property
    def has_reference(self) -> bool:
        return self.reference_id is not None or bool(self.reference_url)

    @property
    def external_id(self) -> str:
        """Our own id of the upstream task, the same on every attempt.

        An upstream that supports such ids refuses a duplicate, and finds the task by this id.
        """
        if self.external_id_before:
            return self.external_id_before
        return f"klingweb-{uuid5(_namespace(self.idempotency_key), str(self.owner_id))}"

    @property
    def took_seconds(self) -> int | None:
        if not (self.submitted_at and self.finished_at):
            return None
        return round((self.finished_at - self.submitted_at).total_seconds())

    # --- conditional changes, recorded in the history ---------------------------------------------

    def _row(self) -> BaseGenerationQuerySet[Self]:
        """A queryset of this row alone."""
        return BaseGenerationQuerySet[Self](type(self)).filter(pk=self.pk)

    def _apply_response(
        self,
        submission: Submission,
        from_statuses: Sequence[Status],
        to_status: Status,
        reason: TransitionReason,
        *,
        by: Member | None = None,
        **changes: Any,
    ) -> bool:
        """Change the status after a response to this submission, unless a newer attempt exists."""
        latest = Q(attempt=submission.attempt)
        return any(
            self._transition(from_status, to_status, reason, by=by, condition=latest, **changes)
            for from_status in from_statuses
        )

    def _transition(
        self,
        from_status: Status,
        to_status: Status,
        reason: TransitionReason,
        *,
        detail: str = "",
        by: Member | None = None,
        condition: Q | None = None,
        **changes: Any,
    ) -> bool:
        """Change the status if the row still has `from_status` and meets the condition.

        True: changed and recorded, and this object is reloaded. False: changed elsewhere first.
        """
        row = self._row().filter(condition or Q())
        if not row.transition(from_status, to_status, reason, detail=detail, by=by, **changes):
            return False
        self.refresh_from_db()
        return True

    def _annotate(
        self,
        reason: TransitionReason,
        status: Status = Status.RUNNING,
        *,
        by: Member | None = None,
        condition: Q | None = None,
        **changes: Any,
    ) -> bool:
        """Change and record other columns of a row in `status`, without changing the status."""
        row = self._row().filter(condition or Q(), status=status)
        with transaction.atomic():
            if not row.update(version=F("version") + 1, **changes):
                return False
            Transition.objects.create(
                generation_id=self.pk, from_status=status, to_status=status, reason=reason, by=by
            )
            owned = [(self.pk, self.owner_id, self.batch_id)]
            Notification.objects.record_transition(owned, status, reason, by)
        self.refresh_from_db()
        return True
