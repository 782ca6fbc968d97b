"""Images that members upload, or choose from the gallery, to guide a generation."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .file_names import random_file_name
from .generation import Generation
from .member import Member
from .picture import Picture


class ReferenceImageQuerySet(models.QuerySet["ReferenceImage"]):
    def visible_to(self, member: Member) -> "ReferenceImageQuerySet":
        """The member's own, and those used by a generation that is visible to the member."""
        used = Generation.objects.visible_to(member).filter(reference__isnull=False)
        return self.filter(Q(owner=member) | Q(pk__in=used.values("reference")))


class ReferenceImage(models.Model):
    """A normalized image to guide a generation.

    Stored with the first submit of the form, even if the form is invalid, so that the member
    never has to choose the file twice.
    """

    owner = models.ForeignKey(Member, models.CASCADE, related_name="reference_images")
    file = models.FileField(max_length=200)
    name = models.CharField(max_length=200, help_text=_("Name of the uploaded file."))
    content_type = models.CharField(max_length=20)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size_bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    picture = models.ForeignKey(
        Picture,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="reference_images",
        help_text=_("The gallery image this was made from, if any."),
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = ReferenceImageQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def new_file_name(extension: str) -> str:
        return random_file_name("references", extension)
