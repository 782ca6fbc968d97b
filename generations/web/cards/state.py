"""What a generation's row means to its viewer: its display state, its charge and its actions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.utils.translation import gettext, pgettext

from generations.engines.registry import engine_for
from generations.joining import join_sentences
from generations.models import (
    Failure,
    Generation,
    Member,
    Picture,
    Status,
    Submission,
    Transition,
    TransitionReason,
    team_settings,
)
from generations.permissions import Action, may
from generations.web.formats import format_datetime, format_duration, format_ordinal
from generations.web.hold_messages import HOLD_MESSAGES
from generations.web.model_names import model_label

from . import messages
from .messages import ACTION_MESSAGES, CHARGE_MESSAGES, STATE_MESSAGES, Charge, StateMessage, fill
from .progress import Progress

ACTIONS_BY_STATE: dict[str, frozenset[str]] = {
    "queued": frozenset({"cancel"}),
    "late": frozenset({"dismiss"}),
    "unconfirmed": frozenset({"send-again", "dismiss"}),
    "lost": frozenset({"recheck", "dismiss"}),
    "failed": frozenset({"hide"}),
    "canceled": frozenset({"hide"}),
    "abandoned": frozenset({"hide"}),
}
NEEDS_ATTENTION = frozenset({"unconfirmed", "failed", "lost", "abandoned", "canceled"})
CANNOT_CANCEL = frozenset({"submitting", "running", "fetching"})
ABOUT_THE_IMAGE = (Failure.POLICY, Failure.REFUSED)  # or about the prompt
OWN_HEADLINES = (Failure.POLICY, Failure.TIME, Failure.BALANCE, Failure.BUSY)


@dataclass(frozen=True)
class CardState:
    """One generation, read once, with what other tables say about it."""

    row: Generation
    viewer: Member
    progress: Progress
    paid_before: bool = False  # an attempt other than the last one may have been charged
    was_not_received: bool = False  # unanswered; the engine was asked later and does not have it

    # --- the images ------------------------------------------------------------------------------

    @cached_property
    def stored(self) -> int:
        return sum(picture.is_available for picture in self.row.shown_pictures)

    @cached_property
    def missing(self) -> int:
        """Images that never arrived. Those in the trash or deleted did."""
        arrived = (Picture.State.STORED, Picture.State.DELETED)
        return self.row.n - sum(picture.state in arrived for picture in self.row.shown_pictures)

    @cached_property
    def lost(self) -> int:
        """Images that could not be downloaded; they can be requested again."""
        return sum(picture.state == Picture.State.LOST for picture in self.row.shown_pictures)

    # --- the state -------------------------------------------------------------------------------

    @cached_property
    def name(self) -> str:
        """The display state: the status, or "late", "lost" or "short", which say more."""
        if self.row.is_lost:
            return "lost"
        if self.row.is_late or self.row.is_key_missing:
            return "late"
        return "short" if self.is_done and self.missing > 0 else self.row.status

    @property
    def is_done(self) -> bool:
        return self.row.status == Status.SUCCEEDED

    @property
    def has_tasks(self) -> bool:
        """Whether the engine answers with a task ID, under which a request can be found."""
        return engine_for(self.row.engine).has_tasks

    @property
    def was_accepted(self) -> bool:
        """The engine accepted the last attempt."""
        return self.row.accepted_at is not None

    @property
    def failed_upstream(self) -> bool:
        """Accepted first, then ended by the engine without images."""
        is_failed = self.row.status == Status.FAILED and not self.row.has_files_to_fetch
        return is_failed and self.was_accepted

    @property
    def is_searched(self) -> bool:
        """Unconfirmed, and the worker keeps asking the engine for it."""
        can_search = bool(settings.UPSTREAM_LOOKUP and self.row.next_poll_at)
        return self.row.status == Status.UNCONFIRMED and can_search

    # --- the texts -------------------------------------------------------------------------------

    @property
    def message_key(self) -> str:
        """The key in `STATE_MESSAGES`."""
        if self.name == "failed":
            return f"failed:{self._failure_kind}"
        position = self.progress.position
        variants = {
            "queued:next": self.name == "queued" and position == 1,
            "queued:position": self.name == "queued" and position,
            "fetching:waiting": self.name == "fetching" and self.progress.until,
            "short:files": self.name == "short" and self.lost,
            "unconfirmed:searching": self.is_searched,
            "unconfirmed:no-tasks": self.name == "unconfirmed" and not self.has_tasks,
            "late:key-missing": self.row.is_key_missing,
            "late:unanswered": self.name == "late" and self.row.poll_failures,
            "late:not-found": self.name == "late" and self.row.first_not_found_at,
            "lost:no-images": self.name == "lost" and self.row.results_without_images,
            "lost:no-result": self.name == "lost" and not self.row.first_not_found_at,
            "abandoned:polled": self.name == "abandoned" and self.row.next_poll_at,
            "canceled:unsent": self.name == "canceled" and not self.row.attempt,
        }
        return next((key for key, applies in variants.items() if applies), self.name)

    @property
    def _failure_kind(self) -> str:
        if self.was_not_received:
            return "not-received"
        if self.row.failure == Failure.FILES and not self.has_tasks:
            return "files-briefly"
        if self.failed_upstream and self.row.failure not in OWN_HEADLINES:
            return "upstream"
        without = "" if self.row.has_reference else "-prompt"
        return self.row.failure + (without if self.row.failure in ABOUT_THE_IMAGE else "")

    @cached_property
    def message(self) -> StateMessage:
        return STATE_MESSAGES[self.message_key]

    @cached_property
    def values(self) -> dict[str, Any]:
        """What the texts of `messages.py` may name."""
        asked_at = self.row.asked_at
        files = len(self.row.shown_pictures)  # those listed: may be fewer or more than `n`
        return {
            "engine": gettext(engine_for(self.row.engine).label),
            "model": model_label(self.row.engine, self.row.model),
            "stored": self.stored,
            "n": self.row.n,
            "missing": self.missing,
            "lost": self.lost,
            "files": files,
            "next_file": min(self.stored + 1, files),
            "position": format_ordinal(self.progress.position) if self.progress.position else "",
            "took": format_duration(self.row.took_seconds),
            "reason": self.row.failure_message,
            "asked": format_datetime(asked_at, "TIME_FORMAT") if asked_at else "",
        }

    @property
    def headline(self) -> str:
        return fill(self.message.headline, self.values)

    @property
    def reason(self) -> str:
        """What happened, what it cost, what to do."""
        for_admin = may(self.viewer, Action.MANAGE_QUEUE) and self.message.admin_advice
        advice = self.message.admin_advice if for_admin else self.message.advice
        if self._was_asked and not for_admin:
            advice = messages.ASKED_ADMIN
        texts = (
            self.message.explanation,
            self._quote,
            CHARGE_MESSAGES[self.charge] if self.charge else "",
            messages.EARLIER_ATTEMPT_CHARGED if self.paid_before else "",
            advice,
        )
        return join_sentences(fill(text, self.values) for text in texts if text)

    @property
    def _quote(self) -> Any:
        """The engine's own words, where they tell what to change. Admins have the API log."""
        if self.row.status != Status.FAILED or not self.row.failure_message:
            return ""
        if self.row.failure in (Failure.POLICY, Failure.INPUT, Failure.TIME, Failure.REFUSED):
            return messages.QUOTED_BY_ENGINE
        return messages.QUOTED_REASON if self.row.failure == Failure.OURS else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a card with images adds: late, incomplete, charged twice."""
        if not self.is_done:
            return ()
        is_late = self.row.late_at and not self.paid_before
        notes = [fill(messages.ARRIVED_LATE, self.values)] if is_late else []
        if self.name == "short" and self.charge:
            explanation = fill(self.message.explanation, self.values)
            charge = CHARGE_MESSAGES[self.charge]
            headline = pgettext("end of a sentence", "%s.") % self.headline
            notes.append(join_sentences((headline, explanation, charge)))
        if self.paid_before:
            notes.append(str(messages.CHARGED_MORE_THAN_ONCE))
        return tuple(notes)

    @property
    def waiting(self) -> str:
        """When a queued generation starts or is ready, or when a download is tried again."""
        until = self.progress.until
        time = format_datetime(until, "TIME_WITH_SECONDS") if until else ""
        values = self.values | {"time": time}
        if self.message_key == "fetching:waiting":
            return fill(messages.NEXT_DOWNLOAD, values)
        if self.row.status != Status.QUEUED:
            return ""
        if self.progress.estimate:
            return fill(messages.ESTIMATE, self._range)
        text = fill(messages.WAIT_MESSAGES[self.progress.wait], values)
        if not self.progress.hold_reason:
            return text
        hold = HOLD_MESSAGES[self.progress.hold_reason].named(self.row.engine)
        return join_sentences((str(hold.alone), text))

    @property
    def usual_duration(self) -> str:
        is_running = self.progress.estimate and self.row.status != Status.QUEUED
        return fill(messages.USUAL_DURATION, self._range) if is_running else ""

    @property
    def _range(self) -> dict[str, str]:
        estimate = self.progress.estimate
        assert estimate
        return {"low": format_duration(estimate.low), "high": format_duration(estimate.high)}

    # --- the charge ------------------------------------------------------------------------------

    @cached_property
    def charge(self) -> Charge | None:
        """The charge of the last attempt; `paid_before` is about the others."""
        was_refused = self.row.status == Status.FAILED and not self.was_accepted
        if self.row.status == Status.CANCELED or was_refused:
            return None if self.paid_before else Charge.NONE
        if self.message_key == "unconfirmed:no-tasks":
            return Charge.POSSIBLE
        if self.name == "unconfirmed" or self.message_key == "lost:no-images":
            return Charge.LIKELY
        if self.name in ("lost", "abandoned"):
            return Charge.POSSIBLE
        if self.row.has_files_to_fetch:
            return Charge.IMAGES_PAID
        if self.name == "short":
            return Charge.IMAGES_PAID if self.lost else Charge.UNKNOWN_REST
        return self._charge_of_failure if self.failed_upstream else None

    @property
    def _charge_of_failure(self) -> Charge:
        known = {"yes": Charge.FAILURE_CHARGED, "no": Charge.FAILURE_FREE}
        return known.get(team_settings.current().failed_is_charged, Charge.UNKNOWN)

    # --- the actions -----------------------------------------------------------------------------

    @cached_property
    def actions(self) -> list[str]:
        """What this viewer may do now, in the order of the buttons."""
        if not may(self.viewer, Action.CHANGE, self.row):
            return []
        offered = ACTIONS_BY_STATE.get(self.name, frozenset())
        if self.is_searched:
            offered |= {"search"}
        elif self._can_ask_admin:
            offered |= {"ask-admin"}
        if self.row.has_files_to_fetch or (self.is_done and self.lost):
            offered = (offered & {"hide"}) | {"fetch-again"}
        return [action for action in ACTION_MESSAGES if action in offered]

    @property
    def _was_asked(self) -> bool:
        return bool(self.row.status == Status.UNCONFIRMED and self.row.asked_at)

    @property
    def _can_ask_admin(self) -> bool:
        """Unconfirmed, nobody has been asked, and the viewer is no admin."""
        is_open_question = self.row.status == Status.UNCONFIRMED and not self.row.asked_at
        return is_open_question and not may(self.viewer, Action.MANAGE_QUEUE)

    @property
    def retry_label(self) -> str:
        """The label of the link that opens the request in the studio; empty without one."""
        if not self.row.is_final or self.is_done or not may(self.viewer, Action.GENERATE):
            return ""
        has_fault = self.row.failure in (Failure.POLICY, Failure.INPUT, Failure.MODEL)
        return str(messages.EDIT_AND_RETRY if has_fault else messages.RETRY)


def states_of(
    rows: Sequence[Generation], viewer: Member, progress: Sequence[Progress]
) -> list[CardState]:
    """Return the state of each row, in two queries at most. Reads `shown_pictures`."""
    paid_before, not_received = _paid_before(rows), _not_received(rows)
    return [
        CardState(
            row,
            viewer,
            row_progress,
            paid_before=row.pk in paid_before - not_received,
            was_not_received=row.pk in not_received,
        )
        for row, row_progress in zip(rows, progress, strict=True)
    ]


def _paid_before(rows: Sequence[Generation]) -> set[int]:
    """Return the ids of rows with an attempt, other than the last, that may have been charged."""
    last = {
        row.pk: int(row.accepted_at is not None or row.status == Status.ABANDONED)
        for row in rows
        if row.is_final
    }
    with_more = [row.pk for row in rows if row.is_final and row.attempt > last[row.pk]]
    if not with_more:
        return set()
    never_charged = (Submission.Outcome.REFUSED, Submission.Outcome.POSTPONED)
    sent = Submission.objects.filter(generation__in=with_more).exclude(outcome__in=never_charged)
    counts = Counter(sent.values_list("generation_id", flat=True))
    return {pk for pk, count in counts.items() if count > last[pk]}


def _not_received(rows: Sequence[Generation]) -> set[int]:
    """Return the ids of unanswered rows that the engine was asked about and does not have."""
    failed = [
        row.pk
        for row in rows
        if row.failure == Failure.OURS and row.attempt and not row.accepted_at
    ]
    if not failed:
        return set()
    reasons = Transition.objects.filter(generation__in=failed, reason=TransitionReason.NOT_FOUND)
    return set(reasons.values_list("generation_id", flat=True))
