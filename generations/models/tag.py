"""Tags that the team gives to pictures."""

from collections.abc import Iterable

from django.db import models
from django.utils.translation import gettext_lazy as _

from .picture_mark import GALLERY_ORDER, PictureMark, PictureMarkQuerySet
from .search_text import normalize


def is_tag_name(name: str) -> bool:
    """Whether a tag can have exactly this name."""
    return len(name) <= Tag.MAX_NAME_LENGTH and "\0" not in name and bool(_normalized(name))


class TagQuerySet(models.QuerySet["Tag"]):
    def named(self, name: str) -> "Tag":
        """Return the tag of that name, ignoring case and diacritics; create it if needed.

        Raises ValueError if the name has neither a letter, a digit nor a symbol.
        """
        name = _shortened(name)
        normalized = _normalized(name)
        if not normalized:
            raise ValueError("a tag needs a letter, a digit or a symbol")
        return self.get_or_create(normalized=normalized, defaults={"name": name})[0]

    def find(self, name: str) -> "Tag | None":
        """Return the tag of that name, ignoring case and diacritics."""
        return self.filter(normalized=_normalized(_shortened(name))).first()


def _shortened(name: str) -> str:
    return " ".join(name.split())[: Tag.MAX_NAME_LENGTH]


def _normalized(name: str) -> str:
    return " ".join(normalize(name))[: Tag.MAX_NORMALIZED_LENGTH]


class Tag(models.Model):
    MAX_NAME_LENGTH = 40  # characters
    MAX_NORMALIZED_LENGTH = 9 * MAX_NAME_LENGTH  # `normalize` spells symbols in 8 characters

    name = models.CharField(max_length=MAX_NAME_LENGTH, help_text=_("As first entered."))
    normalized = models.CharField(
        max_length=MAX_NORMALIZED_LENGTH, unique=True, help_text=_("Without case and diacritics.")
    )

    objects = TagQuerySet.as_manager()

    class Meta:
        ordering = ["normalized"]

    def __str__(self) -> str:
        return self.name

    def add_to(self, pictures: Iterable[int]) -> None:
        """Give pictures this tag, except those that have it."""
        PictureTag.objects.bulk_create(
            (PictureTag(tag=self, picture_id=pk) for pk in pictures), ignore_conflicts=True
        )


class PictureTag(PictureMark):
    """A picture has a tag."""

    picture = models.ForeignKey("Picture", models.CASCADE, related_name="+")
    tag = models.ForeignKey(Tag, models.CASCADE, related_name="+")

    objects = PictureMarkQuerySet["PictureTag"].as_manager()

    class Meta:
        db_table = "generations_picture_tags"  # as Django named it
        unique_together = [("picture", "tag")]
        indexes = [
            models.Index(fields=["tag", "picture"], name="picture_tags_tag_picture_idx"),
            models.Index(fields=["tag", *GALLERY_ORDER], name="picturetag_gallery_idx"),
        ]

    def __str__(self) -> str:
        return f"picture {self.picture_id}, tagged {self.tag}"
