"""Who works at which line of the worker: a lease, and its sign of life."""

from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .process import is_dead, this_process


class Slot(models.Model):
    """A lease: at most one shift of a kind works at a time, on any number of machines.

    It only saves superfluous shifts; correctness lies in the conditional updates of the rows.
    """

    LEASE = timedelta(seconds=15)
    KICK_LOST = timedelta(seconds=10)  # a kick that brought nobody by then is sent again

    name = models.CharField(max_length=16, primary_key=True)
    holder = models.CharField(max_length=200, blank=True, default="")
    until = models.DateTimeField(null=True)
    beat_at = models.DateTimeField(null=True, help_text=_("The last sign of life."))
    kicked_at = models.DateTimeField(
        null=True, help_text=_("A kick is on its way; empty once somebody has come.")
    )

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
    def claim_kick(cls, name: str) -> bool:
        """True for one of all who want somebody to come to this slot.

        False: somebody is there, and looks for work once more after letting go; or a kick is on
        its way already. Call it in the transaction that makes the work. Its lock (on SQLite that of
        the whole database) lets whoever kicks and whoever lets go wait for each other, so that no
        work falls between the last look and the next kick.
        """
        now = timezone.now()
        with transaction.atomic():
            cls.objects.get_or_create(name=name)
            slot = cls.objects.select_for_update().get(name=name)
            is_coming = slot.kicked_at and abs(now - slot.kicked_at) < cls.KICK_LOST
            if is_coming or cls.is_held(name):
                return False
            cls.objects.filter(name=name).update(kicked_at=now)
        return True

    @classmethod
    def come(cls, name: str) -> None:
        """The kick has arrived, whether there is room at the slot or not: the next may be sent."""
        cls.objects.filter(name=name, kicked_at__isnull=False).update(kicked_at=None)

    @classmethod
    def shows_life(cls, name: str, within: timedelta) -> bool:
        """Somebody has been there lately, or has been called."""
        seen = cls.objects.filter(name=name).values_list("beat_at", "kicked_at").first() or ()
        return any(at is not None and timezone.now() - at < within for at in seen)

    @classmethod
    def last_beat(cls, name: str) -> datetime | None:
        return cls.objects.filter(name=name).values_list("beat_at", flat=True).first()
