"""Invitations: secret links with which new people make their own account."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import IntegrityError, models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.permissions import PERMISSIONS, Action, Role

from .audit_entry import AuditAction, AuditEntry
from .member import Member
from .money import Limit, Window

SECRET_BYTES = 24
MANAGERS = [role for role in Role if Action.MANAGE_PEOPLE in PERMISSIONS[role]]
OWNER_MANAGERS = [role for role in Role if Action.MANAGE_OWNERS in PERMISSIONS[role]]


class InvitationNotUsable(Exception):
    """No such invitation, or it is used up, revoked or expired. Callers do not say which."""


class AlreadyInvited(Exception):
    """These invitations were created before, by the same form."""


class NameTaken(Exception):
    """Another person has this user name, in any capitals."""


@dataclass(frozen=True)
class InvitationTerms:
    """What each invitation of a batch allows. `month_money_e4`: see `Invitation`."""

    role: str
    expires_at: datetime
    max_uses: int = 1
    month_money_e4: int | None = None


def hash_of(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> "InvitationQuerySet":
        """Neither used up, revoked nor expired."""
        now = timezone.now()
        return self.filter(uses__lt=F("max_uses"), revoked_at=None, expires_at__gt=now)

    def usable(self) -> "InvitationQuerySet":
        """Open, and created by someone who may still invite people with this role."""
        managers = Member.objects.filter(role__in=MANAGERS, is_active=True)
        owner_managers = Member.objects.filter(role__in=OWNER_MANAGERS, is_active=True)
        return self.open().filter(
            ~Q(role=Role.OWNER) | Q(created_by__in=owner_managers), created_by__in=managers
        )

    def with_secret(self, secret: str) -> "InvitationQuerySet":
        return self.filter(secret_sha256=hash_of(secret))

    def revoke(self, by: Member | None) -> int:
        """End these invitations. Return how many were open. `by` None: from a command."""
        with transaction.atomic():
            rows = list(self.open().select_for_update(no_key=True))
            Invitation.objects.filter(pk__in=[row.pk for row in rows]).update(
                revoked_at=timezone.now()
            )
            for row in rows:
                AuditEntry.objects.record(
                    AuditAction.INVITATION_REVOKED, by, on=row, label=row.made_for
                )
        return len(rows)

    def invite(
        self,
        by: Member,
        terms: InvitationTerms,
        made_for: Sequence[str] = ("",),
        batch: UUID | None = None,
    ) -> list[tuple["Invitation", str]]:
        """Create one invitation for each name. Return each with its secret, which is not stored.

        Raises OwnersOnly, and AlreadyInvited when the batch exists: the form was sent twice.
        """
        by.check_may_give(terms.role)
        batch = batch or uuid4()
        found = [secrets.token_urlsafe(SECRET_BYTES) for _name in made_for]
        rows = [
            Invitation(
                secret_sha256=hash_of(secret),
                made_for=name,
                batch=batch,
                number=number,
                created_by=by,
                role=terms.role,
                expires_at=terms.expires_at,
                max_uses=terms.max_uses,
                month_money_e4=terms.month_money_e4,
            )
            for number, (name, secret) in enumerate(zip(made_for, found, strict=True))
        ]
        try:
            with transaction.atomic():
                created = self.bulk_create(rows)
                _record_invited(created, terms, by)
        except IntegrityError:
            if self.filter(batch=batch).exists():
                raise AlreadyInvited from None
            raise
        return list(zip(created, found, strict=True))

    def accept(self, secret: str, member: Member) -> "Invitation":
        """Save this new person with the role of the invitation, and count one use.

        Raises InvitationNotUsable and NameTaken. The conditional UPDATE decides who gets the last
        use: it locks the row, and others see the new count.
        """
        try:
            with transaction.atomic():
                open_now = self.with_secret(secret).usable()
                if not open_now.update(uses=F("uses") + 1):
                    raise InvitationNotUsable
                invitation = self.with_secret(secret).get()
                if Member.objects.filter(username__iexact=member.username).exists():
                    raise NameTaken
                member.role = invitation.role
                member.save(force_insert=True)
                invitation.members.add(member)
                AuditEntry.objects.record(
                    AuditAction.JOINED,
                    member,
                    on=member,
                    after={"role": member.role},
                    note=f"with {invitation}, created by {invitation.created_by}",
                )
                invitation.set_limit_of(member)
        except IntegrityError:
            if Member.objects.filter(username=member.username).exists():
                raise NameTaken from None
            raise
        return invitation


def _record_invited(created: Sequence["Invitation"], terms: InvitationTerms, by: Member) -> None:
    """Write one entry for all invitations of a form."""
    names = ", ".join(row.made_for for row in created if row.made_for)
    AuditEntry.objects.record(
        AuditAction.INVITED,
        by,
        on=created[0],
        label=names,
        after={
            "invitations": len(created),
            "role": terms.role,
            "people_each": terms.max_uses,
            "month_money_e4": terms.month_money_e4,
            "expires_at": terms.expires_at.isoformat(timespec="minutes"),
        },
    )


class Invitation(models.Model):
    """A secret link for one person or for several. Only the hash of the secret is stored."""

    MAX_USES = 500
    MAX_NAME_LENGTH = 254  # characters: the longest e-mail address

    secret_sha256 = models.CharField(max_length=64, unique=True)
    role = models.CharField(max_length=8, choices=Role, default=Role.MEMBER)
    month_money_e4 = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text=_("Monthly limit of each person invited, in ten-thousandths. Empty: none."),
    )
    max_uses = models.PositiveIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(MAX_USES)]
    )
    uses = models.PositiveIntegerField(default=0, editable=False)
    made_for = models.CharField(max_length=MAX_NAME_LENGTH, blank=True, default="")
    batch = models.UUIDField(default=uuid4, editable=False, help_text=_("The form it came from."))
    number = models.PositiveIntegerField(default=0, help_text=_("Position in the batch, from 0."))
    created_by = models.ForeignKey(Member, models.PROTECT, related_name="invitations")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    members = models.ManyToManyField(
        Member, related_name="accepted_invitations", help_text=_("People who have used it.")
    )

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["expires_at"], name="invitation_expires_idx")]
        constraints = [
            models.CheckConstraint(
                name="invitation_uses_check", condition=Q(uses__lte=F("max_uses"))
            ),
            models.UniqueConstraint(fields=["batch", "number"], name="invitation_batch_uniq"),
        ]

    def __str__(self) -> str:
        return f"invitation {self.pk}"

    def set_limit_of(self, member: Member) -> None:
        """Give the new person the monthly limit of the invitation, if it has one."""
        if self.month_money_e4 is not None:
            Limit.objects.put(
                Limit.Scope.MEMBER,
                Window.MONTH,
                member=member,
                money_e4=self.month_money_e4,
                by=self.created_by,
            )
