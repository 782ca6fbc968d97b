"""The previous and the next image: in the gallery under a filter, or in a collection."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from django.db.models import Q
from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from generations.models import Collection, CollectionItem, Member, Picture
from generations.models.picture import PictureQuerySet
from generations.web.ids import parse_id
from generations.web.keyset import after, before, key_of

from .filters import Filter


class PictureSequence(ABC):
    """Pictures in a fixed order."""

    @property
    @abstractmethod
    def query(self) -> str:
        """The query string of each picture's URL, which identifies the sequence."""

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    @abstractmethod
    def page(self) -> str:
        """The URL of the page with all pictures."""

    @abstractmethod
    def neighbour(self, picture: Picture, *, is_next: bool) -> int | None:
        """Return the id of the next or the previous picture; None at the end."""


@dataclass(frozen=True)
class GallerySequence(PictureSequence):
    """Newest generation first, pictures of a generation by number."""

    filter: Filter

    @property
    def query(self) -> str:
        return self.filter.query_string

    @property
    def name(self) -> str:
        return _("Gallery")

    @property
    def page(self) -> str:
        return f"{reverse('gallery')}?{self.query}" if self.query else reverse("gallery")

    def neighbour(self, picture: Picture, *, is_next: bool) -> int | None:
        order = "index" if is_next else "-index"
        here = Q(index__gt=picture.index) if is_next else Q(index__lt=picture.index)
        siblings = self._pictures().filter(here, generation=picture.generation)
        found = siblings.order_by(order).first()
        if not found:
            beside = self._generation_beside(picture, is_next)
            found = self._pictures().filter(generation__in=beside).order_by(order).first()
        return found.pk if found else None

    def _generation_beside(self, picture: Picture, is_next: bool) -> list[int]:
        """Return the key of the next or the previous matching generation, if there is one."""
        key = key_of(picture.generation)
        if is_next:
            return self.filter.first_keys(1, before(key))
        return self.filter.first_keys(1, after(key), oldest_first=True)

    def _pictures(self) -> PictureQuerySet:
        return self.filter.filter_pictures(Picture.objects.available()).only("pk")


@dataclass(frozen=True)
class CollectionSequence(PictureSequence):
    """The order of the collection."""

    collection: Collection
    member: Member

    @property
    def query(self) -> str:
        return urlencode({"in": self.collection.pk})

    @property
    def name(self) -> str:
        return self.collection.name

    @property
    def page(self) -> str:
        return reverse("collection", args=(self.collection.pk,))

    def neighbour(self, picture: Picture, *, is_next: bool) -> int | None:
        item = self._item_of(picture)
        if item is None:
            return None
        items = self.collection.items.visible_to(self.member)
        if is_next:
            later = Q(position__gt=item.position) | Q(position=item.position, pk__gt=item.pk)
            ordered = items.filter(later).order_by("position", "pk")
        else:
            earlier = Q(position__lt=item.position) | Q(position=item.position, pk__lt=item.pk)
            ordered = items.filter(earlier).order_by("-position", "-pk")
        return ordered.values_list("picture", flat=True).first()

    def _item_of(self, picture: Picture) -> CollectionItem | None:
        return self.collection.items.filter(picture=picture).first()


def sequence_for(params: QueryDict, member: Member) -> PictureSequence:
    """Return the collection of `?in=5`, else the gallery with the filter in the query string."""
    pk = parse_id(params.get("in", ""))
    collection = Collection.objects.filter(pk=pk).first() if pk is not None else None
    if collection:
        return CollectionSequence(collection, member)
    return GallerySequence(Filter(params, member))
