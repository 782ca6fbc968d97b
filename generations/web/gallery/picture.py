"""The page of one image: large, with its details and links to the next and the previous one.

For the lightbox over the gallery (an htmx request) only `#viewer` is sent.
"""

from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from django.db.models import Q, prefetch_related_objects
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from generations.models import (
    Collection,
    Generation,
    Member,
    Picture,
    Tag,
    generation_topic,
    shared_topic,
)
from generations.models.generation_queryset import prefetch_pictures
from generations.permissions import Action, may
from generations.preview_widths import PREVIEW_WIDTH
from generations.web.cards.facts import Fact, facts
from generations.web.comments.section import CommentSection, section_of
from generations.web.header import mark_seen
from generations.web.middleware.access import MemberRequest
from generations.web.origin import PARAMETER, Origin, origin_of
from generations.web.picture_views import alt_text, file_urls, picture_url
from generations.web.tiles import Tile, box_step, tiles_of

from .compare import MAX_COMPARED
from .navigation import PictureSequence, sequence_for

MAX_USES = 12
MAX_COLLECTIONS = 50


@dataclass(frozen=True)
class PicturePage:
    """A picture with its details and neighbours, as this viewer may see them."""

    picture: Picture
    viewer: Member
    sequence: PictureSequence
    origin: Origin

    @property
    def row(self) -> Generation:
        return self.picture.generation

    @cached_property
    def query(self) -> str:
        """The query string of the neighbours, which keep the sequence and the origin."""
        if self.origin.url == self.sequence.page:
            return self.sequence.query
        origin = urlencode({PARAMETER: self.origin.url})
        return f"{self.sequence.query}&{origin}" if self.sequence.query else origin

    @property
    def back(self) -> str:
        """The URL of the page that the member came from, at this image or at its card."""
        is_grid = self.origin.path == urlsplit(self.sequence.page).path
        place = f"p{self.picture.pk}" if is_grid else f"generation-{self.row.pk}"
        return f"{self.origin.url}#{place}"

    @property
    def url(self) -> str:
        return self._url_of(self.picture.pk)

    @property
    def is_changeable(self) -> bool:
        return may(self.viewer, Action.CHANGE, self.row)

    @property
    def is_own(self) -> bool:
        return self.row.owner_id == self.viewer.pk

    @cached_property
    def files(self) -> dict[str, str]:
        original, preview, thumbnail, _srcset = file_urls(self.picture.pk)
        return {"original": original, "preview": preview, "thumbnail": thumbnail}

    @property
    def srcset(self) -> str:
        """The preview, and the original if it is larger."""
        width = self.picture.width or PREVIEW_WIDTH
        preview = f"{self.files['preview']} {min(width, PREVIEW_WIDTH)}w"
        is_larger = width > PREVIEW_WIDTH
        return f"{preview}, {self.files['original']} {width}w" if is_larger else preview

    @property
    def sizes(self) -> str:
        """At most the width of the original. The browser also takes the layout width from it."""
        width = self.picture.width or PREVIEW_WIDTH
        wide = f"(min-width: 1040px) min({width}px, 100vw - 480px)"
        return f"{wide}, (min-width: 700px) min({width}px, 100vw), 100vw"

    @property
    def alt(self) -> str:
        return alt_text(self.row.prompt, self.picture.number, self.row.n)

    @property
    def step(self) -> int:
        return box_step((self.picture.width or 1) / (self.picture.height or 1))

    @cached_property
    def siblings(self) -> list[Tile]:
        """All available pictures of the generation, this one included."""
        return tiles_of([self.row], self.viewer, self.query)

    @property
    def comparison(self) -> str:
        """The URL that compares the siblings; "" if they are too many."""
        if len(self.siblings) > MAX_COMPARED:
            return ""
        pictures = [tile.pk for tile in self.siblings]
        return reverse("compare", query={"picture": pictures, PARAMETER: self.url})

    @cached_property
    def facts(self) -> list[Fact]:
        """Without the reference image, which the page shows itself."""
        return [fact for fact in facts(self.row, self.picture) if fact.name != "reference"]

    @cached_property
    def tags(self) -> list[Tag]:
        return list(self.picture.tags.all())

    @cached_property
    def collections(self) -> list[Collection]:
        return list(self.picture.collections.order_by("name"))

    @cached_property
    def comments(self) -> CommentSection:
        return section_of(self.picture, self.viewer)

    @cached_property
    def other_collections(self) -> list[Collection]:
        containing = {collection.pk for collection in self.collections}
        first = Collection.objects.all()[:MAX_COLLECTIONS]
        return [each for each in first if each.pk not in containing]

    @cached_property
    def made_from(self) -> Tile | None:
        """The picture that was the reference image, if this viewer may see it."""
        source = self.row.reference.picture_id if self.row.reference else None
        visible = Picture.objects.visible_to(self.viewer).select_related("generation")
        picture = visible.filter(pk=source).first() if source else None
        return Tile.of(picture, picture.generation, self.viewer) if picture else None

    @cached_property
    def used_in(self) -> list[Tile]:
        """The first picture of each generation that has this one as its reference image."""
        references = list(self.picture.reference_images.values_list("pk", flat=True))
        if not references:
            return []  # the usual case: saves two queries
        visible = Generation.objects.visible_to(self.viewer).having_pictures()
        uses = Generation.objects.filter(reference__in=references).values_list("pk", flat=True)
        newest = visible.order_by("-created_at", "-pk").with_keys(uses[:MAX_USES])
        pictures = Picture.objects.available().order_by("index")
        return [tiles_of([row], self.viewer)[0] for row in newest.with_pictures_of(pictures)]

    # --- neighbours ------------------------------------------------------------------------------

    @cached_property
    def previous(self) -> str:
        """The URL of the previous picture; empty for the first."""
        return self._url_of(self.sequence.neighbour(self.picture, is_next=False))

    @cached_property
    def next(self) -> str:
        return self._url_of(self.sequence.neighbour(self.picture, is_next=True))

    def _url_of(self, pk: int | None) -> str:
        if pk is None:
            return ""
        url = picture_url(pk)
        return f"{url}?{self.query}" if self.query else url


@require_safe
def picture(request: MemberRequest, pk: int) -> HttpResponse:
    visible = Picture.objects.visible_to(request.user).with_favourites_of(request.user)
    found = get_object_or_404(
        visible.select_related("generation__owner", "generation__reference"), pk=pk
    )
    siblings = Picture.objects.available().order_by("index")
    prefetch_related_objects([found.generation], prefetch_pictures(siblings))
    sequence = sequence_for(request.GET, request.user)
    origin = origin_of(request, Origin(sequence.page, sequence.name))
    topics = (generation_topic(found.generation_id), shared_topic(found.generation_id))
    mark_seen(request, Q(topic__in=topics) | Q(picture=found, comment__isnull=False))
    context = {"page": PicturePage(found, request.user, sequence, origin)}
    if request.htmx:
        return render(request, "picture/_viewer.html", context | {"in_lightbox": True})
    return render(request, "picture/picture.html", context)
