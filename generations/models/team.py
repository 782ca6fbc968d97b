"""The team: its name, its currency and its time zone. One row."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

DEFAULT_CURRENCY = "USD"


def _default_time_zone() -> str:
    name: str = settings.TIME_ZONE
    return name


class TeamManager(models.Manager["Team"]):
    def current(self) -> "Team":
        """Return the row, or the defaults if nothing was set up yet."""
        return self.first() or Team()

    def lock(self) -> "Team":
        """Create the row if needed, and lock it until the end of the transaction.

        SQLite has no row locks, and needs none: its transactions are IMMEDIATE.
        """
        self.get_or_create(pk=1)
        return self.select_for_update().get(pk=1)


class Team(models.Model):
    class Unpriced(models.TextChoices):
        """What happens to a request of a kind without a price."""

        REFUSE = "refuse", _("Refuse it")
        COUNT = "count", _("Count its images, without an amount")
        FREE = "free", _("It is free")

    class ChargedImages(models.TextChoices):
        LISTED = "listed", _("Only the images that were generated")
        REQUESTED = "requested", _("All images that were requested")

    name = models.CharField(max_length=80, blank=True, default="")
    currency = models.CharField(
        max_length=12,
        default=DEFAULT_CURRENCY,
        help_text=_("A code such as USD or EUR, or a word of your own such as credits."),
    )
    time_zone = models.CharField(
        max_length=40,
        default=_default_time_zone,
        help_text=_("Days and months of limits begin at midnight there."),
    )
    unpriced = models.CharField(
        max_length=8,
        choices=Unpriced,
        blank=True,
        default="",
        help_text=_("Empty: the default. KLINGWEB_UNPRICED in the environment wins."),
    )
    charged_images = models.CharField(
        max_length=10, choices=ChargedImages, default=ChargedImages.LISTED
    )

    objects = TeamManager()

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("team")
        constraints = [models.CheckConstraint(name="team_is_one_row", condition=models.Q(pk=1))]

    def __str__(self) -> str:
        return self.name or "team"

    def save(self, *args: object, **options: object) -> None:
        self.pk = 1
        super().save(*args, **options)  # type: ignore[arg-type]

    def clean(self) -> None:
        """Raise ValidationError for a name that is no time zone."""
        try:
            ZoneInfo(self.time_zone)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            message = _("There is no such time zone. Enter a name such as Europe/Berlin.")
            raise ValidationError({"time_zone": message}) from None

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def unpriced_rule(self) -> str:
        """The environment wins over the team's own rule."""
        if "KLINGWEB_UNPRICED" in settings.VARIABLES_SET:
            return str(settings.UNPRICED)
        return self.unpriced or str(settings.UNPRICED)
