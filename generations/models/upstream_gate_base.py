"""The columns of an upstream gate, and what starts and ends its waits and holds."""

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.engines import base

from . import hold_history
from .api_key import ApiKey
from .concurrency_limit import ConcurrencyLimit
from .member import Member

DEFAULT_ENGINE = "kling"
DEFAULT_MODEL = "kling-v1"


class ReportSource(models.TextChoices):
    """Which kind of call an outcome comes from."""

    SUBMIT = "submit"
    POLL = "poll"
    LOOKUP = "lookup"
    FETCH = "fetch"  # a query for a new address of a file


class UpstreamGateBase(ConcurrencyLimit):
    """The state of a gate. `UpstreamGate` applies the outcomes of calls to it.

    Methods write with conditional updates, so that several processes may call them at once, and
    then refresh this object.
    """

    class HoldReason(models.TextChoices):
        ACCOUNT = base.HoldReason.ACCOUNT.value, _("The account is empty or blocked")
        KEY = base.HoldReason.KEY.value, _("The API key is rejected")
        RIGHTS = base.HoldReason.RIGHTS.value, _("The API key lacks a permission")
        ADDRESS = base.HoldReason.ADDRESS.value, _("This server's IP address is rejected")
        MODEL = base.HoldReason.MODEL.value, _("The gateway has no channel for the model")
        NO_KEY = base.HoldReason.NO_KEY.value, _("No API key can be used")
        BUSY = base.HoldReason.BUSY.value, _("The upstream has been too busy for minutes")
        UNREACHED = base.HoldReason.UNREACHED.value, _("The upstream sends no valid responses")

    class BusyReason(models.TextChoices):
        CONCURRENCY = base.BusyReason.CONCURRENCY.value, _("Too many images in progress")
        RATE = base.BusyReason.RATE.value, _("Too many requests")
        OVERLOADED = base.BusyReason.OVERLOADED.value, _("The engine is overloaded")
        NO_CHANNEL = base.BusyReason.NO_CHANNEL.value, _("The gateway has no channel for the model")
        UNKNOWN = base.BusyReason.UNKNOWN.value, _("Refused for now, without a reason")

    # A query is free. It shows whether these still apply; for the second set it proves the end,
    # if a query has shown the problem.
    REASONS_TESTED_BY_QUERIES = frozenset(
        {HoldReason.UNREACHED, HoldReason.KEY, HoldReason.ADDRESS}
    )
    REASONS_ENDED_BY_QUERIES = frozenset({HoldReason.KEY, HoldReason.ADDRESS})
    # About the key or its account: another key may work.
    REASONS_OF_KEY = frozenset({HoldReason.ACCOUNT, HoldReason.KEY, HoldReason.RIGHTS})

    MAX_FIRST_SILENCE = timedelta(minutes=1)  # longer only when the upstream repeats its demand
    MAX_SILENCE = timedelta(hours=1)
    MAX_BACKOFF_SECONDS = 60.0
    MAX_PROBE_GAP = timedelta(minutes=15)
    MAX_BUSY = timedelta(minutes=5)  # then a busy upstream without a reason is a hold
    MAX_UNANSWERED = 3  # submits in a row, before a hold
    MAX_REFUSED = 3  # different requests refused in a row, before all submits wait
    MAX_REFUSED_QUERIES = 3  # queries in a row, before a hold
    MAX_SUSPECTS = 3  # the request that caused a hold, and those that may test it at once
    ANSWERING_FOR = timedelta(minutes=10)  # how long a good answer counts as recent

    upstream = models.CharField(max_length=20, help_text=_("As in Generation.upstream."))
    engine = models.CharField(max_length=20, default=DEFAULT_ENGINE)
    api_key = models.ForeignKey(
        ApiKey,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Empty: the simulator’s key, or no key."),
    )
    answered_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the last submit with a good answer was sent.")
    )
    silent_until = models.DateTimeField(
        null=True, blank=True, help_text=_("Neither submits nor polls before this time.")
    )
    silences_in_a_row = models.PositiveIntegerField(default=0)
    submit_not_before = models.DateTimeField(null=True, blank=True)
    refusals_in_a_row = models.PositiveIntegerField(default=0)
    refused_requests = models.JSONField(
        default=list,
        blank=True,
        help_text=_("Keys of the last requests refused for now, since the last good answer."),
    )
    busy_reason = models.CharField(
        max_length=12,
        choices=BusyReason,
        blank=True,
        default="",
        help_text=_("Why the last request was refused for now, since the last good answer."),
    )
    busy_since = models.DateTimeField(null=True, blank=True)
    unanswered_in_a_row = models.PositiveIntegerField(default=0)
    unanswered_owners = models.JSONField(
        default=list, blank=True, help_text=_("Keys of the members whose requests these were.")
    )
    hold_reason = models.CharField(max_length=12, choices=HoldReason, blank=True, default="")
    held_by = models.CharField(
        max_length=8, choices=ReportSource, blank=True, default="", help_text=_("What showed it.")
    )
    held_at = models.DateTimeField(null=True, blank=True)
    held_response = models.TextField(blank=True, default="")
    suspect_requests = models.JSONField(
        default=list,
        blank=True,
        help_text=_("Keys of the request that caused the hold, and of those that tested it since."),
    )
    suspect_owner = models.ForeignKey(
        Member,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("This member's requests alone caused the hold; others may test it at once."),
    )
    probe_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When one request may test a hold.")
    )
    probes = models.PositiveIntegerField(default=0)
    refused_queries = models.PositiveIntegerField(default=0, help_text=_("Queries in a row."))
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.ForeignKey(Member, models.SET_NULL, null=True, blank=True, related_name="+")
    pause_reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        abstract = True

    @property
    def is_held(self) -> bool:
        """A hold ends automatically, unlike a pause."""
        return bool(self.hold_reason)

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None

    @property
    def is_silent(self) -> bool:
        """Whether a Retry-After is in effect: neither submits, polls nor lookups are sent."""
        return self.silent_until is not None and self.silent_until > timezone.now()

    @property
    def is_answering(self) -> bool:
        """Whether a recent submit was answered well, and no second person's was not."""
        is_recent = (
            self.answered_at is not None and self.answered_at > timezone.now() - self.ANSWERING_FOR
        )
        return is_recent and not self.is_held and len(self.unanswered_owners) < 2

    @property
    def is_busy(self) -> bool:
        """Whether the upstream refuses the requests of all members for now."""
        return len(self.refused_requests) >= self.MAX_REFUSED

    @property
    def waits_until(self) -> datetime | None:
        """The end of a wait or a silence; None without one."""
        waits = [until for until in (self.submit_not_before, self.silent_until) if until]
        return max((until for until in waits if until > timezone.now()), default=None)

    def can_submit(self, at: datetime) -> bool:
        """Whether a request may be submitted then: no pause, no wait, no hold without a probe."""
        if self.is_paused or (self.silent_until and self.silent_until > at):
            return False
        if self.is_held:
            return self.is_suspicion or self._is_probe_due(at)
        return self.submit_not_before is None or self.submit_not_before <= at

    @property
    def is_suspicion(self) -> bool:
        """Whether one request or person may be the cause of the hold: others test it at once."""
        is_request = 0 < len(self.suspect_requests) < self.MAX_SUSPECTS
        return is_request or self.suspect_owner_id is not None

    def may_submit(self, at: datetime) -> Q:
        """Which generations may be submitted then, where `can_submit` is true."""
        if not self.is_held or self._is_probe_due(at):
            return Q()
        if self.suspect_owner_id is not None:
            return ~Q(owner=self.suspect_owner_id)
        return ~Q(pk__in=self.suspect_requests)

    def _is_probe_due(self, at: datetime) -> bool:
        return self.probe_at is None or self.probe_at <= at

    def lock(self) -> Self:
        """Lock this row until the transaction ends, and refresh it.

        PostgreSQL locks the row; on SQLite, IMMEDIATE transactions exclude each other.
        """
        self.refresh_from_db(from_queryset=type(self)._default_manager.select_for_update())
        return self

    # --- waits ----------------------------------------------------------------------------------

    def clear(self, by: Member | None = None) -> None:
        """End waits and a hold: the upstream responded as it should, or an admin ends them."""
        cleared: dict[str, Any] = {
            "submit_not_before": None,
            "refusals_in_a_row": 0,
            "refused_requests": [],
            "busy_reason": "",
            "busy_since": None,
            "unanswered_in_a_row": 0,
            "unanswered_owners": [],
            "hold_reason": "",
            "held_by": "",
            "held_at": None,
            "held_response": "",
            "suspect_requests": [],
            "suspect_owner_id": None,
            "probe_at": None,
            "probes": 0,
            "refused_queries": 0,
        }
        if self.is_silent is False:
            cleared["silences_in_a_row"] = 0
        if any(getattr(self, name) != value for name, value in cleared.items()):
            self._clear(cleared, by)

    def _clear(self, cleared: Mapping[str, Any], by: Member | None) -> None:
        """Write these columns. Of several processes that end a hold, one records it."""
        hold, label = self._hold_facts(), str(self)
        with transaction.atomic():
            if self._update(Q(held_at__isnull=False), **cleared):
                hold_history.record_end(self, hold, label, by)
            else:
                self._update(Q(), **cleared)

    def _hold_facts(self) -> dict[str, str]:
        """What the audit log says about a hold."""
        since = self.held_at.isoformat() if self.held_at else ""
        return {"hold_reason": self.hold_reason, "since": since}

    def wait(self, seconds: float, *, is_busy: bool = True) -> None:
        """Submit nothing for that time; queued requests keep their order.

        Refusals during a wait belong to the same burst and are not counted again.
        """
        now = timezone.now()
        is_over = Q(submit_not_before=None) | Q(submit_not_before__lte=now)
        self._update(
            is_over,
            submit_not_before=now + timedelta(seconds=seconds),
            refusals_in_a_row=F("refusals_in_a_row") + 1,
        )
        if is_busy:
            self._update(Q(busy_since=None), busy_since=now)

    def backoff_seconds(self) -> float:
        """Return the wait after the refusals in a row."""
        self.refresh_from_db()
        return self.backoff_after(self.refusals_in_a_row)

    @classmethod
    def backoff_after(cls, refusals: int) -> float:
        """Return a wait that doubles with each earlier refusal, up to a minute; with jitter."""
        doubled = settings.BUSY_RETRY_SECONDS * 2.0 ** min(refusals, 6)
        return min(doubled, cls.MAX_BACKOFF_SECONDS) * random.uniform(0.8, 1.2)

    def stay_silent(self, seconds: float) -> None:
        """Apply a Retry-After, which is for the whole key: neither submit nor poll.

        The first is honored for a minute at most, since one response may be wrong; longer when the
        upstream repeats it after that time.
        """
        now = timezone.now()
        count = self.silences_in_a_row + (not self.is_silent)
        longest = self.MAX_FIRST_SILENCE if count <= 1 else self.MAX_SILENCE
        until = now + min(timedelta(seconds=seconds), longest)
        is_longer = Q(silent_until=None) | Q(silent_until__lt=until)
        self._update(is_longer, silent_until=until, silences_in_a_row=count)

    @staticmethod
    def _is_not_silent() -> Q:
        return Q(silent_until=None) | Q(silent_until__lte=timezone.now())

    def clamp_to_clock(self) -> None:
        """Shorten waits that a clock change has pushed beyond their maximum."""
        now = timezone.now()
        longest = timedelta(seconds=2 * self.MAX_BACKOFF_SECONDS)
        self._update(Q(probe_at__gt=now + self.MAX_PROBE_GAP), probe_at=now)
        self._update(Q(submit_not_before__gt=now + longest), submit_not_before=now)
        self._update(Q(silent_until__gt=now + self.MAX_SILENCE), silent_until=now)

    # --- holds ----------------------------------------------------------------------------------

    def hold(
        self,
        reason: str,
        response: str = "",
        *,
        by: ReportSource = ReportSource.SUBMIT,
        suspect_request: int | None = None,
        suspect_owner: int | None = None,
    ) -> None:
        """Submit nothing but a probe, after `HOLD_RETRY_SECONDS`, or at once by others.

        During a hold only the reason is updated: a burst of errors does not delay the probe. The
        same problem of two requests is no suspicion of one; two problems may be one of each.
        """
        now = timezone.now()
        is_confirmed = self.hold_reason == reason and (
            suspect_owner != self.suspect_owner_id
            if suspect_request is None
            else suspect_request not in self.suspect_requests[:1]
        )
        with transaction.atomic():
            self._update(
                Q(), hold_reason=str(reason), held_by=str(by), held_response=response[:2000]
            )
            if is_confirmed:
                self._end_suspicion()
            is_new = self._update(
                Q(held_at=None),
                held_at=now,
                probe_at=now + self._probe_gap(0),
                probes=0,
                suspect_requests=[] if suspect_request is None else [suspect_request],
                suspect_owner=suspect_owner,
            )
            if is_new:
                hold_history.record_start(self, self._hold_facts(), str(self))

    def probe(self, request: int | None = None) -> None:
        """Record that this request, or a query, tests the hold.

        A request that is refused costs nothing, so a suspicion of one is tested by two others at
        once. A suspicion of a person is tested by one, which may be charged. Any other test doubles
        the gap to the next one.
        """
        self.refresh_from_db()
        if request is not None and self.suspect_requests and self.is_suspicion:
            self._update(Q(), suspect_requests=[*self.suspect_requests, request])
            return
        probes = self.probes + 1
        self._end_suspicion()
        self._update(Q(), probe_at=timezone.now() + self._probe_gap(probes), probes=probes)

    def probe_again(self) -> None:
        """The test of a hold failed for another reason: the next one need not wait longer."""
        soon = timezone.now() + self._probe_gap(0)
        self._update(Q(probe_at__gt=soon), probe_at=soon, probes=max(self.probes - 1, 0))

    @classmethod
    def _probe_gap(cls, probes: int) -> timedelta:
        """Return the time to the next test of a hold, after this many tests."""
        gap = timedelta(seconds=settings.HOLD_RETRY_SECONDS * 2 ** min(probes, 10))
        return min(gap, cls.MAX_PROBE_GAP)

    def _end_suspicion(self) -> None:
        if self.is_suspicion:
            self._update(Q(), suspect_requests=[], suspect_owner=None)

    def _update(self, condition: Q, **changes: Any) -> bool:
        """Update the row where the condition still holds, and then refresh this object."""
        if not type(self)._default_manager.filter(condition, pk=self.pk).update(**changes):
            return False
        self.refresh_from_db()
        return True
