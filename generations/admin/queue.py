"""Queue: the state of the upstream gate, read-only. /admin/queue/ pauses and resumes it."""

from django.contrib import admin

from generations.models import UpstreamGate

from .base import ReadOnlyMixin


@admin.register(UpstreamGate)
class UpstreamGateAdmin(ReadOnlyMixin, admin.ModelAdmin):
    list_display = (
        "__str__",
        "hold_reason",
        "held_at",
        "probe_at",
        "submit_not_before",
        "silent_until",
        "busy_reason",
        "concurrency_limit",
        "paused_at",
        "paused_by",
        "pause_reason",
    )
