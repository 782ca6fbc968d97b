"""The panel, first form: people, generations with the upstream's own words, pictures, the line."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from .models import Generation, Line, Member, Move, Picture, Submission

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
        (_("When"), {"fields": ("last_login", "date_joined", "served_at")}),
    )
    readonly_fields = ("last_login", "date_joined", "served_at")
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
    fields = ("attempt", "sent_at", "answered_at", "outcome", "http_status", "code",
              "kling_task_id", "answer")  # fmt: skip


class MoveInline(ReadOnly, admin.TabularInline):
    model = Move
    fields = ("at", "from_status", "to_status", "why", "detail", "by")


class PictureInline(ReadOnly, admin.TabularInline):
    model = Picture
    fields = ("index", "look", "state", "width", "height", "size_bytes", "tries", "reason",
              "upstream_url")  # fmt: skip
    readonly_fields = ("look",)

    @admin.display(description=_("picture"))
    def look(self, picture: Picture) -> str:
        return _look(picture)


@admin.register(Generation)
class GenerationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "words", "owner", "status", "n", "aspect_ratio", "created_at", "looks")
    list_filter = ("status", "failure", ("owner", admin.RelatedOnlyFieldListFilter), "created_at")
    search_fields = ("prompt", "kling_task_id", "owner__username")
    list_select_related = ("owner",)
    show_full_result_count = False
    list_per_page = 50
    inlines = (PictureInline, SubmissionInline, MoveInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Generation]:
        return super().get_queryset(request).prefetch_related("pictures")

    @admin.display(description=_("prompt"))
    def words(self, generation: Generation) -> str:
        return generation.prompt[:80]

    @admin.display(description=_("pictures"))
    def looks(self, generation: Generation) -> str:
        return format_html_join(" ", "{}", ((_look(p),) for p in generation.pictures.all()))


@admin.register(Picture)
class PictureAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "look", "generation", "number", "state", "width", "height", "size_bytes")
    list_filter = ("state", "content_type", "stored_at")
    search_fields = ("generation__prompt", "sha256")
    list_select_related = ("generation",)
    show_full_result_count = False

    @admin.display(description=_("picture"))
    def look(self, picture: Picture) -> str:
        return _look(picture)


@admin.register(Line)
class LineAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("__str__", "trouble", "held_at", "probe_at", "not_before", "quiet_until",
                    "units", "paused_at", "paused_by", "pause_reason")  # fmt: skip


def _look(picture: Picture) -> str:
    if not picture.is_stored:
        return str(picture.get_state_display())
    return format_html(
        '<a href="{}"><img src="{}" alt="" height="60" loading="lazy"></a>',
        reverse("file", args=[picture.pk, "original"]),
        reverse("file", args=[picture.pk, "thumbnail"]),
    )


# django-q2's own pages are for looking: whoever adds a schedule there runs any code of the server,
# and whoever deletes the beat's stops the engine. Groups are not how rights are given here.
admin.site.unregister(Group)
for model, page in list(admin.site._registry.items()):
    if model._meta.app_label == "django_q":
        admin.site.unregister(model)
        looking = type(type(page).__name__, (ReadOnly, type(page)), {"actions": ()})
        admin.site.register(model, looking)
