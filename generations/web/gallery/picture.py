"""One picture: large, with all that is known of it, and its neighbours in what one looks through.

The same page opens over the gallery as a lightbox: then only what stands in `#stage` is sent.
"""

from dataclasses import dataclass
from functools import cached_property

from django.db.models import prefetch_related_objects
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from generations import catalog
from generations.models import Collection, Generation, Member, Picture, Tag
from generations.models.generation_queryset import prefetch_pictures
from generations.web.middleware.access import MemberRequest
from generations.web.picture_views import file_urls, picture_url
from generations.web.tiles import Tile, alt_of, step_of, tiles_of

from .navigation import PictureSequence, sequence_for

MAX_USES = 12
MAX_LISTED = 50


@dataclass(frozen=True)
class PicturePage:
    """A picture and what stands around it, as this viewer sees it."""

    picture: Picture
    viewer: Member
    sequence: PictureSequence

    @property
    def row(self) -> Generation:
        return self.picture.generation

    @property
    def query(self) -> str:
        return self.sequence.query

    @property
    def url(self) -> str:
        return self._url_of(self.picture.pk)

    @property
    def is_mine(self) -> bool:
        return self.viewer.is_admin or self.is_own

    @property
    def is_own(self) -> bool:
        return self.row.owner_id == self.viewer.pk

    @cached_property
    def files(self) -> dict[str, str]:
        original, preview, thumbnail, _srcset = file_urls(self.picture.pk)
        return {"original": original, "preview": preview, "thumbnail": thumbnail}

    @property
    def srcset(self) -> str:
        """A preview is never wider than its original."""
        width = self.picture.width or catalog.PREVIEW_WIDTH
        preview = f"{self.files['preview']} {min(width, catalog.PREVIEW_WIDTH)}w"
        is_larger = width > catalog.PREVIEW_WIDTH
        return f"{preview}, {self.files['original']} {width}w" if is_larger else preview

    @property
    def sizes(self) -> str:
        """At most its own size: from this the browser takes how wide it is, too."""
        width = self.picture.width or catalog.PREVIEW_WIDTH
        wide = f"(min-width: 1040px) min({width}px, 100vw - 480px)"
        return f"{wide}, (min-width: 700px) min({width}px, 100vw), 100vw"

    @property
    def alt(self) -> str:
        return alt_of(self.picture, self.row)

    @property
    def step(self) -> int:
        return step_of((self.picture.width or 1) / (self.picture.height or 1))

    @cached_property
    def siblings(self) -> list[Tile]:
        """All of its generation that are here, itself among them."""
        return tiles_of([self.row], self.viewer, self.query)

    @cached_property
    def tags(self) -> list[Tag]:
        return list(self.picture.tags.all())

    @cached_property
    def collections(self) -> list[Collection]:
        return list(self.picture.collections.order_by("name"))

    @cached_property
    def other_collections(self) -> list[Collection]:
        inside = {collection.pk for collection in self.collections}
        return [each for each in Collection.objects.all()[:MAX_LISTED] if each.pk not in inside]

    @cached_property
    def made_from(self) -> Tile | None:
        """The picture of ours that was its reference, if this viewer may see it."""
        source = self.row.reference.picture_id if self.row.reference else None
        seen = Picture.objects.visible_to(self.viewer).select_related("generation")
        picture = seen.filter(pk=source).first() if source else None
        return Tile.of(picture, picture.generation, self.viewer) if picture else None

    @cached_property
    def used_in(self) -> list[Tile]:
        """The first picture of each generation that was made from this one."""
        references = list(self.picture.reference_images.values_list("pk", flat=True))
        if not references:
            return []  # as nearly always: the rest is not asked for
        seen = Generation.objects.visible_to(self.viewer).having_pictures()
        newest = seen.filter(reference__in=references).order_by("-created_at", "-pk")[:MAX_USES]
        firsts = Picture.objects.available().order_by("index")
        return [tiles_of([row], self.viewer)[0] for row in newest.with_pictures_of(firsts)]

    # --- its neighbours --------------------------------------------------------------------------

    @cached_property
    def previous(self) -> str:
        """Address of the one before it; empty at the beginning."""
        return self._url_of(self.sequence.previous(self.picture))

    @cached_property
    def next(self) -> str:
        return self._url_of(self.sequence.next(self.picture))

    def _url_of(self, pk: int | None) -> str:
        if pk is None:
            return ""
        address = picture_url(pk)
        return f"{address}?{self.query}" if self.query else address


@require_safe
def picture(request: MemberRequest, pk: int) -> HttpResponse:
    seen = Picture.objects.visible_to(request.user).with_favourites_of(request.user)
    found = get_object_or_404(
        seen.select_related("generation__owner", "generation__reference"), pk=pk
    )
    siblings = Picture.objects.available().order_by("index")
    prefetch_related_objects([found.generation], prefetch_pictures(siblings))
    context = {"page": PicturePage(found, request.user, sequence_for(request.GET, request.user))}
    if request.htmx:
        return render(request, "picture/_viewer.html", context | {"in_lightbox": True})
    return render(request, "picture/picture.html", context)
