"""Images: state, files and facts of every picture."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from generations.models import Picture
from generations.models.picture import NOT_STORED

from .base import MAX_LISTED_ROWS, MaskedAdmin


class NotStoredFilter(admin.SimpleListFilter):
    """Images that wait for their download, or whose download has failed."""

    title = _("state")
    parameter_name = "not_stored"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("Not stored"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        # Their keys alone are read from their index. In order, SQLite would read all pictures.
        keys = Picture.objects.filter(NOT_STORED).values_list("pk", flat=True)
        return queryset.filter(pk__in=list(keys[:MAX_LISTED_ROWS]))


@admin.register(Picture)
class PictureAdmin(MaskedAdmin):
    list_display = (
        "id",
        "image",
        "generation",
        "number",
        "state",
        "width",
        "height",
        "size_bytes",
    )
    list_filter = (NotStoredFilter,)
    search_fields = ("generation__prompt", "sha256")
    list_select_related = ("generation",)
    owner_path, private_path = "generation__owner", "generation__is_private"
    unmasked_fields = (
        "id",
        "generation",
        "index",
        "number",
        "state",
        "tries",
        "claims",
        "next_try_at",
        "content_type",
        "width",
        "height",
        "size_bytes",
        "stored_at",
        "trashed_at",
        "trashed_by",
    )

    @admin.display(description=_("image"))
    def image(self, picture: Any) -> str:
        return thumbnail_html(picture)


def thumbnail_html(picture: Picture) -> str:
    """Return the thumbnail, linked to the original, or the state where no file is stored."""
    if not picture.is_stored:
        return str(picture.get_state_display())
    return format_html(
        '<a href="{}"><img src="{}" alt="" height="60" loading="lazy"></a>',
        reverse("file", args=[picture.pk, "original"]),
        reverse("file", args=[picture.pk, "thumbnail"]),
    )
