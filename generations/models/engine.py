"""What the engine knows of itself: who holds which slot, and how the line to the upstream is."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .process import is_dead, this_process


class Slot(models.Model):
    """A lease: at most one shift of a kind works at a time, on any number of machines.

    It only saves superfluous shifts; correctness lies in the conditional updates of the rows.
    """

    LEASE = timedelta(seconds=15)

    name = models.CharField(max_length=16, primary_key=True)
    holder = models.CharField(max_length=200, blank=True, default="")
    until = models.DateTimeField(null=True)
    beat_at = models.DateTimeField(null=True, help_text=_("The last sign of life."))

    def __str__(self) -> str:
        return self.name

    @classmethod
    def take(cls, name: str) -> bool:
        """Take or renew the slot for this process; False when a living other holds it."""
        now, me = timezone.now(), this_process()
        slot, _created = cls.objects.get_or_create(name=name)
        free = Q(until__isnull=True) | Q(until__lt=now) | Q(holder=me)
        if slot.holder and is_dead(slot.holder):
            free |= Q(holder=slot.holder)
        changes = {"holder": me, "until": now + cls.LEASE, "beat_at": now}
        return cls.objects.filter(free, name=name).update(**changes) == 1

    @classmethod
    def is_orphaned(cls, name: str) -> bool:
        """Whether its last holder died at work: what it had leased is nobody's now."""
        holder = cls.objects.filter(name=name).values_list("holder", flat=True).first()
        return bool(holder) and is_dead(holder or "")

    @classmethod
    def release(cls, name: str) -> None:
        cls.objects.filter(name=name, holder=this_process()).update(holder="", until=None)

    @classmethod
    def is_held(cls, name: str) -> bool:
        slot = cls.objects.filter(name=name, until__gt=timezone.now()).first()
        return slot is not None and not is_dead(slot.holder)

    @classmethod
    def beat(cls, name: str) -> None:
        cls.objects.update_or_create(name=name, defaults={"beat_at": timezone.now()})

    @classmethod
    def claim_kick(cls, name: str, stale: timedelta) -> bool:
        """True for one of many askers, once per `stale`, while nobody shows life at the slot."""
        now = timezone.now()
        slots = dict(
            cls.objects.filter(name__in=[name, f"{name} kick"]).values_list("name", "beat_at")
        )
        if any(at and now - at < stale for at in slots.values()):
            return False
        kick, _created = cls.objects.get_or_create(name=f"{name} kick")
        return cls.objects.filter(pk=kick.pk, beat_at=kick.beat_at).update(beat_at=now) == 1

    @classmethod
    def last_beat(cls, name: str) -> datetime | None:
        return cls.objects.filter(name=name).values_list("beat_at", flat=True).first()


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

    class Meta:
        verbose_name = _("line to the upstream")
        verbose_name_plural = _("line to the upstream")
        constraints = [models.CheckConstraint(name="one_line", condition=Q(pk=1))]

    def __str__(self) -> str:
        return str(self.get_trouble_display()) if self.is_held else str(_("open"))

    @property
    def is_held(self) -> bool:
        return bool(self.trouble)

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
    def resume(cls) -> None:
        """A person says that all is mended: even a silence that was asked for ends."""
        cls.clear()
        cls.objects.filter(pk=cls.ONLY).update(quiet_until=None)

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
