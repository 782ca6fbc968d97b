"""How a team keeps order among its pictures: favourites, tags, collections."""

from typing import TYPE_CHECKING

from django.db import models, transaction
from django.db.models import Max
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .member import Member
from .search_text import normalize

if TYPE_CHECKING:
    from .picture import Picture


class Favourite(models.Model):
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


class TagQuerySet(models.QuerySet["Tag"]):
    def named(self, name: str) -> "Tag":
        """The tag of that name, made when nobody has used it; case and marks make no new one.

        Raises ValueError for a name without a letter or a digit.
        """
        name = " ".join(name.split())[: Tag.MAX_NAME_LENGTH]
        normalized = " ".join(normalize(name))[: Tag.MAX_NAME_LENGTH]
        if not normalized:
            raise ValueError("a tag needs a letter or a digit")
        return self.get_or_create(normalized=normalized, defaults={"name": name})[0]


class Tag(models.Model):
    MAX_NAME_LENGTH = 40  # characters

    name = models.CharField(max_length=MAX_NAME_LENGTH, help_text=_("As it was first written."))
    normalized = models.CharField(max_length=MAX_NAME_LENGTH, unique=True)

    objects = TagQuerySet.as_manager()

    class Meta:
        ordering = ["normalized"]

    def __str__(self) -> str:
        return self.name


class CollectionQuerySet(models.QuerySet["Collection"]):
    def with_covers(self, member: Member) -> "CollectionQuerySet":
        """Each knows `face`: the cover, or the first picture, that this member may see."""
        from .picture import Picture

        seen = Picture.objects.visible_to(member)
        cover = seen.filter(pk=models.OuterRef("cover"))
        first = CollectionItem.objects.filter(collection=models.OuterRef("pk")).visible_to(member)
        return self.annotate(
            visible_cover=Coalesce(
                models.Subquery(cover.values("pk")[:1]),
                models.Subquery(first.order_by("position", "pk").values("picture")[:1]),
                output_field=models.BigIntegerField(),
            )
        )


class Collection(models.Model):
    """Chosen pictures in an order of their own; one may be in several. The team shares it."""

    MAX_NAME_LENGTH = 80  # characters

    name = models.CharField(max_length=MAX_NAME_LENGTH)
    created_by = models.ForeignKey(Member, models.PROTECT, related_name="collections")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    cover = models.ForeignKey("Picture", models.SET_NULL, null=True, blank=True, related_name="+")
    pictures: "models.ManyToManyField[Picture, CollectionItem]" = models.ManyToManyField(
        "Picture", through="CollectionItem", related_name="collections"
    )

    objects = CollectionQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at", "-pk"]

    def __str__(self) -> str:
        return self.name

    def add(self, picture_ids: list[int], by: Member | None) -> int:
        """Put them at the end, in this order; how many were not in it before."""
        with transaction.atomic():
            Collection.objects.select_for_update().filter(pk=self.pk).first()
            here = set(self.items.filter(picture__in=picture_ids).values_list("picture", flat=True))
            last = self.items.aggregate(last=Max("position"))["last"] or 0
            fresh = [pk for pk in dict.fromkeys(picture_ids) if pk not in here]
            CollectionItem.objects.bulk_create(
                CollectionItem(collection=self, picture_id=pk, position=last + step, added_by=by)
                for step, pk in enumerate(fresh, start=1)
            )
            self._touch()
        return len(fresh)

    def remove(self, picture_ids: list[int]) -> int:
        with transaction.atomic():
            gone, _of = self.items.filter(picture__in=picture_ids).delete()
            Collection.objects.filter(pk=self.pk, cover__in=picture_ids).update(cover=None)
            self._touch()
        return gone

    def reorder(self, picture_id: int, steps: int, by: Member) -> bool:
        """Move one picture so many places towards the end (negative: the beginning).

        A step is past a neighbour that this member sees; False: they see no such picture here.
        """
        with transaction.atomic():
            Collection.objects.select_for_update().filter(pk=self.pk).first()
            seen = list(self.items.visible_to(by).values_list("picture", flat=True))
            if picture_id not in seen:
                return False
            aim = seen[min(max(seen.index(picture_id) + steps, 0), len(seen) - 1)]
            order = list(self.items.values_list("pk", "picture"))
            at = {picture: place for place, (_pk, picture) in enumerate(order)}
            order.insert(at[aim], order.pop(at[picture_id]))
            places = [
                CollectionItem(pk=pk, position=i) for i, (pk, _pic) in enumerate(order, start=1)
            ]
            CollectionItem.objects.bulk_update(places, ["position"], batch_size=500)
            self._touch()
        return True

    def rename(self, name: str) -> None:
        Collection.objects.filter(pk=self.pk).update(name=name)

    def set_cover(self, picture_id: int, by: Member) -> bool:
        if not self.items.visible_to(by).filter(picture=picture_id).exists():
            return False
        Collection.objects.filter(pk=self.pk).update(cover=picture_id)
        return True

    def may_be_deleted_by(self, member: Member) -> bool:
        return member.is_admin or self.created_by_id == member.pk

    def _touch(self) -> None:
        Collection.objects.filter(pk=self.pk).update(updated_at=timezone.now())


class CollectionItemQuerySet(models.QuerySet["CollectionItem"]):
    def visible_to(self, member: Member) -> "CollectionItemQuerySet":
        """Whose picture this member may see."""
        from .picture import Picture

        seen = Picture.objects.visible_to(member).filter(pk=models.OuterRef("picture"))
        return self.filter(models.Exists(seen))


class CollectionItem(models.Model):
    """One picture's place in one collection."""

    collection = models.ForeignKey(Collection, models.CASCADE, related_name="items")
    picture = models.ForeignKey("Picture", models.CASCADE, related_name="items")
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
