"""The panel, first form: people, generations with the upstream's own words, pictures, the line.

What somebody keeps private is masked here too: an admin sees that it is there and how it went,
never what it says or shows.
"""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .models import (
    Collection,
    Generation,
    Member,
    Picture,
    Submission,
    Tag,
    Transition,
    UpstreamGate,
)

admin.site.site_header = admin.site.site_title = "klingweb"
admin.site.index_title = _("Panel")


@admin.register(Member)
class MemberAdmin(UserAdmin):
    list_display = ("username", "name", "role", "is_active", "last_login")
    list_filter = ("role", "is_active")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email")}),
        (_("May"), {"fields": ("role", "is_active")}),
        (_("When"), {"fields": ("last_login", "date_joined", "last_submitted_at")}),
    )
    readonly_fields = ("last_login", "date_joined", "last_submitted_at")
    add_fieldsets = (
        (None, {"fields": ("username", "role", "usable_password", "password1", "password2")}),
    )
    filter_horizontal = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Nobody takes the panel from themselves: an install without an admin is a locked house."""
        own = ("role", "is_active") if obj == request.user else ()
        return (*self.readonly_fields, *own)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A person's work stays under their name: they are disabled, not deleted."""
        return False


class ReadOnly(admin.options.BaseModelAdmin):
    """History must stay true: it is looked at here, and moved only by its own verbs."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class SubmissionInline(ReadOnly, admin.TabularInline):
    model = Submission
    fields: ClassVar[tuple[Any, ...]] = (
        "attempt", "sent_at", "answered_at", "outcome", "http_status", "code", "upstream_task_id",
        "response",
    )  # fmt: skip


class MaskedSubmissionInline(SubmissionInline):
    fields = SubmissionInline.fields[:-1]  # an answer may repeat the prompt, or name the files


class TransitionInline(ReadOnly, admin.TabularInline):
    model = Transition
    fields = ("at", "from_status", "to_status", "reason", "detail", "by")


class PictureInline(ReadOnly, admin.TabularInline):
    model = Picture
    fields: ClassVar[tuple[Any, ...]] = (
        "index", "thumbnail_html", "state", "width", "height", "size_bytes", "tries", "reason",
        "upstream_url",
    )  # fmt: skip
    readonly_fields = ("thumbnail_html",)

    @admin.display(description=_("picture"))
    def thumbnail_html(self, picture: Picture) -> str:
        return _thumbnail_html(picture)


class MaskedPictureInline(PictureInline):
    fields = ("index", "state", "width", "height", "size_bytes", "tries")


class Masked(ReadOnly, admin.ModelAdmin):
    """Rows that may be private to somebody else: each knows `is_hidden`, from who is looking."""

    owner_path = ""  # from the row to whom it belongs, and to whether it is private
    private_path = ""
    masked_fields: tuple[str, ...] = ()  # what would say or show what is private
    open_search_fields: tuple[str, ...] = ()  # what anybody's row may be found by
    filtered: tuple[str, ...] = ()  # the columns of its filters
    readonly_fields = ("private",)

    def _hidden(self, request: HttpRequest) -> Q:
        return Q((self.private_path, True)) & ~Q((self.owner_path, request.user))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        marked: QuerySet[Any] = rows.annotate(is_hidden=self._hidden(request))
        return marked

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what the filters ask: any column of the row could be asked for in an address."""
        asked = lookup.partition("__")[0]
        return asked in self.filtered and super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A hidden row is not found by its words: that would tell them one by one."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if search_term:
            plainly = Q()
            for field in self.open_search_fields:
                plainly |= Q((f"{field}__icontains", search_term.strip()))
            found = found.filter(~self._hidden(request) | plainly)
        return found, may_repeat

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        out = self.masked_fields if obj and obj.is_hidden else ("private",)
        return [name for name in super().get_fields(request, obj) if name not in out]

    @admin.display(description=_("prompt, reference and pictures"))
    def private(self, _row: Any) -> str:
        return gettext("private")


