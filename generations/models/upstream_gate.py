"""The one line to the upstream: how wide it is, and what stops it."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .member import Member


class UpstreamGate(models.Model):
    """The one line to the upstream: a wait that belongs to the key, or a hold with its reason."""

    class HoldReason(models.TextChoices):
        ACCOUNT = "account", _("The account is empty or blocked")
        KEY = "key", _("The key is refused")
        RIGHTS = "rights", _("The key has no right to this")
        ADDRESS = "address", _("This machine's address is refused")
        BUSY = "busy", _("The upstream has been too busy for minutes")
        UNREACHED = "unreached", _("The upstream does not answer as it should")

    ONLY = 1
    MAX_LIMIT_AFTER_REFUSAL = 0.75  # share of the configured limit
    LIMIT_GROWTH = 0.1  # share of the current limit, a step
    NO_LIMIT = 1000  # units: where an install without a budget stops counting
    MAX_WAIT = timedelta(hours=1)  # that an upstream may ask for
    MAX_PROBE_GAP = timedelta(minutes=15)

    silent_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("The upstream asked for silence: neither submit nor poll."),
    )
    submit_not_before = models.DateTimeField(null=True, blank=True)
    refusals_in_a_row = models.PositiveIntegerField(default=0)
    busy_since = models.DateTimeField(null=True, blank=True)
    unanswered_in_a_row = models.PositiveIntegerField(default=0)
    hold_reason = models.CharField(max_length=12, choices=HoldReason, blank=True, default="")
    held_at = models.DateTimeField(null=True, blank=True)
    held_response = models.TextField(blank=True, default="")
    probe_at = models.DateTimeField(null=True, blank=True, help_text=_("One row is let through."))
    probes = models.PositiveIntegerField(default=0)
    concurrency_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text=_("How many units it takes by now; empty while the whole budget of the install."),
    )
    concurrency_limit_changed_at = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.ForeignKey(Member, models.SET_NULL, null=True, blank=True, related_name="+")
    pause_reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        verbose_name = _("line to the upstream")
        verbose_name_plural = _("line to the upstream")

    def __str__(self) -> str:
        return str(self.get_hold_reason_display()) if self.is_held else str(_("open"))

    @property
    def is_held(self) -> bool:
        """By trouble: it opens by itself. A pause is a person's, and ends by a person."""
        return bool(self.hold_reason)

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None

    @classmethod
    def clamp_to_clock(cls) -> None:
        """After the clock was set back, a gap may lie further ahead than any gap is long."""
        now = timezone.now()
        gate = cls.objects.filter(pk=cls.ONLY)
        gate.filter(probe_at__gt=now + cls.MAX_PROBE_GAP).update(probe_at=now)
        gate.filter(submit_not_before__gt=now + cls.MAX_WAIT).update(submit_not_before=now)
        gate.filter(silent_until__gt=now + cls.MAX_WAIT).update(silent_until=now)

    @classmethod
    def now(cls) -> "UpstreamGate":
        return cls.objects.get_or_create(pk=cls.ONLY)[0]

    @classmethod
    def lock(cls) -> "UpstreamGate":
        """Serialise the callers: IMMEDIATE does it on SQLite, the row lock on PostgreSQL."""
        cls.objects.get_or_create(pk=cls.ONLY)
        return cls.objects.select_for_update().get(pk=cls.ONLY)

    @classmethod
    def clear(cls) -> None:
        """The upstream did as it should: whatever was in the way is gone."""
        cls.objects.filter(pk=cls.ONLY).exclude(
            hold_reason="", refusals_in_a_row=0, unanswered_in_a_row=0, submit_not_before=None
        ).update(
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

    @classmethod
    def pause(cls, by: Member, reason: str) -> bool:
        """A person stops the submits, and says why; what is under way is still watched."""
        cls.now()
        return bool(
            cls.objects.filter(pk=cls.ONLY, paused_at=None).update(
                paused_at=timezone.now(), paused_by=by, pause_reason=reason[:300]
            )
        )

    @classmethod
    def resume(cls) -> None:
        """A person says that all is mended: even a silence that was asked for ends."""
        cls.clear()
        cls.objects.filter(pk=cls.ONLY).update(
            silent_until=None, paused_at=None, paused_by=None, pause_reason=""
        )

    @classmethod
    def wait(cls, seconds: float, *, is_busy: bool = True) -> None:
        """Nobody submits before `seconds` have passed; the queue keeps its places.

        Refusals that come while all wait already are of one burst: they count once.
        """
        now = timezone.now()
        cls.now()
        is_over = Q(submit_not_before=None) | Q(submit_not_before__lte=now)
        cls.objects.filter(is_over, pk=cls.ONLY).update(
            submit_not_before=now + timedelta(seconds=seconds),
            refusals_in_a_row=F("refusals_in_a_row") + 1,
        )
        if is_busy:
            cls.objects.filter(pk=cls.ONLY, busy_since=None).update(busy_since=now)

    @classmethod
    def stay_silent(cls, seconds: float) -> None:
        """A Retry-After holds for the whole key: no submit and no poll before it has passed."""
        cls.now()
        until = timezone.now() + timedelta(seconds=seconds)
        unknown_or_sooner = Q(silent_until=None) | Q(silent_until__lt=until)
        cls.objects.filter(unknown_or_sooner, pk=cls.ONLY).update(silent_until=until)

    @classmethod
    def shrink(cls, accepted: int) -> None:
        """Too many, the upstream said, while it had `accepted` units of ours.

        Once a burst: refusals that come while all wait already tell of the same moment. Refused
        while it had nothing of ours, the reason is another: narrower would not help.
        """
        now = timezone.now()
        gate = cls.now()
        if not accepted or (gate.submit_not_before and gate.submit_not_before > now):
            return
        whole = settings.CONCURRENCY_LIMIT or cls.NO_LIMIT
        limit = min(
            accepted,
            int(whole * cls.MAX_LIMIT_AFTER_REFUSAL),
            (gate.concurrency_limit or whole) - 1,
        )
        cls.objects.filter(pk=cls.ONLY).update(
            concurrency_limit=max(limit, 1), concurrency_limit_changed_at=now
        )

    def grow(self) -> int:
        """How many units may be under way now, 0 for any number; a step wider for each quiet while.

        Call it with the row locked: it writes what time has brought.
        """
        if self.concurrency_limit is None or self.concurrency_limit_changed_at is None:
            return settings.CONCURRENCY_LIMIT
        while (
            self.concurrency_limit is not None
            and (
                later := self.concurrency_limit_changed_at
                + timedelta(seconds=settings.CONCURRENCY_GROW_SECONDS)
            )
            <= timezone.now()
        ):
            self.concurrency_limit_changed_at = later
            self.concurrency_limit += max(1, int(self.concurrency_limit * self.LIMIT_GROWTH))
            if self.concurrency_limit >= (settings.CONCURRENCY_LIMIT or self.NO_LIMIT):
                self.concurrency_limit = self.concurrency_limit_changed_at = None
                break
        type(self).objects.filter(pk=self.pk).update(
            concurrency_limit=self.concurrency_limit,
            concurrency_limit_changed_at=self.concurrency_limit_changed_at,
        )
        return (
            settings.CONCURRENCY_LIMIT if self.concurrency_limit is None else self.concurrency_limit
        )

    @classmethod
    def hold(cls, hold_reason: str, answer: str = "", *, gap_seconds: float = 60) -> None:
        """Stop submitting; one row is let through after the gap.

        While it is held only the reason is renewed: a burst of refusals makes one gap.
        """
        cls.now()
        now = timezone.now()
        gate = cls.objects.filter(pk=cls.ONLY)
        gate.update(hold_reason=hold_reason, held_response=answer[:2000])
        gap = timedelta(seconds=gap_seconds)
        gate.filter(held_at=None).update(held_at=now, probe_at=now + gap, probes=0)

    @classmethod
    def probe(cls, *, gap_seconds: float = 60) -> None:
        """One row tries the held line; the next may after a gap twice as long."""
        probes = cls.now().probes + 1
        gap = min(timedelta(seconds=gap_seconds * 2 ** min(probes, 10)), cls.MAX_PROBE_GAP)
        cls.objects.filter(pk=cls.ONLY).update(probe_at=timezone.now() + gap, probes=probes)

    @classmethod
    def count_unanswered(cls) -> int:
        """One more submit without a readable answer; returns how many in a row by now."""
        cls.now()
        cls.objects.filter(pk=cls.ONLY).update(unanswered_in_a_row=F("unanswered_in_a_row") + 1)
        return cls.now().unanswered_in_a_row
