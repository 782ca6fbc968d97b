"""The favourites of a member."""

from django.db import models
from django.utils import timezone

from .member import Member
from .picture_mark import GALLERY_ORDER, PictureMark, PictureMarkQuerySet


class Favourite(PictureMark):
    """A member has marked a picture as a favourite. Only that member sees the mark."""

    member = models.ForeignKey(Member, models.CASCADE, related_name="favourites")
    picture = models.ForeignKey("Picture", models.CASCADE, related_name="favourites")
    created_at = models.DateTimeField(default=timezone.now)

    objects = PictureMarkQuerySet["Favourite"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["member", "picture"], name="favourite_member_picture_uniq"
            )
        ]
        indexes = [models.Index(fields=["member", *GALLERY_ORDER], name="favourite_gallery_idx")]

    def __str__(self) -> str:
        return f"picture {self.picture_id}, a favourite of {self.member}"
