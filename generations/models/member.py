"""Members of the team and their roles."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils.translation import gettext_lazy as _

from generations.permissions import PERMISSIONS, Action, Role, may


class MemberManager(UserManager["Member"]):
    def create_superuser(self, username: str, *args: Any, **fields: Any) -> "Member":
        """Give the owner role to users created with the `createsuperuser` command."""
        return super().create_superuser(username, *args, **{**fields, "role": Role.OWNER})

    def admins(self) -> models.QuerySet["Member"]:
        """Active members who answer for the team: owners and admins."""
        return self.filter(role__in=(Role.OWNER, Role.ADMIN), is_active=True)


class Member(AbstractUser):
    class ColorScheme(models.TextChoices):
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

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
    time_zone = models.CharField(
        max_length=40, blank=True, default="", help_text=_("For example Europe/Berlin.")
    )
    time_zone_is_automatic = models.BooleanField(
        default=True, help_text=_("The time zone follows the browser.")
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
        return "".join(word[0] for word in self.name.split()[:2]).upper()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Derive Django's two admin flags from the role, which alone decides."""
        self.is_staff = self.is_superuser = Action.OPEN_ADMIN in PERMISSIONS[self.role]
        super().save(*args, **kwargs)
