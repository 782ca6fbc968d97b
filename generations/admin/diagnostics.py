"""Diagnostics: the pages of django-q2 and the row of the gate, read-only.

A schedule added there could run any function on the server, and deleting the heartbeat's queued
tasks could stop the worker.
"""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from .base import ListAdmin, MissingRowMixin, ReadOnlyMixin

TITLES = {
    "schedule": _("Scheduled tasks"),
    "ormq": _("Queued tasks"),
    "success": _("Successful tasks"),
    "failure": _("Failed tasks"),
}

COLUMNS = {
    "schedule": ("name", "func", "schedule_type", "next_run", "get_last_run", "get_success"),
    "ormq": ("id", "name", "func", "lock", "task_id"),
    "success": ("name", "func", "started", "stopped", "time_taken"),
    "failure": ("name", "func", "started", "stopped", "short_result"),
}
LABELS = {
    "id": _("ID"),
    "func": _("function"),
    "schedule_type": _("how often"),
    "next_run": _("next run"),
    "get_last_run": _("last run"),
    "get_success": _("succeeded"),
    "lock": _("locked until"),
    "task_id": _("task ID"),
    "time_taken": _("seconds"),
    "short_result": _("result"),
    "attempt_count": _("attempts"),
}


def _row_title(_page: Any, row: Any) -> str:
    """The name that the pages of django-q2 show in their lists."""
    name = row.name() if callable(row.name) else row.name
    return str(name or row)


apps.get_app_config("django_q").verbose_name = _("Diagnostics")
for _model, _page in list(admin.site._registry.items()):
    if _model._meta.app_label == "django_q":
        admin.site.unregister(_model)
        _name = str(_model._meta.model_name)
        _changes = {
            "list_title": TITLES[_name],
            "is_of_diagnostics": True,
            "list_display": COLUMNS[_name],
            "list_display_links": COLUMNS[_name][:1],
            "list_filter": (),  # the search finds names and functions
            "labels": LABELS,
            "row_title": _row_title,
            "media": ListAdmin.media,
            "show_facets": ListAdmin.show_facets,
            "show_full_result_count": False,
            "actions": None,
        }
        _bases = (ReadOnlyMixin, MissingRowMixin, type(_page))
        _read_only = type(type(_page).__name__, _bases, _changes)
        admin.site.register(_model, _read_only)
