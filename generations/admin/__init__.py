"""Django's admin, one module a subject. Private rows of other members are masked (masking.py)."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from . import diagnostics, generations, ledger, money, people, pictures, prices, queue

__all__ = [
    "diagnostics",
    "generations",
    "ledger",
    "money",
    "people",
    "pictures",
    "prices",
    "queue",
]

admin.site.site_header = admin.site.site_title = "klingweb"
admin.site.index_title = _("Admin")
