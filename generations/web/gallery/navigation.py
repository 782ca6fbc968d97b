"""What one looks through, picture after picture: the gallery under a filter, or a collection."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from django.db.models import Q
from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from generations.models import Collection, CollectionItem, Member, Picture
from generations.models.generation import GenerationQuerySet
from generations.models.picture import PictureQuerySet
from generations.web.keyset import after, before, key_of

from .filters import MAX_ID_DIGITS, Filter


class PictureSequence(ABC):
    """Pictures in an order, of which each knows the one before it and the one behind it."""

    @property
    @abstractmethod
    def query(self) -> str:
        """Stands behind the address of each of its pictures."""

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    @abstractmethod
    def page(self) -> str:
        """Address of the page on which they hang."""

    @abstractmethod
    def previous(self, picture: Picture) -> int | None:
        """The key of its neighbour; None at the beginning."""

    @abstractmethod
    def next(self, picture: Picture) -> int | None: ...


@dataclass(frozen=True)
class GallerySequence(PictureSequence):
    """Newest first, and within one generation by their numbers."""

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

    def previous(self, picture: Picture) -> int | None:
        sister = self._siblings(picture).filter(index__lt=picture.index).order_by("-index").first()
        if not sister:
            rows = self.filter.rows().filter(after(key_of(picture.generation)))
            sister = self._of(rows.order_by("created_at", "pk")).order_by("-index").first()
        return sister.pk if sister else None

    def next(self, picture: Picture) -> int | None:
        sister = self._siblings(picture).filter(index__gt=picture.index).order_by("index").first()
        if not sister:
            rows = self.filter.rows().filter(before(key_of(picture.generation)))
            sister = self._of(rows).order_by("index").first()
        return sister.pk if sister else None

    def _shown(self) -> PictureQuerySet:
        return self.filter.filter_pictures(Picture.objects.available()).only("pk")

    def _siblings(self, picture: Picture) -> PictureQuerySet:
        return self._shown().filter(generation=picture.generation)

    def _of(self, rows: GenerationQuerySet) -> PictureQuerySet:
        """The pictures of the nearest of these rows."""
        return self._shown().filter(generation=rows.values_list("pk", flat=True).first())


@dataclass(frozen=True)
class CollectionSequence(PictureSequence):
    """In the order that people gave it."""

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

    def previous(self, picture: Picture) -> int | None:
        place = self._place_of(picture)
        if place is None:
            return None
        earlier = Q(position__lt=place.position) | Q(position=place.position, pk__lt=place.pk)
        return self._first(earlier, "-position", "-pk")

    def next(self, picture: Picture) -> int | None:
        place = self._place_of(picture)
        if place is None:
            return None
        later = Q(position__gt=place.position) | Q(position=place.position, pk__gt=place.pk)
        return self._first(later, "position", "pk")

    def _place_of(self, picture: Picture) -> CollectionItem | None:
        return self.collection.items.filter(picture=picture).first()

    def _first(self, where: Q, *order: str) -> int | None:
        places = self.collection.items.visible_to(self.member).filter(where).order_by(*order)
        return places.values_list("picture", flat=True).first()


def sequence_for(asked: QueryDict, member: Member) -> PictureSequence:
    """`?in=5` is that collection; all else is the gallery, under what the address asks for."""
    pk = asked.get("in", "")
    if pk.isdecimal() and len(pk) <= MAX_ID_DIGITS:
        collection = Collection.objects.filter(pk=pk).first()
        if collection:
            return CollectionSequence(collection, member)
    return GallerySequence(Filter(asked, member))
