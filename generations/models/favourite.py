"""The favourites of a member."""

from django.db import models
from django.utils import timezone

from .member import Member


class Favourite(models.Model):
    """A member has marked a picture as a favourite. Only that member sees the mark."""

    member = models.ForeignKey(Member, models.CASCADE, related_name="favourites")
    picture = models.ForeignKey("Picture", models.CASCADE, related_name="favourites")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["member", "picture"], name="favourite_member_picture_uniq"
            )
        ]

    def __str__(self) -> str:
        return f"picture {self.picture_id}, a favourite of {self.member}"
