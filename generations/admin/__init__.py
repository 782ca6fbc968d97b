"""Django's admin, one module a subject. Private rows of other members are masked (base.py)."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from . import collections, diagnostics, generations, money, people, pictures, queue

__all__ = ["collections", "diagnostics", "generations", "money", "people", "pictures", "queue"]

admin.site.site_header = admin.site.site_title = "klingweb"
admin.site.index_title = _("Admin")