@admin.register(Generation)
class GenerationAdmin(Masked):
    list_display = (
        "id",
        "short_prompt",
        "owner",
        "status",
        "n",
        "aspect_ratio",
        "created_at",
        "thumbnails",
    )
    list_filter = ("status", "failure", ("owner", admin.RelatedOnlyFieldListFilter), "created_at")
    search_fields = ("prompt", "upstream_task_id", "owner__username")
    list_select_related = ("owner",)
    show_full_result_count = False
    list_per_page = 50
    inlines = (PictureInline, SubmissionInline, TransitionInline)
    owner_path, private_path = "owner", "is_private"
    masked_fields = ("prompt", "negative_prompt", "reference", "reference_url", "image_fidelity",
                     "remix_of", "params", "request_fingerprint", "failure_message",
                     "last_response")  # fmt: skip
    open_search_fields = ("upstream_task_id", "owner__username")
    filtered = ("status", "failure", "owner", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Generation]:
        return super().get_queryset(request).prefetch_related("pictures")

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        if obj and obj.is_hidden:
            return (MaskedPictureInline, MaskedSubmissionInline, TransitionInline)
        return self.inlines

    @admin.display(description=_("prompt"))
    def short_prompt(self, generation: Any) -> str:
        return gettext("private") if generation.is_hidden else generation.prompt[:80]

    @admin.display(description=_("pictures"))
    def thumbnails(self, generation: Any) -> str:
        if generation.is_hidden:
            return gettext("private")
        return format_html_join(
            " ", "{}", ((_thumbnail_html(p),) for p in generation.pictures.all())
        )


@admin.register(Picture)
class PictureAdmin(Masked):
    list_display = (
        "id",
        "thumbnail_html",
        "generation",
        "number",
        "state",
        "width",
        "height",
        "size_bytes",
    )
    list_filter = ("state", "content_type", "stored_at")
    search_fields = ("generation__prompt", "sha256")
    list_select_related = ("generation",)
    show_full_result_count = False
    owner_path, private_path = "generation__owner", "generation__is_private"
    filtered = ("state", "content_type", "stored_at")
    masked_fields = ("file", "preview", "thumbnail", "upstream_url", "sha256", "colour", "reason",
                     "tags")  # fmt: skip

    @admin.display(description=_("picture"))
    def thumbnail_html(self, picture: Any) -> str:
        return gettext("private") if picture.is_hidden else _thumbnail_html(picture)


@admin.register(Collection)
class CollectionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "created_by", "created_at", "updated_at")
    fields = ("name", "created_by", "created_at", "updated_at", "cover")
    search_fields = ("name",)
    list_select_related = ("created_by",)


@admin.register(Tag)
class TagAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "normalized")
    search_fields = ("name", "normalized")


@admin.register(UpstreamGate)
class UpstreamGateAdmin(ReadOnly, admin.ModelAdmin):
    list_display = (
        "__str__",
        "hold_reason",
        "held_at",
        "probe_at",
        "submit_not_before",
        "silent_until",
        "concurrency_limit",
        "paused_at",
        "paused_by",
        "pause_reason",
    )


def _thumbnail_html(picture: Picture) -> str:
    if not picture.is_stored:
        return str(picture.get_state_display())
    return format_html(
        '<a href="{}"><img src="{}" alt="" height="60" loading="lazy"></a>',
        reverse("file", args=[picture.pk, "original"]),
        reverse("file", args=[picture.pk, "thumbnail"]),
    )


# django-q2's own pages are for looking: whoever adds a schedule there runs any code of the server,
# and whoever deletes the beat's stops the worker. Groups are not how rights are given here.
admin.site.unregister(Group)
for model, page in list(admin.site._registry.items()):
    if model._meta.app_label == "django_q":
        admin.site.unregister(model)
        looking = type(type(page).__name__, (ReadOnly, type(page)), {"actions": ()})
        admin.site.register(model, looking)
