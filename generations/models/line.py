"""The one line to the upstream: how wide it is, and what stops it."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .member import Member


class Line(models.Model):
    """The one line to the upstream: a wait that belongs to the key, or a hold with its reason."""

    class Trouble(models.TextChoices):
        ACCOUNT = "account", _("The account is empty or blocked")
        KEY = "key", _("The key is refused")
        RIGHTS = "rights", _("The key has no right to this")
        ADDRESS = "address", _("This machine's address is refused")
        BUSY = "busy", _("The upstream has been too busy for minutes")
        UNREACHED = "unreached", _("The upstream does not answer as it should")

    ONLY = 1
    NARROWING = 0.75  # of the whole budget, at most, once the upstream has said "too many"
    WIDENING = 0.1  # a step, of what it takes by now
    NO_LIMIT = 1000  # units: where an install without a budget stops counting
    LONGEST_WAIT = timedelta(hours=1)  # that an upstream may ask for
    LONGEST_GAP = timedelta(minutes=15)

    quiet_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("The upstream asked for silence: neither submit nor poll."),
    )
    not_before = models.DateTimeField(null=True, blank=True, help_text=_("No submit before this."))
    waits = models.PositiveIntegerField(default=0, help_text=_("Refused for now, in a row."))
    busy_since = models.DateTimeField(null=True, blank=True)
    unanswered = models.PositiveIntegerField(default=0, help_text=_("Without answer, in a row."))
    trouble = models.CharField(max_length=12, choices=Trouble, blank=True, default="")
    held_at = models.DateTimeField(null=True, blank=True)
    held_answer = models.TextField(blank=True, default="", help_text=_("As the upstream said it."))
    probe_at = models.DateTimeField(null=True, blank=True, help_text=_("One row is let through."))
    probes = models.PositiveIntegerField(default=0)
    units = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text=_("How many units it takes by now; empty while the whole budget of the install."),
    )
    units_at = models.DateTimeField(null=True, blank=True, help_text=_("When that last changed."))
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.ForeignKey(Member, models.SET_NULL, null=True, blank=True, related_name="+")
    pause_reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        verbose_name = _("line to the upstream")
        verbose_name_plural = _("line to the upstream")
        constraints = [models.CheckConstraint(name="one_line", condition=Q(pk=1))]

    def __str__(self) -> str:
        return str(self.get_trouble_display()) if self.is_held else str(_("open"))

    @property
    def is_held(self) -> bool:
        """By trouble: it opens by itself. A pause is a person's, and ends by a person."""
        return bool(self.trouble)

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None

    @classmethod
    def pull_in(cls) -> None:
        """After the clock was set back, a gap may lie further ahead than any gap is long."""
        now = timezone.now()
        line = cls.objects.filter(pk=cls.ONLY)
        line.filter(probe_at__gt=now + cls.LONGEST_GAP).update(probe_at=now)
        line.filter(not_before__gt=now + cls.LONGEST_WAIT).update(not_before=now)
        line.filter(quiet_until__gt=now + cls.LONGEST_WAIT).update(quiet_until=now)

    @classmethod
    def now(cls) -> "Line":
        return cls.objects.get_or_create(pk=cls.ONLY)[0]

    @classmethod
    def lock(cls) -> "Line":
        """Serialise the callers: IMMEDIATE does it on SQLite, the row lock on PostgreSQL."""
        cls.objects.get_or_create(pk=cls.ONLY)
        return cls.objects.select_for_update().get(pk=cls.ONLY)

    @classmethod
    def clear(cls) -> None:
        """The upstream did as it should: whatever was in the way is gone."""
        cls.objects.filter(pk=cls.ONLY).exclude(
            trouble="", waits=0, unanswered=0, not_before=None
        ).update(
            not_before=None, waits=0, busy_since=None, unanswered=0, trouble="", held_at=None,
            held_answer="", probe_at=None, probes=0,
        )  # fmt: skip

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
            quiet_until=None, paused_at=None, paused_by=None, pause_reason=""
        )

    @classmethod
    def wait(cls, seconds: float, *, is_busy: bool = True) -> None:
        """Nobody submits before `seconds` have passed; the queue keeps its places.

        Refusals that come while all wait already are of one burst: they count once.
        """
        now = timezone.now()
        cls.now()
        is_over = Q(not_before=None) | Q(not_before__lte=now)
        cls.objects.filter(is_over, pk=cls.ONLY).update(
            not_before=now + timedelta(seconds=seconds), waits=F("waits") + 1
        )
        if is_busy:
            cls.objects.filter(pk=cls.ONLY, busy_since=None).update(busy_since=now)

    @classmethod
    def keep_quiet(cls, seconds: float) -> None:
        """A Retry-After holds for the whole key: no submit and no poll before it has passed."""
        cls.now()
        until = timezone.now() + timedelta(seconds=seconds)
        unknown_or_sooner = Q(quiet_until=None) | Q(quiet_until__lt=until)
        cls.objects.filter(unknown_or_sooner, pk=cls.ONLY).update(quiet_until=until)

    @classmethod
    def narrow(cls, accepted: int) -> None:
        """Too many, the upstream said, while it had `accepted` units of ours.

        Once a burst: refusals that come while all wait already tell of the same moment. Refused
        while it had nothing of ours, the reason is another: narrower would not help.
        """
        now = timezone.now()
        line = cls.now()
        if not accepted or (line.not_before and line.not_before > now):
            return
        whole = settings.UPSTREAM_UNITS or cls.NO_LIMIT
        units = min(accepted, int(whole * cls.NARROWING), (line.units or whole) - 1)
        cls.objects.filter(pk=cls.ONLY).update(units=max(units, 1), units_at=now)

    def widen(self) -> int:
        """How many units may be under way now, 0 for any number; a step wider for each quiet while.

        Call it with the row locked: it writes what time has brought.
        """
        if self.units is None or self.units_at is None:
            return settings.UPSTREAM_UNITS
        while (
            self.units is not None
            and (later := self.units_at + timedelta(seconds=settings.UNITS_GROW_SECONDS))
            <= timezone.now()
        ):
            self.units_at = later
            self.units += max(1, int(self.units * self.WIDENING))
            if self.units >= (settings.UPSTREAM_UNITS or self.NO_LIMIT):
                self.units = self.units_at = None
                break
        type(self).objects.filter(pk=self.pk).update(units=self.units, units_at=self.units_at)
        return settings.UPSTREAM_UNITS if self.units is None else self.units

    @classmethod
    def hold(cls, trouble: str, answer: str = "", *, gap_seconds: float = 60) -> None:
        """Stop submitting; one row is let through after the gap.

        While it is held only the reason is renewed: a burst of refusals makes one gap.
        """
        cls.now()
        now = timezone.now()
        line = cls.objects.filter(pk=cls.ONLY)
        line.update(trouble=trouble, held_answer=answer[:2000])
        gap = timedelta(seconds=gap_seconds)
        line.filter(held_at=None).update(held_at=now, probe_at=now + gap, probes=0)

    @classmethod
    def probe(cls, *, gap_seconds: float = 60) -> None:
        """One row tries the held line; the next may after a gap twice as long."""
        probes = cls.now().probes + 1
        gap = min(timedelta(seconds=gap_seconds * 2 ** min(probes, 10)), cls.LONGEST_GAP)
        cls.objects.filter(pk=cls.ONLY).update(probe_at=timezone.now() + gap, probes=probes)

    @classmethod
    def count_unanswered(cls) -> int:
        """One more submit without a readable answer; returns how many in a row by now."""
        cls.now()
        cls.objects.filter(pk=cls.ONLY).update(unanswered=F("unanswered") + 1)
        return cls.now().unanswered
