"""Collections: pictures grouped by the team, in an order chosen by hand."""

from collections.abc import Mapping, Sequence

from django.db import models, transaction
from django.db.models import Exists, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from .member import Member
from .notification import Notification
from .picture import Picture
from .picture_mark import GALLERY_ORDER, PictureMark, PictureMarkQuerySet


class CollectionQuerySet(models.QuerySet["Collection"]):
    def with_covers(self, member: Member) -> "CollectionQuerySet":
        """Annotate `chosen_cover`, and `visible_cover`: that one, or else the first picture.

        Both are keys of pictures of the collection that are visible to this member, or None.
        """
        visible = CollectionItem.objects.filter(collection=OuterRef("pk")).visible_to(member)
        chosen = Subquery(visible.filter(picture=OuterRef("cover")).values("picture")[:1])
        first = Subquery(visible.order_by("position", "pk").values("picture")[:1])
        key = models.BigIntegerField()
        return self.annotate(
            chosen_cover=chosen, visible_cover=Coalesce(chosen, first, output_field=key)
        )


class Collection(models.Model):
    """A named, ordered set of pictures. Every member can see it and add to it."""

    MAX_NAME_LENGTH = 80  # characters
    MAX_DESCRIPTION_LENGTH = 500

    name = models.CharField(max_length=MAX_NAME_LENGTH)
    description = models.CharField(
        max_length=MAX_DESCRIPTION_LENGTH, blank=True, default="", db_default=""
    )
    created_by = models.ForeignKey(Member, models.PROTECT, related_name="collections")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    cover = models.ForeignKey(Picture, models.SET_NULL, null=True, blank=True, related_name="+")
    pictures: "models.ManyToManyField[Picture, CollectionItem]" = models.ManyToManyField(
        Picture, through="CollectionItem", related_name="collections"
    )

    objects = CollectionQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at", "-pk"]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def named(cls, name: str, member: Member) -> "Collection":
        """The member's newest collection with this name, or a new one. Names are not unique."""
        own = cls.objects.filter(name=name, created_by=member).first()
        return own or cls.objects.create(name=name, created_by=member)

    def add(
        self,
        picture_ids: Sequence[int],
        by: Member | None,
        positions: Mapping[int, int] | None = None,
    ) -> list[int]:
        """Append these pictures in this order. Return those that were not in it before.

        `positions` are the former ones of pictures that were removed: these return to their place.
        """
        with transaction.atomic():
            self._lock()
            existing = set(
                self.items.filter(picture__in=picture_ids).values_list("picture", flat=True)
            )
            last = self.items.aggregate(last=Max("position"))["last"] or 0
            new = [pk for pk in dict.fromkeys(picture_ids) if pk not in existing]
            known = positions or {}
            CollectionItem.objects.bulk_create(
                CollectionItem(
                    collection=self,
                    picture_id=pk,
                    position=min(known.get(pk, position), last + len(new)),
                    added_by=by,
                )
                for position, pk in enumerate(new, start=last + 1)
            )
            self._touch()
            if by and by.pk != self.created_by_id:
                self._notify_creator(new, by)
        return new

    def _notify_creator(self, added: list[int], by: Member) -> None:
        """Notify the creator of the added pictures that they may see."""
        visible = Picture.objects.visible_to(self.created_by).filter(pk__in=added)
        pictures = list(visible.order_by("pk").values_list("pk", "generation"))
        if pictures:
            Notification.objects.record_collected(self.pk, self.created_by_id, pictures, by)

    def remove(self, picture_ids: Sequence[int]) -> dict[int, int]:
        """Remove these pictures. Return those that were in it, with their positions.

        A removed cover is still the chosen one when the picture comes back.
        """
        with transaction.atomic():
            self._lock()
            items = self.items.filter(picture__in=picture_ids)
            removed = dict(items.values_list("picture", "position"))
            items.delete()
            self._touch()
        return removed

    def reorder(self, picture_id: int, steps: int, by: Member) -> bool:
        """Move one picture by `steps` places towards the end; negative: towards the beginning.

        Only pictures visible to this member count as a place. False if this one is not.
        """
        with transaction.atomic():
            self._lock()
            visible = list(self.items.visible_to(by).values_list("picture", flat=True))
            if picture_id not in visible:
                return False
            target_index = visible.index(picture_id) + steps
            target = visible[min(max(target_index, 0), len(visible) - 1)]
            order = list(self.items.values_list("picture", flat=True))
            target_place = order.index(target)
            order.remove(picture_id)
            order.insert(target_place, picture_id)
            self._store_order(order)
        return True

    def move(self, picture_id: int, before: int | None, by: Member) -> bool:
        """Move one picture in front of another one; None: to the end.

        Only these two are named, so that two people who arrange at once lose nothing of each other.
        False if this member does not see one of them in the collection.
        """
        with transaction.atomic():
            self._lock()
            named = {picture_id} if before is None else {picture_id, before}
            if self.items.visible_to(by).filter(picture__in=named).count() < len(named):
                return False
            order = list(self.items.values_list("picture", flat=True))
            if picture_id != before:
                order.remove(picture_id)
                order.insert(len(order) if before is None else order.index(before), picture_id)
            self._store_order(order)
        return True

    @property
    def texts(self) -> dict[str, str]:
        """The texts that members edit, by the name of the field."""
        return {"name": self.name, "description": self.description}

    def edit(self, name: str, description: str) -> None:
        Collection.objects.filter(pk=self.pk).update(name=name, description=description)

    def set_cover(self, picture_id: int, by: Member) -> bool:
        """False if this member sees no such picture in the collection."""
        if not self.items.visible_to(by).filter(picture=picture_id).exists():
            return False
        Collection.objects.filter(pk=self.pk).update(cover=picture_id)
        return True

    @property
    def owner_id(self) -> int | None:
        return self.created_by_id

    def _lock(self) -> None:
        """Let changes of the order wait for each other, until the end of the transaction."""
        Collection.objects.select_for_update().filter(pk=self.pk).first()

    def _store_order(self, pictures: Sequence[int]) -> None:
        """Number the items in this order; only those that moved are written."""
        items = {item.picture_id: item for item in self.items.all()}
        moved = []
        for position, pk in enumerate(pictures, start=1):
            if items[pk].position != position:
                items[pk].position = position
                moved.append(items[pk])
        CollectionItem.objects.bulk_update(moved, ["position"], batch_size=500)
        self._touch()

    def _touch(self) -> None:
        Collection.objects.filter(pk=self.pk).update(updated_at=timezone.now())


class CollectionItemQuerySet(PictureMarkQuerySet["CollectionItem"]):
    def visible_to(self, member: Member) -> "CollectionItemQuerySet":
        """Items whose picture is visible to this member."""
        visible = Picture.objects.visible_to(member).filter(pk=OuterRef("picture"))
        return self.filter(Exists(visible))


class CollectionItem(PictureMark):
    """The position of one picture in one collection."""

    collection = models.ForeignKey(Collection, models.CASCADE, related_name="items")
    picture = models.ForeignKey(Picture, models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    added_by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+")
    added_at = models.DateTimeField(default=timezone.now)

    objects = CollectionItemQuerySet.as_manager()

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "picture"], name="collectionitem_collection_picture_uniq"
            )
        ]
        indexes = [
            models.Index(fields=["collection", "position"], name="collectionitem_position_idx"),
            models.Index(fields=["collection", *GALLERY_ORDER], name="collectionitem_gallery_idx"),
        ]

    def __str__(self) -> str:
        return f"picture {self.picture_id} in {self.collection}"
