"""What may be done to many pictures at once; each verb tells which of them it changed."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import F, QuerySet

from .generation import Generation
from .library import Favourite, Tag
from .member import Member
from .picture import Picture


def favourite(pictures: Sequence[int], by: Member) -> list[int]:
    seen = Picture.objects.visible_to(by).filter(pk__in=pictures)
    fresh = _keys(seen.exclude(favourites__member=by))
    hearts = [Favourite(member=by, picture_id=pk) for pk in fresh]
    Favourite.objects.bulk_create(hearts, ignore_conflicts=True)
    return fresh


def unfavourite(pictures: Sequence[int], by: Member) -> list[int]:
    hearts = Favourite.objects.filter(member=by, picture__in=pictures)
    gone = sorted(hearts.values_list("picture", flat=True))
    hearts.delete()
    return gone


def tag(pictures: Sequence[int], by: Member, name: str) -> list[int]:
    """Raises ValueError for a name without a letter or a digit."""
    seen = Picture.objects.visible_to(by).filter(pk__in=pictures)
    with transaction.atomic():
        label = Tag.objects.named(name)
        fresh = _keys(seen.exclude(tags=label))
        label.pictures.add(*fresh)
    return fresh


def untag(pictures: Sequence[int], by: Member, label: Tag) -> list[int]:
    seen = Picture.objects.visible_to(by).filter(pk__in=pictures, tags=label)
    gone = _keys(seen)
    label.pictures.remove(*gone)
    return gone


def set_private(pictures: Sequence[int], by: Member, *, is_private: bool) -> list[int]:
    """Of whole generations, all sisters together, and only by whom they belong to."""
    rows = Generation.objects.filter(pictures__in=pictures, owner=by)
    with transaction.atomic():
        changing = set(rows.exclude(is_private=is_private).values_list("pk", flat=True))
        Generation.objects.filter(pk__in=changing).update(
            is_private=is_private, version=F("version") + 1
        )
        of_them = Picture.objects.available().filter(generation__in=changing)
        return _keys(of_them)


def _keys(pictures: QuerySet[Picture]) -> list[int]:
    return list(pictures.order_by("pk").values_list("pk", flat=True))
