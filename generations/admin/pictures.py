"""Images: state, files and facts of every picture."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generations.models import Generation, Picture, counting
from generations.models.picture import NOT_STORED
from generations.search import SearchQuery

from .base import number_column
from .keyset_list import row_id
from .masking import MaskedAdmin

SHA256_CHARACTERS = 64


class StateFilter(admin.SimpleListFilter):
    """Images that have no file, or are in the trash: few, each kind with an index of its own."""

    title = _("status")
    parameter_name = "state"
    conditions = {"not-stored": NOT_STORED, "trashed": Q(trashed_at__isnull=False)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("not-stored", _("Not stored")), ("trashed", _("In the trash"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        condition = self.conditions.get(self.value() or "")
        if condition is None:
            return queryset
        # Their keys alone are read from their index. In order, SQLite would read all pictures.
        keys = Picture.objects.filter(condition).order_by().values_list("pk", flat=True)
        return queryset.filter(pk__in=list(keys[: counting.MAX_SORTED_ROWS]))


@admin.register(Picture)
class PictureAdmin(MaskedAdmin):
    list_title = _("Images")
    list_display = ("label", "owner", "state", "size", "file_size", "stored_at", "image")
    list_filter = (StateFilter,)
    search_fields = ("sha256",)  # shows the field; `find_unmasked` and `find_masked` search
    search_help_text = _("Words, generation or SHA-256")
    list_select_related = ()
    list_per_page = 50
    labels = {
        "state": _("status"),
        "stored_at": _("stored"),
        "colour": _("mean color"),
        "upstream_url": _("URL"),
        "sha256": _("SHA-256"),
        "next_try_at": _("next try"),
        "trashed_at": _("in the trash since"),
        "trashed_by": _("moved there by"),
    }
    keyset_field = ""
    readonly_fields = ("private", "number", "size", "file_size")
    exclude = ("index", "width", "height", "size_bytes")  # shown as those
    unmasked_fields = (
        "id",
        "label",
        "owner",
        "size",
        "file_size",
        "generation",
        "number",
        "state",
        "tries",
        "claims",
        "next_try_at",
        "content_type",
        "stored_at",
        "trashed_at",
        "trashed_by",
    )
    field_groups = (
        (
            _("Image"),
            (
                "private", "generation", "number", "state", "content_type", "size", "file_size",
                "colour", "tags",
            ),
        ),
        (
            _("Download"),
            ("upstream_url", "tries", "reason", "next_try_at", "claimed_by", "claims", "stored_at"),
        ),
        (_("File"), ("file", "preview", "thumbnail", "sha256", "trashed_at", "trashed_by")),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Picture]:
        """Without a join, at which SQLite would begin."""
        return super().get_queryset(request).prefetch_related("generation__owner")

    def hidden_rows(self, request: HttpRequest) -> Q:
        """A subquery, for the same reason."""
        generation = Generation.objects.filter(pk=OuterRef("generation"), is_private=True)
        return Q(Exists(generation.exclude(owner=request.user.pk)))

    def find_unmasked(self, text: str) -> Q | None:
        """Find the images of a generation."""
        key = row_id(text)
        return None if key is None else Q(generation=key)

    def find_masked(self, rows: QuerySet[Any], text: str) -> tuple[QuerySet[Any], list[int] | None]:
        """Find a file by its checksum, or images by the words of their prompt."""
        if len(text) == SHA256_CHARACTERS:
            return self._newest(rows, Q(sha256=text.lower()))
        query = SearchQuery.parse(text)
        keys = query.few_keys()
        if keys is None:
            generation = Generation.objects.filter(pk=OuterRef("generation"))
            return rows.filter(Exists(query.filter(generation))), None
        return self._newest(rows, Q(generation__in=keys))

    @staticmethod
    def _newest(rows: QuerySet[Any], condition: Q) -> tuple[QuerySet[Any], list[int]]:
        keys = Picture.objects.filter(condition).order_by("-pk").values_list("pk", flat=True)
        return rows, list(keys[: counting.MAX_SORTED_ROWS])

    def row_title(self, picture: Picture) -> str:
        return picture_label(picture)

    @admin.display(description=_("image"))
    def label(self, picture: Any) -> str:
        return picture_label(picture)

    @admin.display(description=_("person"))
    def owner(self, picture: Any) -> str:
        return str(picture.generation.owner.name)

    @admin.display(description=_("number"))
    def number(self, picture: Any) -> int:
        return int(picture.index) + 1

    @number_column(_("pixels"))
    def size(self, picture: Any) -> str | None:
        return pixels_text(picture)

    @number_column(_("file"))
    def file_size(self, picture: Any) -> str | None:
        return file_size_text(picture)

    @admin.display(description=_("preview"))
    def image(self, picture: Any) -> str:
        return thumbnail_html(picture)


def pixels_text(picture: Picture) -> str | None:
    return f"{picture.width} × {picture.height}" if picture.width else None


def file_size_text(picture: Picture) -> str | None:
    return filesizeformat(picture.size_bytes) if picture.size_bytes else None


def picture_label(picture: Picture) -> str:
    return gettext("Image %(number)s of generation %(generation)s") % {
        "number": picture.index + 1,
        "generation": picture.generation_id,
    }


def thumbnail_html(picture: Picture) -> str:
    """Return the thumbnail, linked to the original; nothing where no file is stored."""
    if not picture.is_stored:
        return ""
    return format_html(
        '<a class="thumb" href="{}">'
        '<img src="{}" alt="{}" width="44" height="44" loading="lazy"></a>',
        reverse("file", args=[picture.pk, "original"]),
        reverse("file", args=[picture.pk, "thumbnail"]),
        picture_label(picture),
    )
