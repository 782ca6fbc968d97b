"""Requests of members for a higher limit, and what an admin decided."""

from datetime import datetime

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.models.member import Member
from generations.models.notification import Notification


class LimitRequestQuerySet(models.QuerySet["LimitRequest"]):
    def open(self) -> "LimitRequestQuerySet":
        return self.filter(decision="")

    def ask(self, person: Member, reason: str, *, amount_e4: int, images: int) -> "LimitRequest":
        """Ask for more, and notify the admins. Raises IntegrityError while a request is open."""
        with transaction.atomic():
            asked = self.create(person=person, reason=reason, amount_e4=amount_e4, images=images)
            Notification.objects.record_request(asked.pk, person)
        return asked

    def granted_to(self, member: Member, at: datetime) -> "LimitRequestQuerySet":
        """Grants that are in force at that time."""
        return self.filter(
            person=member, decision=LimitRequest.Decision.GRANTED, until__gt=at
        ).order_by("pk")


class LimitRequest(models.Model):
    """What a person asked for, and what was granted.

    A grant is added to each limit of the person, in the periods until `until`.
    """

    class Decision(models.TextChoices):
        GRANTED = "granted", _("Granted")
        DECLINED = "declined", _("Declined")

    person = models.ForeignKey(Member, models.CASCADE, related_name="limit_requests")
    amount_e4 = models.BigIntegerField(default=0)
    images = models.PositiveIntegerField(default=0)
    granted_e4 = models.BigIntegerField(default=0)
    granted_images = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=300)
    created_at = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True, blank=True)
    decision = models.CharField(max_length=8, choices=Decision, blank=True, default="")
    decided_by = models.ForeignKey(Member, models.SET_NULL, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    was_read = models.BooleanField(
        default=True, help_text=_("The person was told of the decision.")
    )

    objects = LimitRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("request for more")
        verbose_name_plural = _("requests for more")
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(
                fields=["person"],
                name="limitrequest_unread_idx",
                condition=Q(was_read=False),
            ),
            models.Index(
                fields=["-decided_at", "-id"],
                name="limitrequest_decided_idx",
                condition=~Q(decision=""),
            ),
        ]
        constraints = (
            models.CheckConstraint(name="limitrequest_amount_check", condition=Q(amount_e4__gte=0)),
            models.CheckConstraint(
                name="limitrequest_granted_check", condition=Q(granted_e4__gte=0)
            ),
            models.UniqueConstraint(
                fields=["person"],
                condition=Q(decision=""),
                name="limitrequest_person_open_uniq",
            ),
        )

    def __str__(self) -> str:
        return f"request {self.pk} of {self.person}"
