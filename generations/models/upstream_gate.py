"""Whether requests may be sent upstream now, and why not: one row per upstream and image engine."""

import random
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.engines import base

from .member import Member

DEFAULT_ENGINE = "kling"


class ReportSource(StrEnum):
    """Which kind of call an outcome comes from."""

    SUBMIT = "submit"
    POLL = "poll"
    LOOKUP = "lookup"


class UpstreamGate(models.Model):
    """Decides whether a request may be sent to one engine of the upstream now, and why not.

    Combines a concurrency limit, a rate limit (`silent_until`, `submit_not_before`), a circuit
    breaker (a hold, with its reason and next probe) and a pause set by an admin.

    Methods write with conditional updates, so that several processes may call them at once, and
    then refresh this object.
    """

    class HoldReason(models.TextChoices):
        ACCOUNT = base.HoldReason.ACCOUNT.value, _("The account is empty or blocked")
        KEY = base.HoldReason.KEY.value, _("The API key is rejected")
        RIGHTS = base.HoldReason.RIGHTS.value, _("The API key lacks a permission")
        ADDRESS = base.HoldReason.ADDRESS.value, _("This server's IP address is rejected")
        BUSY = base.HoldReason.BUSY.value, _("The upstream has been too busy for minutes")
        UNREACHED = base.HoldReason.UNREACHED.value, _("The upstream sends no valid responses")

    # A query is free. It shows whether these still apply; for the second set it proves the end.
    REASONS_TESTED_BY_QUERIES = frozenset(
        {HoldReason.UNREACHED, HoldReason.KEY, HoldReason.ADDRESS}
    )
    REASONS_ENDED_BY_QUERIES = frozenset({HoldReason.KEY, HoldReason.ADDRESS})

    MAX_LIMIT_AFTER_REFUSAL = 0.75  # share of the configured limit
    LIMIT_GROWTH = 0.1  # share of the current limit, a step
    NO_LIMIT = 1000  # images: a limit that has grown to this is removed, if none is configured
    MAX_WAIT = timedelta(hours=1)  # that an upstream may ask for
    MAX_BACKOFF_SECONDS = 60.0
    MAX_PROBE_GAP = timedelta(minutes=15)
    MAX_BUSY = timedelta(minutes=5)  # then a busy upstream without a reason is a hold
    MAX_UNANSWERED = 3  # submits in a row

    upstream = models.CharField(max_length=20, help_text=_("As in Generation.upstream."))
    engine = models.CharField(max_length=20, default=DEFAULT_ENGINE)
    silent_until = models.DateTimeField(
        null=True, blank=True, help_text=_("Neither submits nor polls before this time.")
    )
    submit_not_before = models.DateTimeField(null=True, blank=True)
    refusals_in_a_row = models.PositiveIntegerField(default=0)
    busy_since = models.DateTimeField(null=True, blank=True)
    unanswered_in_a_row = models.PositiveIntegerField(default=0)
    hold_reason = models.CharField(max_length=12, choices=HoldReason, blank=True, default="")
    held_at = models.DateTimeField(null=True, blank=True)
    held_response = models.TextField(blank=True, default="")
    probe_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When one request may test a hold.")
    )
    probes = models.PositiveIntegerField(default=0)
    concurrency_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text=_("Images in progress at once. Empty: the limit from the settings."),
    )
    concurrency_limit_changed_at = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.ForeignKey(Member, models.SET_NULL, null=True, blank=True, related_name="+")
    pause_reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        verbose_name = _("upstream gate")
        verbose_name_plural = _("upstream gates")
        constraints = [
            models.UniqueConstraint(
                fields=["upstream", "engine"], name="upstreamgate_upstream_engine_uniq"
            )
        ]

    def __str__(self) -> str:
        state = str(self.get_hold_reason_display()) if self.is_held else str(_("open"))
        return f"{self.engine} ({self.upstream}): {state}"

    @classmethod
    def for_engine(cls, engine: str = DEFAULT_ENGINE) -> Self:
        """Return the gate of this engine at the current upstream. Creates the row."""
        return cls.objects.get_or_create(upstream=settings.UPSTREAM_MODE, engine=engine)[0]

    @classmethod
    def current_or_none(cls, engine: str = DEFAULT_ENGINE) -> Self | None:
        """Return the gate, or None before its first use. For pages: creates nothing."""
        gates = cls.objects.filter(upstream=settings.UPSTREAM_MODE, engine=engine)
        return gates.select_related("paused_by").first()

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

    def can_submit(self, at: datetime) -> bool:
        """Whether a request may be submitted then: no pause, no wait, no hold without a probe."""
        if self.is_paused:
            return False
        waits = [self.silent_until, self.probe_at if self.is_held else self.submit_not_before]
        return all(until is None or until <= at for until in waits)

    def lock(self) -> Self:
        """Lock this row until the transaction ends, and refresh it.

        PostgreSQL locks the row; on SQLite, IMMEDIATE transactions exclude each other.
        """
        self.refresh_from_db(from_queryset=type(self).objects.select_for_update())
        return self

    # --- outcomes of calls ----------------------------------------------------------------------

    def report(
        self, *outcomes: Exception | None, source: ReportSource, images_in_flight: int = 0
    ) -> None:
        """Apply the outcomes of calls: None for a success, else the error.

        The only place where an outcome starts or ends a wait, a silence or a hold.
        `images_in_flight` is needed for a `SlowDown` of a submit.
        """
        if source is ReportSource.SUBMIT:
            for outcome in outcomes:
                self._report_submit(outcome, images_in_flight)
        else:
            self._report_queries(outcomes, source)

    def _report_submit(self, error: Exception | None, images_in_flight: int) -> None:
        match error:
            case None | base.RequestRefused():
                self.clear()
            case base.NotSent():
                self.wait(self.backoff_seconds(), is_busy=False)
            case base.SlowDown():
                self._slow_down(error, images_in_flight)
            case base.OnHold():
                self.hold(error.reason, _response_of(error))
            case _:
                # A wrong URL has the same effect, and every further submit may be charged.
                if self.count_unanswered() >= self.MAX_UNANSWERED:
                    self.hold(self.HoldReason.UNREACHED, _response_of(error))

    def _slow_down(self, error: base.SlowDown, images_in_flight: int) -> None:
        self.shrink(images_in_flight)
        if error.wait_seconds is not None:
            self.stay_silent(error.wait_seconds)
        self.wait(self.backoff_seconds(error.wait_seconds))
        busy_for = timezone.now() - (self.busy_since or timezone.now())
        if not error.reason_known and busy_for > self.MAX_BUSY:
            self.hold(self.HoldReason.BUSY, error.response)

    def _report_queries(self, outcomes: tuple[Exception | None, ...], source: ReportSource) -> None:
        """A query can start a silence or a hold. A poll can also end a hold."""
        for error in outcomes:
            if isinstance(error, base.SlowDown) and error.wait_seconds is not None:
                self.stay_silent(error.wait_seconds)
        on_hold = next((error for error in outcomes if isinstance(error, base.OnHold)), None)
        self.refresh_from_db()
        if on_hold and not self.is_held:
            self.hold(on_hold.reason, on_hold.response)
        elif (
            source is ReportSource.POLL
            and self.hold_reason in self.REASONS_ENDED_BY_QUERIES
            and None in outcomes
        ):
            self.clear()

    # --- waits ----------------------------------------------------------------------------------

    def clear(self) -> None:
        """End waits and a hold: the upstream responded as it should."""
        unchanged = Q(
            hold_reason="", refusals_in_a_row=0, unanswered_in_a_row=0, submit_not_before=None
        )
        self._update(
            ~unchanged,
            submit_not_before=None,
            refusals_in_a_row=0,
            busy_since=None,
            unanswered_in_a_row=0,
            hold_reason="",
            held_at=None,
            held_response="",
            probe_at=None,
            probes=0,
        )

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

    def backoff_seconds(self, requested_seconds: float | None = None) -> float:
        """Return a wait that doubles with each refusal in a row, and is never below the request."""
        self.refresh_from_db()
        doubled = settings.BUSY_RETRY_SECONDS * 2.0 ** min(self.refusals_in_a_row, 6)
        doubled = min(doubled, self.MAX_BACKOFF_SECONDS)
        return max(doubled * random.uniform(0.8, 1.2), requested_seconds or 0)

    def stay_silent(self, seconds: float) -> None:
        """Apply a Retry-After, which is for the whole key: neither submit nor poll."""
        until = timezone.now() + timedelta(seconds=seconds)
        self._update(Q(silent_until=None) | Q(silent_until__lt=until), silent_until=until)

    def clamp_to_clock(self) -> None:
        """Shorten waits that a clock change has pushed beyond their maximum."""
        now = timezone.now()
        self._update(Q(probe_at__gt=now + self.MAX_PROBE_GAP), probe_at=now)
        self._update(Q(submit_not_before__gt=now + self.MAX_WAIT), submit_not_before=now)
        self._update(Q(silent_until__gt=now + self.MAX_WAIT), silent_until=now)

    # --- holds ----------------------------------------------------------------------------------

    def hold(self, reason: str, response: str = "") -> None:
        """Submit nothing but a probe, after `HOLD_RETRY_SECONDS`.

        During a hold only the reason is updated: a burst of errors does not delay the probe.
        """
        now = timezone.now()
        self._update(Q(), hold_reason=str(reason), held_response=response[:2000])
        gap = timedelta(seconds=settings.HOLD_RETRY_SECONDS)
        self._update(Q(held_at=None), held_at=now, probe_at=now + gap, probes=0)

    def probe(self) -> None:
        """Record that one request tests the hold. The gap to the next one doubles."""
        self.refresh_from_db()
        probes = self.probes + 1
        gap = timedelta(seconds=settings.HOLD_RETRY_SECONDS * 2 ** min(probes, 10))
        next_probe_at = timezone.now() + min(gap, self.MAX_PROBE_GAP)
        self._update(Q(), probe_at=next_probe_at, probes=probes)

    def count_unanswered(self) -> int:
        """Count one more submit without a readable response; return how many in a row."""
        self._update(Q(), unanswered_in_a_row=F("unanswered_in_a_row") + 1)
        return self.unanswered_in_a_row

    # --- the concurrency limit ------------------------------------------------------------------

    def shrink(self, accepted: int) -> None:
        """Lower the limit: the upstream refused while `accepted` images were in progress.

        Once a burst: refusals during a wait are from the same moment. With nothing in progress the
        refusal has another reason.
        """
        self.refresh_from_db()
        now = timezone.now()
        if not accepted or (self.submit_not_before and self.submit_not_before > now):
            return
        configured = settings.CONCURRENCY_LIMIT or self.NO_LIMIT
        limit = min(
            accepted,
            int(configured * self.MAX_LIMIT_AFTER_REFUSAL),
            (self.concurrency_limit or configured) - 1,
        )
        self._update(Q(), concurrency_limit=max(limit, 1), concurrency_limit_changed_at=now)

    def grow(self) -> int:
        """Return how many images may be in progress, 0 for no limit.

        Raises the limit by one step for each `CONCURRENCY_GROW_SECONDS` since its last change. Call
        this with the row locked.
        """
        if self.concurrency_limit is None or self.concurrency_limit_changed_at is None:
            return int(settings.CONCURRENCY_LIMIT)
        step = timedelta(seconds=settings.CONCURRENCY_GROW_SECONDS)
        limit: int | None = self.concurrency_limit
        changed_at: datetime | None = self.concurrency_limit_changed_at
        while limit is not None and changed_at is not None and changed_at + step <= timezone.now():
            changed_at += step
            limit += max(1, int(limit * self.LIMIT_GROWTH))
            if limit >= (settings.CONCURRENCY_LIMIT or self.NO_LIMIT):
                limit = changed_at = None
        if changed_at != self.concurrency_limit_changed_at:
            self._update(Q(), concurrency_limit=limit, concurrency_limit_changed_at=changed_at)
        return int(settings.CONCURRENCY_LIMIT) if limit is None else limit

    # --- admins ---------------------------------------------------------------------------------

    def pause(self, by: Member, reason: str) -> bool:
        """Stop submits, but not polls. Return False when already paused."""
        return self._update(
            Q(paused_at=None), paused_at=timezone.now(), paused_by=by, pause_reason=reason[:300]
        )

    def resume(self) -> None:
        """End a pause, a hold and every wait."""
        self.clear()
        self._update(Q(), silent_until=None, paused_at=None, paused_by=None, pause_reason="")

    def _update(self, condition: Q, **changes: Any) -> bool:
        """Update the row where the condition still holds, and then refresh this object."""
        if not type(self).objects.filter(condition, pk=self.pk).update(**changes):
            return False
        self.refresh_from_db()
        return True


def _response_of(error: Exception | None) -> str:
    return getattr(error, "response", "") or str(error)
