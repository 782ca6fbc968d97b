"""Collections: pictures grouped by the team, in an order chosen by hand."""

from django.db import models, transaction
from django.db.models import Exists, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from .member import Member
from .picture import Picture


class CollectionQuerySet(models.QuerySet["Collection"]):
    def with_covers(self, member: Member) -> "CollectionQuerySet":
        """Annotate `visible_cover`: the key of the picture that represents the collection.

        The chosen cover, or else the first picture, among those visible to this member.
        """
        visible = Picture.objects.visible_to(member)
        cover = visible.filter(pk=OuterRef("cover"))
        first = CollectionItem.objects.filter(collection=OuterRef("pk")).visible_to(member)
        return self.annotate(
            visible_cover=Coalesce(
                Subquery(cover.values("pk")[:1]),
                Subquery(first.order_by("position", "pk").values("picture")[:1]),
                output_field=models.BigIntegerField(),
            )
        )


class Collection(models.Model):
    """A named, ordered set of pictures. Every member can see it and add to it."""

    MAX_NAME_LENGTH = 80  # characters

    name = models.CharField(max_length=MAX_NAME_LENGTH)
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

    def add(self, picture_ids: list[int], by: Member | None) -> int:
        """Append these pictures in this order. Return how many were not in it before."""
        with transaction.atomic():
            Collection.objects.select_for_update().filter(pk=self.pk).first()
            existing = set(
                self.items.filter(picture__in=picture_ids).values_list("picture", flat=True)
            )
            last = self.items.aggregate(last=Max("position"))["last"] or 0
            new = [pk for pk in dict.fromkeys(picture_ids) if pk not in existing]
            CollectionItem.objects.bulk_create(
                CollectionItem(collection=self, picture_id=pk, position=position, added_by=by)
                for position, pk in enumerate(new, start=last + 1)
            )
            self._touch()
        return len(new)

    def remove(self, picture_ids: list[int]) -> int:
        """Remove these pictures. Return how many were in it."""
        with transaction.atomic():
            removed, _by_model = self.items.filter(picture__in=picture_ids).delete()
            Collection.objects.filter(pk=self.pk, cover__in=picture_ids).update(cover=None)
            self._touch()
        return removed

    def reorder(self, picture_id: int, steps: int, by: Member) -> bool:
        """Move one picture by `steps` places towards the end; negative: towards the beginning.

        Only pictures visible to this member count as a place. False if this one is not.
        """
        with transaction.atomic():
            Collection.objects.select_for_update().filter(pk=self.pk).first()
            visible = list(self.items.visible_to(by).values_list("picture", flat=True))
            if picture_id not in visible:
                return False
            target_index = visible.index(picture_id) + steps
            target = visible[min(max(target_index, 0), len(visible) - 1)]
            order = list(self.items.values_list("pk", "picture"))
            index_of = {picture: index for index, (_pk, picture) in enumerate(order)}
            order.insert(index_of[target], order.pop(index_of[picture_id]))
            items = [
                CollectionItem(pk=pk, position=position)
                for position, (pk, _picture) in enumerate(order, start=1)
            ]
            CollectionItem.objects.bulk_update(items, ["position"], batch_size=500)
            self._touch()
        return True

    def rename(self, name: str) -> None:
        Collection.objects.filter(pk=self.pk).update(name=name)

    def set_cover(self, picture_id: int, by: Member) -> bool:
        """False if this member sees no such picture in the collection."""
        if not self.items.visible_to(by).filter(picture=picture_id).exists():
            return False
        Collection.objects.filter(pk=self.pk).update(cover=picture_id)
        return True

    @property
    def owner_id(self) -> int | None:
        return self.created_by_id

    def _touch(self) -> None:
        Collection.objects.filter(pk=self.pk).update(updated_at=timezone.now())


class CollectionItemQuerySet(models.QuerySet["CollectionItem"]):
    def visible_to(self, member: Member) -> "CollectionItemQuerySet":
        """Items whose picture is visible to this member."""
        visible = Picture.objects.visible_to(member).filter(pk=OuterRef("picture"))
        return self.filter(Exists(visible))


class CollectionItem(models.Model):
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
            models.Index(fields=["collection", "position"], name="collectionitem_position_idx")
        ]

    def __str__(self) -> str:
        return f"picture {self.picture_id} in {self.collection}"
