"""Bulk actions on pictures. Each returns the keys of the pictures that it changed."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import F, QuerySet

from .comment import Comment
from .favourite import Favourite
from .generation import Generation
from .member import Member
from .notification import Notification
from .picture import Picture
from .tag import Tag


def favourite(pictures: Sequence[int], by: Member) -> list[int]:
    visible = Picture.objects.visible_to(by).filter(pk__in=pictures)
    added = _keys(visible.exclude(favourites__member=by))
    Favourite.objects.bulk_create(
        [Favourite(member=by, picture_id=pk) for pk in added], ignore_conflicts=True
    )
    return added


def unfavourite(pictures: Sequence[int], by: Member) -> list[int]:
    favourites = Favourite.objects.filter(member=by, picture__in=pictures)
    removed = sorted(favourites.values_list("picture", flat=True))
    favourites.delete()
    return removed


def tag(pictures: Sequence[int], by: Member, name: str) -> list[int]:
    """Raises ValueError if the name has neither a letter nor a digit."""
    visible = Picture.objects.visible_to(by).filter(pk__in=pictures)
    with transaction.atomic():
        tag = Tag.objects.named(name)
        added = _keys(visible.exclude(tags=tag))
        tag.add_to(added)
    return added


def untag(pictures: Sequence[int], by: Member, tag: Tag) -> list[int]:
    removed = _keys(Picture.objects.visible_to(by).filter(pk__in=pictures, tags=tag))
    tag.pictures.remove(*removed)
    return removed


def set_private(pictures: Sequence[int], by: Member, *, is_private: bool) -> list[int]:
    """Applies to whole generations, with all their pictures; only their owner may do it."""
    owned = Generation.objects.filter(pictures__in=pictures, owner=by)
    with transaction.atomic():
        changed = set(owned.exclude(is_private=is_private).values_list("pk", flat=True))
        Generation.objects.filter(pk__in=changed).update(
            is_private=is_private, version=F("version") + 1
        )
        if is_private:
            Notification.objects.delete_hidden(changed)
        else:
            Comment.objects.notify_shared(changed, by)
        return _keys(Picture.objects.available().filter(generation__in=changed))


def _keys(pictures: QuerySet[Picture]) -> list[int]:
    return list(pictures.order_by("pk").values_list("pk", flat=True))
