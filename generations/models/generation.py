"""Generations: one request of one member, and all changes of its status.

T1 to T15 are the transitions of `status.TRANSITIONS`. The worker's are conditional on the attempt,
so that a late response to an older attempt changes nothing. Those by people are conditional on the
version, so that an action from a stale page changes nothing.
"""

import random
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from generations.engines.base import MAX_TASK_ID_CHARACTERS

from .generation_base import GenerationBase
from .generation_queryset import BaseGenerationQuerySet
from .lookups import can_look_up
from .member import Member
from .money import Quote, charging, ledger
from .notification import Notification
from .picture import Picture
from .process import this_process
from .recovered import Recovered
from .status import POLLED, Failure, Status
from .submission import Submission
from .transition import Transition, TransitionReason
from .upstream_gate import UpstreamGate

KEY_COLUMN = ("idempotency_key",)
UNANSWERED = (Status.SUBMITTING, Status.UNCONFIRMED)


class TaskTaken(ValueError):
    """The upstream task belongs to another generation."""


class GenerationQuerySet(BaseGenerationQuerySet["Generation"]):
    """See `BaseGenerationQuerySet`."""

    def cancel_queued(self, by: Member | None) -> int:
        """T14 for those of these rows that are queued. Return how many were canceled."""
        queued = self.filter(status=Status.QUEUED, finished_at=None)
        return sum(row.cancel(by, row.version) for row in queued)

    def hand_over(self, to: Member, by: Member | None, detail: str) -> int:
        """Make `to` the owner of these rows and record it. Return how many there were."""
        with transaction.atomic():
            rows = list(self.order_by("pk").select_for_update(of=("self",)))
            keys = [row.idempotency_key for row in rows]
            taken = set(to.generations.filter(idempotency_key__in=keys).values_list(*KEY_COLUMN))
            for row in rows:
                row.prepare_hand_over(is_key_taken=(row.idempotency_key,) in taken)
            pks = [row.pk for row in rows]
            Generation.objects.filter(pk__in=pks).update(owner=to, version=F("version") + 1)
            Transition.objects.bulk_create(
                Transition(
                    generation_id=row.pk,
                    from_status=row.status,
                    to_status=row.status,
                    reason=TransitionReason.HANDED_OVER,
                    detail=detail[:300],
                    by=by,
                )
                for row in rows
            )
        return len(rows)


