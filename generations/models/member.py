"""Members of the team and their roles."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser, UserManager
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from generations.permissions import PERMISSIONS, Action, Role, may

ACCESS_COLUMNS = frozenset({"role", "is_active"})
DERIVED_COLUMNS = frozenset({"is_staff", "is_superuser", "sessions_version", "disabled_at"})


class AccessError(ValidationError):
    """A change of roles or access that is not allowed. `reason` is a sentence for the person."""

    def __init__(self, reason: Any) -> None:
        super().__init__(reason)
        self.reason = str(reason)


class LastOwner(AccessError):
    """The change would leave the team without an active owner."""

    def __init__(self) -> None:
        super().__init__(_("This is the only active owner. Make someone else an owner first."))


class OwnersOnly(AccessError):
    def __init__(self) -> None:
        super().__init__(
            _("Only owners can make or change owners. Nothing was changed. Ask an owner.")
        )


class OwnAccess(AccessError):
    def __init__(self) -> None:
        super().__init__(
            _("You can’t disable yourself or change your own role. Ask another owner or admin.")
        )


class MemberManager(UserManager["Member"]):
    def create_superuser(self, username: str, *args: Any, **fields: Any) -> "Member":
        """Give the owner role to users created with the `createsuperuser` command."""
        return super().create_superuser(username, *args, **{**fields, "role": Role.OWNER})

    def with_hash_of(self, algorithm: str) -> models.QuerySet["Member"]:
        """Members whose password has a hash of this algorithm, as named by Django."""
        return self.filter(password__startswith=f"{algorithm}$")

    def admins(self) -> models.QuerySet["Member"]:
        """Active members who answer for the team: owners and admins."""
        return self.filter(role__in=(Role.OWNER, Role.ADMIN), is_active=True)


class Member(AbstractUser):
    class ColorScheme(models.TextChoices):
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    class Clock(models.TextChoices):
        HOURS_24 = "24", _("24 hours: 14:30")
        HOURS_12 = "12", _("12 hours: 2:30 PM")

    role = models.CharField(max_length=8, choices=Role, default=Role.MEMBER)
    color_scheme = models.CharField(
        max_length=5,
        choices=ColorScheme,
        blank=True,
        default="",
        help_text=_("Empty: the system's setting."),
    )
    single_key_shortcuts = models.BooleanField(
        default=True, help_text=_("Keyboard shortcuts without Ctrl.")
    )
    notification_sound = models.BooleanField(default=False)
    browser_notifications = models.BooleanField(default=False)
    shows_stacks = models.BooleanField(
        default=True,
        db_default=True,
        help_text=_("The gallery shows the images of a request as one tile."),
    )
    time_zone = models.CharField(
        max_length=40, blank=True, default="", help_text=_("For example Europe/Berlin.")
    )
    time_zone_is_automatic = models.BooleanField(
        default=True, help_text=_("The time zone follows the browser.")
    )
    language = models.CharField(
        max_length=8,
        choices=settings.LANGUAGES,
        blank=True,
        default="",
        db_default="",
        help_text=_("Empty: the language of the browser."),
    )
    clock = models.CharField(
        max_length=2,
        choices=Clock,
        blank=True,
        default="",
        db_default="",
        help_text=_("Empty: as usual in the language."),
    )
    last_submitted_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text=_("Queue order: members who were served longest ago come first."),
    )

    unanswered_in_a_row = models.PositiveIntegerField(
        default=0, editable=False, help_text=_("Submits in a row without a readable answer.")
    )
    submit_not_before = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("Set after several of these.")
    )
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    sessions_version = models.PositiveIntegerField(
        default=0, editable=False, help_text=_("Increases when all sessions of the member end.")
    )

    objects: ClassVar[MemberManager] = MemberManager()

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")

    def may(self, action: Action) -> bool:
        """Whether this member may do what is about no row of its own. See `permissions`."""
        return may(self, action)

    @property
    def name(self) -> str:
        """The name shown to others: the full name, or else the username."""
        return self.get_full_name() or self.username

    @property
    def initials(self) -> str:
        """Two letters: the first ones of the first and the last word, or of the only word."""
        words = ["".join(filter(str.isalnum, word)) for word in self.name.split()]
        first, *others = [word for word in words if word] or ["?"]
        return (first[0] + others[-1][0] if others else first[:2]).upper()[:2]

    # --- role and access -------------------------------------------------------------------------
    # The rules hold for pages, the admin and commands: `save` checks what concerns the team, and
    # `check_access_change` also who makes the change.

    def check_may_give(self, role: str) -> None:
        """Raise OwnersOnly if this member may not make someone a member with that role."""
        if role == Role.OWNER and not self.may(Action.MANAGE_OWNERS):
            raise OwnersOnly

    def check_can_be_changed_by(self, by: "Member") -> None:
        """Raise AccessError if `by` may change neither the role nor the access of this person."""
        by.check_may_give(self.role)
        if by.pk == self.pk:
            raise OwnAccess

    def change_access(
        self, by: "Member | None", *, role: str | None = None, is_active: bool | None = None
    ) -> tuple[str, bool]:
        """Change the role, or disable or enable this person; return both as they were before.

        `by` None: from the command line. Raises AccessError. Disabling ends all sessions, also for
        the time after enabling again.
        """
        with transaction.atomic():
            self.role, self.is_active = self.check_access_change(by, role=role, is_active=is_active)
            old = Member.objects.filter(pk=self.pk).values_list("role", "is_active").get()
            self.save(update_fields=ACCESS_COLUMNS)
        return old

    def end_all_sessions(self) -> None:
        """Sign the person out everywhere."""
        Member.objects.filter(pk=self.pk).update(sessions_version=F("sessions_version") + 1)
        self.refresh_from_db(fields=["sessions_version"])

    def check_access_change(
        self, by: "Member | None", *, role: str | None = None, is_active: bool | None = None
    ) -> tuple[str, bool]:
        """Return role and access after the change. Raises AccessError if `by` may not make it.

        Call it in the transaction that saves the change: it locks the rows that decide, so that of
        two owners who disable each other at once, one is refused.
        """
        locked = self._lock_for_access_change(by)
        stored = locked[self.pk]
        role = stored.role if role is None else role
        is_active = stored.is_active if is_active is None else is_active
        if (stored.role, stored.is_active) != (role, is_active):
            if by is not None:
                _check_may_manage(locked[by.pk], stored, role)
            _check_an_owner_stays(locked, stored, role, is_active)
            if by is not None and by.pk == self.pk:
                raise OwnAccess
        return role, is_active

    def _lock_for_access_change(self, by: "Member | None" = None) -> dict[int, "Member"]:
        """Lock this row, that of `by` and those of all active owners; return them by key."""
        decisive = Q(pk__in=[self.pk, by.pk if by else self.pk])
        decisive |= Q(role=Role.OWNER, is_active=True)
        rows = Member.objects.filter(decisive).order_by("pk").select_for_update(no_key=True)
        return {row.pk: row for row in rows}

    def save(self, *args: Any, **options: Any) -> None:
        """Derive Django's two admin flags from the role, which alone decides.

        Raises LastOwner if no active owner would stay. Disabling ends all sessions.
        """
        self.is_staff = self.is_superuser = Action.OPEN_ADMIN in PERMISSIONS[self.role]
        columns = options.get("update_fields")
        if self._state.adding or not (columns is None or ACCESS_COLUMNS & set(columns)):
            super().save(*args, **options)
            return
        if columns is not None:
            options["update_fields"] = {*columns, *DERIVED_COLUMNS}
        with transaction.atomic():
            locked = self._lock_for_access_change()
            if stored := locked.get(self.pk):
                _check_an_owner_stays(locked, stored, self.role, self.is_active)
                has_left = stored.is_active and not self.is_active
                self.sessions_version = stored.sessions_version + has_left
                since = timezone.now() if has_left else stored.disabled_at
                self.disabled_at = None if self.is_active else since
            super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        """Raises LastOwner if no active owner would stay."""
        with transaction.atomic():
            locked = self._lock_for_access_change()
            if stored := locked.get(self.pk):
                _check_an_owner_stays(locked, stored, self.role, is_active=False)
            return super().delete(*args, **options)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Include `sessions_version`, so that raising it ends all sessions at once."""
        hash_of_password: str = super()._get_session_auth_hash(secret)  # type: ignore[misc]
        if not self.sessions_version:  # as before the column existed
            return hash_of_password
        value = f"{hash_of_password} {self.sessions_version}"
        return salted_hmac("klingweb.session", value, secret, algorithm="sha256").hexdigest()


def _check_may_manage(actor: Member, stored: Member, role: str) -> None:
    if not actor.may(Action.MANAGE_PEOPLE):
        raise AccessError(_("You may no longer manage people. Nothing was changed."))
    actor.check_may_give(stored.role)
    actor.check_may_give(role)


def _check_an_owner_stays(
    locked: dict[int, Member], stored: Member, role: str, is_active: bool
) -> None:
    """`locked` contains all active owners. Raise LastOwner if `stored` is the only one and goes."""
    owners = {row.pk for row in locked.values() if row.role == Role.OWNER and row.is_active}
    if owners == {stored.pk} and not (role == Role.OWNER and is_active):
        raise LastOwner
