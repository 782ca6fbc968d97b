"""The gates as they are stored, read-only. /admin/queue/ pauses and resumes."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from generations.models import UpstreamGate

from .base import ListAdmin, ReadOnlyMixin


@admin.register(UpstreamGate)
class UpstreamGateAdmin(ReadOnlyMixin, ListAdmin):
    list_title = _("Gates")
    is_of_diagnostics = True
    labels = {
        "__str__": _("gate"),
        "held_at": _("on hold since"),
        "busy_reason": _("last refusal"),
        "paused_at": _("paused since"),
    }
    list_display = (
        "__str__",
        "hold_reason",
        "held_at",
        "busy_reason",
        "concurrency_limit",
        "paused_at",
        "paused_by",
        "pause_reason",
    )
