"""What is attached to single pictures, in the order of the gallery: the base of three tables."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.apps import apps
from django.db import models
from django.db.models import F

from .among import Among

# The columns of an index behind the one that chooses the marks: the gallery's order, the picture.
GALLERY_ORDER = ("-generation_created_at", "-generation", "picture")

MarkT = TypeVar("MarkT", bound="PictureMark")


class PictureMarkQuerySet(models.QuerySet[MarkT]):
    def bulk_create(self, objs: Iterable[MarkT], *args: Any, **options: Any) -> list[MarkT]:
        marks = list(objs)
        _copy_place(marks)
        return super().bulk_create(marks, *args, **options)


class PictureMark(models.Model):
    """A favourite, a tag of a picture or an item of a collection.

    It has a copy of what orders the gallery, so that an index of each table can have the order.
    The copies are exact without a lock: no picture changes its generation, and no generation its
    `created_at`.
    """

    picture_id: int
    generation = models.ForeignKey(
        "generations.Generation",
        models.DO_NOTHING,  # deleted with the picture
        db_constraint=False,
        db_index=False,
        editable=False,
        related_name="+",
    )
    generation_created_at = models.DateTimeField(editable=False)

    class Meta:
        abstract = True

    def save(self, *args: Any, **options: Any) -> None:
        if self._state.adding:
            _copy_place([self])
        super().save(*args, **options)


def _copy_place(marks: Sequence[PictureMark]) -> None:
    """Set the copied columns of new marks. The database refuses those of unknown pictures."""
    if not marks:
        return
    pictures = apps.get_model("generations", "Picture")._default_manager
    found = pictures.filter(Among(F("pk"), {mark.picture_id for mark in marks}))
    places = {
        pk: (generation, created_at)
        for pk, generation, created_at in found.values_list(
            "pk", "generation", "generation__created_at"
        )
    }
    for mark in marks:
        if place := places.get(mark.picture_id):
            mark.generation_id, mark.generation_created_at = place
