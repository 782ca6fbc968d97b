"""Leases of the worker's loops, with their heartbeats and wake-ups."""

from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .process import is_dead, kill, this_process


class Lease(models.Model):
    """Lets one process at a time run a loop, on any number of machines.

    Only prevents duplicate work. Correctness rests on the conditional updates of rows.
    """

    DURATION = timedelta(seconds=10)
    WAKE_UP_TIMEOUT = timedelta(seconds=10)  # then another wake-up may be sent

    name = models.CharField(max_length=16, primary_key=True)
    holder = models.CharField(max_length=200, blank=True, default="")
    expires_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True, help_text=_("When its holder was last active."))
    wake_up_sent_at = models.DateTimeField(
        null=True, help_text=_("Empty once the wake-up has arrived.")
    )

    def __str__(self) -> str:
        return self.name

    @classmethod
    def acquire(cls, name: str) -> bool:
        """Acquire or renew the lease for this process. False while another process holds it."""
        now, me = timezone.now(), this_process()
        lease, _created = cls.objects.get_or_create(name=name)
        free = Q(expires_at__isnull=True) | Q(expires_at__lt=now) | Q(holder=me)
        if lease.holder and is_dead(lease.holder):
            free |= Q(holder=lease.holder)
        changes = {"holder": me, "expires_at": now + cls.DURATION, "heartbeat_at": now}
        return cls.objects.filter(free, name=name).update(**changes) == 1

    @classmethod
    def holder_has_died(cls, name: str) -> bool:
        """Whether the holder ended without releasing the lease. Its row leases can be reclaimed.

        One that cannot be seen from here (another container) is known by its expired lease.
        """
        lease = cls.objects.filter(name=name).exclude(holder="").first()
        if lease is None:
            return False
        is_expired = lease.expires_at is not None and lease.expires_at < timezone.now()
        return is_expired or is_dead(lease.holder)

    @classmethod
    def kill_holder(cls, name: str) -> bool:
        """Kill the process that holds this lease now, if it runs here. For drills of the demo."""
        lease = cls.objects.filter(name=name, expires_at__gt=timezone.now()).first()
        return lease is not None and kill(lease.holder)

    @classmethod
    def give_back(cls, name: str) -> None:
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
        """Whether the caller should send a wake-up to this loop.

        False while the lease is held (the holder re-checks for work after releasing it) or another
        wake-up is pending. Call it in the transaction that creates the work: the row lock (on
        SQLite, the database lock) orders it against the release, so that no work is missed.
        """
        now = timezone.now()
        with transaction.atomic():
            locked = cls.objects.select_for_update().filter(name=name)
            lease = locked.first()
            if lease is None:
                cls.objects.get_or_create(name=name)
                lease = locked.get()
            is_pending = (
                lease.wake_up_sent_at and abs(now - lease.wake_up_sent_at) < cls.WAKE_UP_TIMEOUT
            )
            if is_pending or cls.is_held(name):
                return False
            cls.objects.filter(name=name).update(wake_up_sent_at=now)
        return True

    @classmethod
    def acknowledge_wake_up(cls, name: str) -> None:
        """Record that the wake-up has arrived, whether or not the lease is free."""
        cls.objects.filter(name=name, wake_up_sent_at__isnull=False).update(wake_up_sent_at=None)

    @classmethod
    def was_active_within(cls, name: str, within: timedelta) -> bool:
        """Whether the last heartbeat or wake-up is more recent than this."""
        times = (
            cls.objects.filter(name=name).values_list("heartbeat_at", "wake_up_sent_at").first()
            or ()
        )
        return any(at is not None and timezone.now() - at < within for at in times)

    @classmethod
    def last_heartbeat(cls, name: str) -> datetime | None:
        return cls.objects.filter(name=name).values_list("heartbeat_at", flat=True).first()
