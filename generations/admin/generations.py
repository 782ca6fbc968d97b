"""Generations, with their images, submissions and transitions."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generations.models import Generation, Member, Picture, Status, Submission, Transition
from generations.search import SearchQuery
from generations.web.money.formats import format_money

from .base import number_column
from .filters import DateFilter, FailureFilter, PersonFilter, RecoveredFilter
from .keyset_list import row_id
from .masking import MaskedAdmin, MaskedInline
from .pictures import file_size_text, pixels_text, thumbnail_html

MAX_PROMPT_CHARACTERS = 80  # in the list
MAX_THUMBNAILS = 4
GENERATION_LABELS = {
    "owner": _("person"),
    "n": _("images"),
    "created_at": _("created"),
    "is_private": _("private"),
    "reference_url": _("reference URL"),
    "image_fidelity": _("similarity"),
    "params": _("further settings"),
    "status_at": _("since"),
    "finished_at": _("finished"),
    "attempt": _("attempts"),
    "upstream_task_id": _("task ID"),
    "submitted_at": _("sent"),
    "accepted_at": _("accepted"),
    "next_poll_at": _("next poll"),
    "late_at": _("late since"),
    "lost_at": _("lost since"),
    "key_missing_since": _("without its API key since"),
}


class PictureInline(MaskedInline):
    model = Picture
    verbose_name_plural = _("images")
    labels = {"state": _("status"), "upstream_url": _("URL")}
    fields = ("number", "image", "state", "size", "file_size", "tries", "reason", "upstream_url")
    readonly_fields = ("number", "image", "size", "file_size")
    unmasked_fields = ("number", "state", "size", "file_size", "tries")

    @admin.display(description=_("number"))
    def number(self, picture: Picture) -> int:
        return picture.index + 1

    @admin.display(description=_("pixels"))
    def size(self, picture: Picture) -> str | None:
        return pixels_text(picture)

    @admin.display(description=_("file"))
    def file_size(self, picture: Picture) -> str | None:
        return file_size_text(picture)

    @admin.display(description=_("image"))
    def image(self, picture: Picture) -> str:
        return thumbnail_html(picture)


class SubmissionInline(MaskedInline):
    model = Submission
    verbose_name_plural = _("submissions")
    labels = {
        "sent_at": _("sent"),
        "answered_at": _("answered"),
        "http_status": _("HTTP status"),
        "upstream_task_id": _("task ID"),
    }
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
    verbose_name_plural = _("history")
    labels = {"at": _("when"), "from_status": _("from"), "to_status": _("to"), "by": _("person")}
    fields = ("at", "from_status", "to_status", "reason", "detail", "by")
    unmasked_fields = ("at", "from_status", "to_status", "reason", "by")


@admin.register(Generation)
class GenerationAdmin(MaskedAdmin):
    list_title = _("Generations")
    list_display = (
        "number",
        "short_prompt",
        "owner",
        "state",
        "n",
        "charged",
        "created_at",
        "thumbnails",
    )
    list_filter = (
        "status",
        FailureFilter,
        PersonFilter,
        ("created_at", DateFilter),
        RecoveredFilter,
    )
    labels = GENERATION_LABELS
    search_fields = ("search_text",)  # shows the field; `find_unmasked` and `find_masked` search
    search_help_text = _("Words, ID, task ID or user name")
    # No join: with statistics of few members, SQLite would begin with them and sort all rows.
    list_select_related = ()
    list_per_page = 50
    inlines = (PictureInline, SubmissionInline, TransitionInline)
    unmasked_fields = (
        "id",
        "number",
        "state",
        "charged",
        "owner",
        "idempotency_key",
        "created_at",
        "upstream",
        "aspect_ratio",
        "n",
        "accepted_at",
        "unit_price",
        "reservations",
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
        "key_missing_since",
        "polling_since",
    )
    change_form_template = "admin/generation/change_form.html"
    readonly_fields = ("private", "unit_price", "charged")
    exclude = ("unit_price_e4", "charged_e4")  # in ten-thousandths
    field_groups = (
        (
            _("Request"),
            (
                "private", "prompt", "sent_prompt", "negative_prompt", "owner", "created_at", "n",
                "aspect_ratio", "reference", "reference_url", "image_fidelity", "remix_of",
                "collection", "tag_names", "batch", "batch_row", "params", "is_private",
                "upstream", "engine", "idempotency_key", "request_fingerprint",
            ),
        ),
        (
            _("Status"),
            (
                "status", "status_at", "finished_at", "failure", "failure_message", "attempt",
                "version", "submit_not_before", "postponements", "postponed_since", "held_at",
                "waits_for_room_since",
            ),
        ),
        (_("Money"), ("unit_price", "reservations", "charged")),
        (
            _("Task"),
            (
                "upstream_task_id", "submitted_at", "accepted_at", "next_poll_at", "polls",
                "poll_failures", "results_without_images", "first_not_found_at", "late_at",
                "lost_at", "key_missing_since", "polling_since", "last_response",
            ),
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Generation]:
        return super().get_queryset(request).prefetch_related("owner", "pictures")

    def hidden_rows(self, request: HttpRequest) -> Q:
        return Q(is_private=True) & ~Q(owner=request.user)

    def find_unmasked(self, text: str) -> Q | None:
        """Find a row by its ID or its task's, or all of a person by the whole user name."""
        named = Q(upstream_task_id=text)
        if (key := row_id(text)) is not None:
            named |= Q(pk=key)
        if keys := list(Generation.objects.filter(named).values_list("pk", flat=True)):
            return Q(pk__in=keys)
        person = Member.objects.filter(username__iexact=text).first()
        return Q(owner=person) if person else None

    def find_masked(self, rows: Any, text: str) -> tuple[QuerySet[Any], list[int] | None]:
        """Find prompts by their words, as the gallery does."""
        query = SearchQuery.parse(text)
        keys = query.few_keys()
        return (query.filter(rows), None) if keys is None else (rows, keys)

    def row_title(self, generation: Generation) -> str:
        return gettext("generation %(id)s") % {"id": generation.pk}

    @admin.display(description=_("generation"))
    def number(self, generation: Any) -> str:
        return str(generation.pk)

    @admin.display(description=_("prompt"))
    def short_prompt(self, generation: Any) -> str:
        return Truncator(generation.prompt).chars(MAX_PROMPT_CHARACTERS)

    @admin.display(description=_("status"))
    def state(self, generation: Any) -> str:
        """A lamp stands beside a status in which a person waits for it, or it for a person."""
        is_amber = generation.is_late or generation.is_lost
        if is_amber or generation.status == Status.UNCONFIRMED:
            return _lamp("lamp amber", generation.get_status_display())
        if generation.is_live:
            return _lamp("lamp", generation.get_status_display())
        return str(generation.get_status_display())

    @number_column(_("price of an image"))
    def unit_price(self, generation: Any) -> str | None:
        e4 = generation.unit_price_e4
        return None if e4 is None else format_money(e4)

    @number_column(_("charged"))
    def charged(self, generation: Any) -> str | None:
        e4 = generation.charged_e4
        return None if e4 is None else format_money(e4)

    @admin.display(description=_("preview"))
    def thumbnails(self, generation: Any) -> str:
        stored = [each for each in generation.pictures.all() if each.is_stored]
        if not stored:
            return ""
        shown = format_html_join(
            "", "{}", ((thumbnail_html(each),) for each in stored[:MAX_THUMBNAILS])
        )
        more = len(stored) - MAX_THUMBNAILS
        rest = format_html("<span>+{}</span>", more) if more > 0 else ""
        return format_html('<span class="thumbs">{}{}</span>', shown, rest)


def _lamp(css_class: str, word: str) -> str:
    return format_html('<span class="{}" aria-hidden="true"></span>{}', css_class, word)
