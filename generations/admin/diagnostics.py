"""Diagnostics: the pages of django-q2 and the row of the gate, read-only.

A schedule added there could run any function on the server, and deleting the heartbeat's queued
tasks could stop the worker.
"""

from django.apps import apps
from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from .base import ListAdmin, ReadOnlyMixin

TITLES = {
    "schedule": _("Scheduled tasks"),
    "ormq": _("Queued tasks"),
    "success": _("Successful tasks"),
    "failure": _("Failed tasks"),
}

apps.get_app_config("django_q").verbose_name = _("Diagnostics")
for _model, _page in list(admin.site._registry.items()):
    if _model._meta.app_label == "django_q":
        admin.site.unregister(_model)
        _changes = {
            "list_title": TITLES[str(_model._meta.model_name)],
            "media": ListAdmin.media,
            "show_facets": ListAdmin.show_facets,
            "show_full_result_count": False,
            "actions": None,
        }
        _read_only = type(type(_page).__name__, (ReadOnlyMixin, type(_page)), _changes)
        admin.site.register(_model, _read_only)
