"""Who works at which line of the worker: a lease, and its sign of life."""

from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .process import is_dead, this_process


class Lease(models.Model):
    """A lease: at most one shift of a kind works at a time, on any number of machines.

    It only saves superfluous shifts; correctness lies in the conditional updates of the rows.
    """

    DURATION = timedelta(seconds=15)
    WAKE_UP_TIMEOUT = timedelta(seconds=10)  # a kick that brought nobody by then is sent again

    name = models.CharField(max_length=16, primary_key=True)
    holder = models.CharField(max_length=200, blank=True, default="")
    expires_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True, help_text=_("The last sign of life."))
    wake_up_sent_at = models.DateTimeField(
        null=True, help_text=_("Empty once the wake-up has arrived.")
    )

    def __str__(self) -> str:
        return self.name

    @classmethod
    def acquire(cls, name: str) -> bool:
        """Take or renew the slot for this process; False when a living other holds it."""
        now, me = timezone.now(), this_process()
        lease, _created = cls.objects.get_or_create(name=name)
        free = Q(expires_at__isnull=True) | Q(expires_at__lt=now) | Q(holder=me)
        if lease.holder and is_dead(lease.holder):
            free |= Q(holder=lease.holder)
        changes = {"holder": me, "expires_at": now + cls.DURATION, "heartbeat_at": now}
        return cls.objects.filter(free, name=name).update(**changes) == 1

    @classmethod
    def holder_has_died(cls, name: str) -> bool:
        """Whether its last holder died at work: what it had leased is nobody's now."""
        holder = cls.objects.filter(name=name).values_list("holder", flat=True).first()
        return bool(holder) and is_dead(holder or "")

    @classmethod
    def release(cls, name: str) -> None:
        cls.objects.filter(name=name, holder=this_process()).update(holder="", expires_at=None)

    @classmethod
    def is_held(cls, name: str) -> bool:
        lease = cls.objects.filter(name=name, expires_at__gt=timezone.now()).first()
        return lease is not None and not is_dead(lease.holder)

    @classmethod
    def record_heartbeat(cls, name: str) -> None:
        cls.objects.update_or_create(name=name, defaults={"heartbeat_at": timezone.now()})

    @classmethod
    def claim_wake_up(cls, name: str) -> bool:
        """True for one of all who want somebody to come to this slot.

        False: somebody is there, and looks for work once more after letting go; or a kick is on
        its way already. Call it in the transaction that makes the work. Its lock (on SQLite that of
        the whole database) lets whoever kicks and whoever lets go wait for each other, so that no
        work falls between the last look and the next kick.
        """
        now = timezone.now()
        with transaction.atomic():
            cls.objects.get_or_create(name=name)
            lease = cls.objects.select_for_update().get(name=name)
            is_on_its_way = (
                lease.wake_up_sent_at and abs(now - lease.wake_up_sent_at) < cls.WAKE_UP_TIMEOUT
            )
            if is_on_its_way or cls.is_held(name):
                return False
            cls.objects.filter(name=name).update(wake_up_sent_at=now)
        return True

    @classmethod
    def acknowledge_wake_up(cls, name: str) -> None:
        """The kick has arrived, whether there is room at the slot or not: the next may be sent."""
        cls.objects.filter(name=name, wake_up_sent_at__isnull=False).update(wake_up_sent_at=None)

    @classmethod
    def was_active_within(cls, name: str, within: timedelta) -> bool:
        """Somebody has been there lately, or has been called."""
        seen = (
            cls.objects.filter(name=name).values_list("heartbeat_at", "wake_up_sent_at").first()
            or ()
        )
        return any(at is not None and timezone.now() - at < within for at in seen)

    @classmethod
    def last_heartbeat(cls, name: str) -> datetime | None:
        return cls.objects.filter(name=name).values_list("heartbeat_at", flat=True).first()
