"""Tags that the team gives to pictures."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from .search_text import normalize


class TagQuerySet(models.QuerySet["Tag"]):
    def named(self, name: str) -> "Tag":
        """Return the tag of that name, ignoring case and diacritics; create it if needed.

        Raises ValueError if the name has neither a letter, a digit nor a symbol.
        """
        name = " ".join(name.split())[: Tag.MAX_NAME_LENGTH]
        normalized = " ".join(normalize(name))[: Tag.MAX_NORMALIZED_LENGTH]
        if not normalized:
            raise ValueError("a tag needs a letter, a digit or a symbol")
        return self.get_or_create(normalized=normalized, defaults={"name": name})[0]


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
