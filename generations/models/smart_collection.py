"""Smart collections: filters of the gallery that were saved under a name."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .member import Member

MAX_QUERY_LENGTH = 2000  # characters


class SmartCollectionQuerySet(models.QuerySet["SmartCollection"]):
    def visible_to(self, member: Member) -> "SmartCollectionQuerySet":
        """The member's own, and those that are shared with the team."""
        if not member.is_active:
            return self.none()
        return self.filter(models.Q(is_private=False) | models.Q(created_by=member))


class SmartCollection(models.Model):
    """It holds no pictures: whoever opens it sees what they may see under its filter."""

    MAX_NAME_LENGTH = 80  # characters, as of a collection

    name = models.CharField(max_length=MAX_NAME_LENGTH)
    query = models.CharField(
        max_length=MAX_QUERY_LENGTH, help_text=_("The query string of the gallery.")
    )
    created_by = models.ForeignKey(Member, models.PROTECT, related_name="smart_collections")
    is_private = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = SmartCollectionQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        indexes = [models.Index(fields=["created_by"], name="smartcollection_creator_idx")]

    def __str__(self) -> str:
        return self.name

    @property
    def owner_id(self) -> int | None:
        return self.created_by_id
