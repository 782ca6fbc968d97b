"""What an admin has changed in the browser. What each setting means is in `team_settings.py`."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .member import Member


class Setting(models.Model):
    """A value that replaces the default. Without a row, the default applies."""

    name = models.CharField(max_length=40, primary_key=True)
    value = models.JSONField()
    by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("setting")
        verbose_name_plural = _("settings")

    def __str__(self) -> str:
        return self.name