class Generation(GenerationBase):
    """One request of one member."""

    objects = GenerationQuerySet.as_manager()

    # --- transitions by the worker ---------------------------------------------------------------

    def mark_submitting(
        self,
        deadline_seconds: float,
        api_key: int | None = None,
    ) -> Submission | None:
        """T1, before the connection is opened. None if the row is no longer queued.

        `api_key` is the row of the key that it will be sent with; None: the simulator's.
        """
        now = timezone.now()
        deadline_at = now + timedelta(seconds=deadline_seconds)
        with transaction.atomic():
            if not self._transition(
                Status.QUEUED,
                Status.SUBMITTING,
                TransitionReason.SENT,
                condition=Q(attempt=self.attempt),
                attempt=self.attempt + 1,
                api_key=api_key,
                waits_for_room_since=None,
                key_missing_since=None,
                # Set only if the request carries `external_id`: see `mark_unconfirmed`.
                next_poll_at=deadline_at if can_look_up(self.engine) else None,
            ):
                return None
            Member.objects.filter(pk=self.owner_id).update(last_submitted_at=now)
            return self.submissions.create(
                attempt=self.attempt,
                sent_at=now,
                deadline_at=deadline_at,
                holder=this_process(),
                api_key_id=api_key,
            )

    def mark_running(
        self,
        submission: Submission,
        upstream_task_id: str,
        first_poll: float,
        reason: TransitionReason = TransitionReason.ACCEPTED,
        by: Member | None = None,
        **changes: Any,
    ) -> bool:
        """T2: a task id is known, however late. The first poll is due in `first_poll` seconds.

        A dismissed row stays dismissed, but is polled: images that still arrive are kept.
        """
        now = timezone.now()
        changes |= {
            "upstream_task_id": upstream_task_id,
            "submitted_at": submission.sent_at,
            "accepted_at": now,
            "polling_since": now,
            "next_poll_at": now + timedelta(seconds=first_poll),
            "poll_failures": 0,
        }
        return self._apply_response(
            submission, UNANSWERED, Status.RUNNING, reason, by=by, **changes
        ) or self._annotate(
            reason, Status.ABANDONED, by=by, condition=Q(attempt=submission.attempt), **changes
        )

    def mark_received(
        self,
        submission: Submission,
        images: Sequence[tuple[str, str]],
        *,
        revised_prompt: str = "",
        response: str = "",
    ) -> bool:
        """T15: an engine without tasks has answered, however late, with at least one image.

        Also after a dismissal (T10): the images are paid.
        `images`: the URL of each, or the name of the file that was received.
        """
        now = timezone.now()
        with transaction.atomic():
            changed = self._apply_response(
                submission,
                (*UNANSWERED, Status.ABANDONED),
                Status.FETCHING,
                TransitionReason.ANSWERED,
                submitted_at=submission.sent_at,
                accepted_at=now,
                next_poll_at=None,
                revised_prompt=revised_prompt,
                last_response=response,
            )
            if changed:
                Picture.objects.bulk_create(
                    Picture(
                        generation=self,
                        index=index,
                        upstream_url=url,
                        received_file=name,
                        next_try_at=now,
                    )
                    for index, (url, name) in enumerate(images)
                )
        return changed

    def mark_refused(
        self,
        submission: Submission,
        failure: Failure,
        message: str,
        reason: TransitionReason = TransitionReason.REFUSED,
    ) -> bool:
        """T3, T7: the upstream refused the request for good, and no task exists."""
        return self._apply_response(
            submission,
            UNANSWERED,
            Status.FAILED,
            reason,
            failure=failure,
            failure_message=message[:500],
            next_poll_at=None,
        )

    def mark_postponed(
        self,
        submission: Submission,
        reason: TransitionReason,
        *,
        seconds: float = 0,
        is_own: bool = False,
        **changes: Any,
    ) -> bool:
        """T4, T5: certainly not accepted. The row keeps its place in the queue.

        `seconds` is its own wait: others pass it for so long. `is_own`: the cause may be this
        request alone, so this counts towards giving up.
        """
        return self._apply_response(
            submission,
            [Status.SUBMITTING],
            Status.QUEUED,
            reason,
            next_poll_at=None,
            **self._postponement(seconds, is_own=is_own),
            **changes,
        )

    def postpone_unsent(self, seconds: float) -> None:
        """Let others pass this queued row for a while: it could not be prepared."""
        Generation.objects.filter(pk=self.pk, status=Status.QUEUED).update(
            version=F("version") + 1, **self._postponement(seconds, is_own=True)
        )

    def _postponement(self, seconds: float, *, is_own: bool) -> dict[str, Any]:
        """The columns of a wait in the queue."""
        now = timezone.now()
        wait = {"submit_not_before": now + timedelta(seconds=seconds) if seconds else None}
        if seconds:
            wait["postponed_since"] = self.postponed_since or now
        return wait | ({"postponements": F("postponements") + 1} if is_own else {})

    def mark_unconfirmed(self, submission: Submission, reason: TransitionReason) -> bool:
        """T6: sent, but the outcome is unknown. Only a person may have it sent again.

        If the request carried `external_id`, the first lookup is due after a grace period.
        """
        first_lookup_at = None
        if can_look_up(self.engine) and self.next_poll_at:
            grace = settings.LOOKUP_SECONDS[0] * random.uniform(1, 1.2)
            first_lookup_at = timezone.now() + timedelta(seconds=grace)
        return self._apply_response(
            submission,
            [Status.SUBMITTING],
            Status.UNCONFIRMED,
            reason,
            next_poll_at=first_lookup_at,
            polls=0,
            poll_failures=0,
        )

    def reschedule_lookup(self, seconds: float, *, polls: int, poll_failures: int) -> bool:
        """Set the next lookup. `polls` counts "not found", `poll_failures` missing responses.

        False if the row was changed or claimed since this object was read.
        """
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
        """T2: a lookup found the task. Raises `TaskTaken`."""
        with transaction.atomic():
            self.claim_task_id(upstream_task_id)
            changed = self.mark_running(submission, upstream_task_id, 0, TransitionReason.FOUND)
            if changed:
                self.submissions.record_task_id(upstream_task_id)
        return changed

    def mark_not_found(self, submission: Submission) -> bool:
        """T7: an authoritative lookup found no task, so nothing was charged."""
        return self._apply_response(
            submission,
            [Status.UNCONFIRMED],
            Status.FAILED,
            TransitionReason.NOT_FOUND,
            failure=Failure.OURS,
            next_poll_at=None,
        )

    def mark_fetching(self, urls: Sequence[str], response: str = "") -> bool:
        """T10: done upstream. The images at these URLs are to be downloaded."""
        if not Generation.objects.mark_fetching({self.pk: (urls, response)}):
            return False
        self.refresh_from_db()
        return True

    def mark_failed(self, failure: Failure, message: str, response: str = "") -> bool:
        """T11: the task failed upstream."""
        with transaction.atomic():
            if self._stop_polling_dismissed():
                charging.correct_dismissed(self.pk)
                return True
        return self._transition(
            Status.RUNNING,
            Status.FAILED,
            TransitionReason.FAILED,
            failure=failure,
            failure_message=message[:500],
            next_poll_at=None,
            last_response=response,
        )

    def finish_if_complete(self) -> bool:
        """T12: end the row if no picture is waiting for download any more."""
        with transaction.atomic():
            # Serializes two downloads that end at once: the second must see both results.
            Generation.objects.select_for_update().filter(pk=self.pk).first()
            states = list(self.pictures.values_list("state", flat=True))
            if Picture.State.WANTED in states:
                return False
            if stored := states.count(Picture.State.STORED):
                has_succeeded = self._transition(
                    Status.FETCHING,
                    Status.SUCCEEDED,
                    TransitionReason.STORED,
                    detail=f"{stored}/{self.n}",
                )
                if has_succeeded:
                    Recovered.objects.record(self.pk, stored, self.charged_e4 or 0)
                return has_succeeded
            reasons = self.pictures.exclude(reason="").values_list("reason", flat=True)
            return self._transition(
                Status.FETCHING,
                Status.FAILED,
                TransitionReason.NO_FILE,
                failure=Failure.FILES,
                failure_message=reasons.first() or "",
            )

    def mark_late(self) -> bool:
        return self._annotate(TransitionReason.LATE, late_at=timezone.now())

    def mark_lost(self, reason: TransitionReason, **changes: Any) -> bool:
        return self._stop_polling_dismissed() or self._annotate(
            reason, lost_at=timezone.now(), next_poll_at=None, **changes
        )

    def _stop_polling_dismissed(self) -> bool:
        """End the polls of a dismissed row. False for any other."""
        if self.status != Status.ABANDONED:
            return False
        dismissed = Generation.objects.filter(pk=self.pk, status=Status.ABANDONED)
        return bool(dismissed.update(next_poll_at=None, version=F("version") + 1))

    def record_not_found(self) -> datetime:
        """Return when the upstream first reported that it does not find the task."""
        if self.first_not_found_at is None:
            self.first_not_found_at = timezone.now()
            Generation.objects.filter(pk=self.pk).update(first_not_found_at=self.first_not_found_at)
        return self.first_not_found_at

    def record_in_progress(self) -> None:
        """The upstream works on the task: forget earlier answers to the contrary."""
        if self.first_not_found_at or self.results_without_images:
            self.first_not_found_at, self.results_without_images = None, 0
            Generation.objects.filter(pk=self.pk).update(
                first_not_found_at=None, results_without_images=0
            )

    def count_result_without_images(self) -> int:
        """Count a poll that reported success without images. Return the new count."""
        self.results_without_images += 1
        Generation.objects.filter(pk=self.pk).update(
            results_without_images=self.results_without_images
        )
        return self.results_without_images

    # --- transitions by people -------------------------------------------------------------------

    def cancel(self, by: Member | None, version: int) -> bool:
        """T14: nothing was sent."""
        return self._transition(
            Status.QUEUED,
            Status.CANCELED,
            TransitionReason.CANCELED,
            by=by,
            condition=Q(version=version),
        )

    def prepare_hand_over(self, *, is_key_taken: bool) -> None:
        """Keep what depends on the owner: the id of an open request, and the unique key."""
        changes = {}
        if self.is_open:
            changes["external_id_before"] = self.external_id
        if is_key_taken:
            changes["idempotency_key"] = str(uuid4())
        if changes:
            self._row().update(**changes)

    def send_again(self, by: Member, version: int, quote: Quote) -> bool:
        """T8: send an unconfirmed request again, although it may already have been charged.

        The first reservation stays, and a second one is made: raises LimitReached.
        """
        with transaction.atomic():
            changed = self._transition(
                Status.UNCONFIRMED,
                Status.QUEUED,
                TransitionReason.SENT_AGAIN,
                by=by,
                condition=Q(version=version),
                reservations=F("reservations") + 1,
                unit_price_e4=quote.unit_e4,
                next_poll_at=None,
                submit_not_before=None,
                postponements=0,
                postponed_since=None,
                held_at=None,
                asked_at=None,
            )
            if changed:
                ledger.reserve(self.pk, self.reservations, self.owner, quote, by)
        return changed

    def abandon(self, by: Member | None, version: int) -> bool:
        """T9: dismiss a generation that is unconfirmed, late, lost or unknown to the gateway.

        Also one whose key is gone.
        """
        same_version = Q(version=version)
        is_overdue = (
            Q(late_at__isnull=False)
            | Q(lost_at__isnull=False)
            | Q(first_not_found_at__isnull=False)
            | Q(key_missing_since__isnull=False)
        )
        # A late task is still polled, so that images which arrive after all are kept.
        stops_polling: dict[str, Any] = {"next_poll_at": None}
        return any(
            self._transition(
                from_status,
                Status.ABANDONED,
                TransitionReason.DISMISSED,
                by=by,
                condition=condition,
                **changes,
            )
            for from_status, condition, changes in (
                (Status.UNCONFIRMED, same_version, stops_polling),
                (Status.RUNNING, same_version & is_overdue, {}),
            )
        )

    def recheck(self, by: Member, version: int) -> bool:
        """Poll a lost generation again, starting now."""
        now = timezone.now()
        return self._annotate(
            TransitionReason.RECHECKED,
            by=by,
            condition=Q(version=version, lost_at__isnull=False),
            lost_at=None,
            first_not_found_at=None,
            results_without_images=0,
            polling_since=now,
            next_poll_at=now,
        )

    def ask_admin(self, by: Member, version: int) -> bool:
        """Tell the admins that an unconfirmed generation should be checked."""
        with transaction.atomic():
            has_asked = self._annotate(
                TransitionReason.ASKED,
                Status.UNCONFIRMED,
                by=by,
                condition=Q(version=version, asked_at=None),
                asked_at=timezone.now(),
            )
            if has_asked:
                Notification.objects.record_check(self.pk, by)
        return has_asked

    def hide(self) -> bool:
        """Remove one that ended without images from its owner's studio. Changes nothing else."""
        ended = Generation.objects.filter(pk=self.pk, hidden_at=None).ended_without_images()
        return bool(ended.update(hidden_at=timezone.now()))

    def unhide(self) -> bool:
        """Undo `hide`."""
        hidden = Generation.objects.filter(pk=self.pk, hidden_at__isnull=False)
        return bool(hidden.update(hidden_at=None))

    def search_upstream(self, by: Member, version: int) -> bool:
        """Look up an unconfirmed generation now, if the upstream supports lookups."""
        if not can_look_up(self.engine):
            return False
        return self._annotate(
            TransitionReason.RECHECKED,
            Status.UNCONFIRMED,
            by=by,
            condition=Q(version=version, next_poll_at__isnull=False),
            next_poll_at=timezone.now(),
        )

    def set_task_id(self, by: Member, version: int, upstream_task_id: str) -> bool:
        """T2 by an admin, who found the task of an unconfirmed generation in the gateway's log.

        Also replaces the task id of a generation that is lost or that the gateway does not find:
        the first one may have been mistyped. It is polled with the key of the attempt that it
        belongs to. Raises `TaskTaken`.
        """
        upstream_task_id = upstream_task_id.strip()
        if not 0 < len(upstream_task_id) <= MAX_TASK_ID_CHARACTERS:
            return False
        now = timezone.now()
        is_in_doubt = (
            Q(status=Status.UNCONFIRMED)
            | Q(status=Status.RUNNING, lost_at__isnull=False)
            | Q(status=Status.RUNNING, first_not_found_at__isnull=False)
        )
        row = Generation.objects.filter(is_in_doubt, pk=self.pk, version=version)
        with transaction.atomic():
            self.claim_task_id(upstream_task_id)
            if not row.update(status=F("status")):  # locks the row
                return False
            attempt = self.submissions.of_task(upstream_task_id)
            key = attempt.api_key_id if attempt else self.api_key_id
            changed = self._annotate(
                TransitionReason.TASK_ID_ENTERED,
                by=by,
                upstream_task_id=upstream_task_id,
                lost_at=None,
                first_not_found_at=None,
                results_without_images=0,
                polling_since=now,
                next_poll_at=now,
                api_key=key,
            ) or self.mark_running(
                self.submissions.latest("attempt"),
                upstream_task_id,
                0,
                TransitionReason.TASK_ID_ENTERED,
                by,
                api_key=key,
            )
            if changed:
                self.submissions.record_task_id(upstream_task_id)
        return changed

    def try_other_key(self, missing: Collection[int | None]) -> bool:
        """Poll a task ID that was entered, and not found, with the key of another attempt.

        The gateway's log does not say which attempt a task belongs to, and another account does
        not know it. Returns whether there is another key, and it is not one of the missing.
        """
        possible = [
            each
            for each in self.submissions.maybe_accepted()
            if each.upstream_task_id in ("", self.upstream_task_id)
        ]
        keys = list(dict.fromkeys(each.api_key_id for each in possible))
        others = [key for key in keys if key != self.api_key_id and key not in missing]
        entered = self.transitions.filter(reason=TransitionReason.TASK_ID_ENTERED)
        if not others or self.api_key_id not in keys or not entered.exists():
            return False
        place = keys.index(self.api_key_id)
        after = next(key for key in keys[place:] + keys[:place] if key in others)
        with transaction.atomic():
            row = self._row().filter(status__in=POLLED, upstream_task_id=self.upstream_task_id)
            if not row.update(api_key=after):
                return False
            self.api_key_id = after
            doubtful = Submission.Outcome.UNANSWERED
            same_task = self.submissions.filter(upstream_task_id=self.upstream_task_id)
            same_task.update(upstream_task_id="", outcome=doubtful)
            attempt = next(each for each in possible if each.api_key_id == after)
            self.submissions.filter(pk=attempt.pk).update(
                upstream_task_id=self.upstream_task_id, outcome=Submission.Outcome.ACCEPTED
            )
        return True

    def claim_task_id(self, upstream_task_id: str) -> None:
        """Lock the task id until the transaction ends. Raises `TaskTaken`."""
        UpstreamGate.for_key(self.api_key_id, self.engine)  # so that there is one to lock
        UpstreamGate.lock_all(self.engine)
        same_task = Q(upstream_task_id=upstream_task_id)
        others = Generation.objects.filter(same_task, upstream=self.upstream).exclude(pk=self.pk)
        other_submissions = Submission.objects.filter(
            same_task, generation__upstream=self.upstream
        ).exclude(generation=self)
        if others.exists() or other_submissions.exists():
            raise TaskTaken(f"Task {upstream_task_id} belongs to another generation")

    def fetch_again(self, by: Member, version: int) -> bool:
        """T13: download lost pictures again, from fresh URLs. A succeeded row stays succeeded."""
        same_version = Q(version=version)
        lost = self.pictures.filter(state=Picture.State.LOST)
        reason = TransitionReason.FETCHED_AGAIN
        with transaction.atomic():
            changed = self._transition(
                Status.FAILED,
                Status.FETCHING,
                reason,
                by=by,
                condition=same_version & Q(failure=Failure.FILES),
                failure="",
                failure_message="",
            ) or (
                lost.exists()
                and self._annotate(reason, Status.SUCCEEDED, by=by, condition=same_version)
            )
            if changed:
                lost.update(
                    state=Picture.State.WANTED, tries=0, next_try_at=timezone.now(), reason=""
                )
        return changed
