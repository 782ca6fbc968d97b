"""Generations, with their images, submissions and transitions."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from generations.models import Generation, Picture, Submission, Transition

from .base import MaskedAdmin, MaskedInline
from .pictures import thumbnail_html

MAX_PROMPT_CHARACTERS = 80  # in the list


class PictureInline(MaskedInline):
    model = Picture
    fields = (
        "index",
        "image",
        "state",
        "width",
        "height",
        "size_bytes",
        "tries",
        "reason",
        "upstream_url",
    )
    readonly_fields = ("image",)
    unmasked_fields = ("index", "state", "width", "height", "size_bytes", "tries")

    @admin.display(description=_("image"))
    def image(self, picture: Picture) -> str:
        return thumbnail_html(picture)


class SubmissionInline(MaskedInline):
    model = Submission
    fields = (
        "attempt",
        "sent_at",
        "answered_at",
        "outcome",
        "http_status",
        "code",
        "upstream_task_id",
        "response",
    )
    unmasked_fields = (  # not `response`: it may repeat the prompt or contain image URLs
        "attempt",
        "sent_at",
        "answered_at",
        "outcome",
        "http_status",
        "code",
        "upstream_task_id",
    )


class TransitionInline(MaskedInline):
    model = Transition
    fields = ("at", "from_status", "to_status", "reason", "detail", "by")
    unmasked_fields = ("at", "from_status", "to_status", "reason", "by")


@admin.register(Generation)
class GenerationAdmin(MaskedAdmin):
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
    list_filter = ("status", "failure", "owner", "created_at")
    ordering = ("-created_at", "-pk")  # an index of each filter has this order
    search_fields = ("prompt", "upstream_task_id", "owner__username")
    list_select_related = ("owner",)
    list_per_page = 50
    inlines = (PictureInline, SubmissionInline, TransitionInline)
    owner_path, private_path = "owner", "is_private"
    unmasked_fields = (
        "id",
        "owner",
        "idempotency_key",
        "created_at",
        "upstream",
        "aspect_ratio",
        "n",
        "accepted_at",
        "unit_price_e4",
        "reservations",
        "charged_e4",
        "collection",
        "is_private",
        "status",
        "status_at",
        "version",
        "attempt",
        "submit_not_before",
        "postponements",
        "postponed_since",
        "held_at",
        "waits_for_room_since",
        "submitted_at",
        "finished_at",
        "failure",
        "upstream_task_id",
        "next_poll_at",
        "polls",
        "poll_failures",
        "results_without_images",
        "first_not_found_at",
        "late_at",
        "lost_at",
        "polling_since",
    )
    unmasked_search_fields = ("upstream_task_id", "owner__username")
    change_form_template = "admin/generation/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Generation]:
        return super().get_queryset(request).prefetch_related("pictures")

    @admin.display(description=_("prompt"))
    def short_prompt(self, generation: Any) -> str:
        return str(generation.prompt[:MAX_PROMPT_CHARACTERS])

    @admin.display(description=_("images"))
    def thumbnails(self, generation: Any) -> str:
        return format_html_join(
            " ", "{}", ((thumbnail_html(each),) for each in generation.pictures.all())
        )
