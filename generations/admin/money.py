"""Prices, requests for more, and the ledger. Prices are superseded, never changed."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generations.amount_field import AmountField
from generations.engines.registry import OFFERS
from generations.models import AuditAction, Team
from generations.models.money import LedgerEntry, LimitRequest, Period, Price
from generations.models.money.amounts import plain
from generations.models.money.price import current_upstream
from generations.permissions import Action, may

from .base import AuditedMixin, BoundedPaginator, ReadOnlyMixin


class MoneyAdmin(admin.ModelAdmin):
    """Pages of those who may manage money."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    @staticmethod
    def _may(request: HttpRequest) -> bool:
        return request.user.is_authenticated and may(request.user, Action.MANAGE_MONEY)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if hasattr(obj, "by"):
            obj.by = request.user
        super().save_model(request, obj, form, change)


class PriceForm(forms.ModelForm):
    engine = forms.ChoiceField(choices=lambda: [(slug, slug) for slug in OFFERS])
    amount_e4 = AmountField(label=gettext_lazy("Price of an image"))

    class Meta:
        model = Price
        fields = ("engine", "model", "option", "amount_e4", "valid_from")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        kind = {name: cleaned.get(name) for name in ("engine", "model", "option", "valid_from")}
        if Price.objects.filter(upstream=current_upstream(), **kind).exists():
            self.add_error("valid_from", _("This kind has a price from this moment on already."))
        return cleaned


@admin.register(Price)
class PriceAdmin(MoneyAdmin):
    form = PriceForm
    fields = ("engine", "model", "option", "amount_e4", "valid_from")
    list_display = ("engine", "model", "option", "amount", "valid_from", "by", "upstream")
    list_filter = ("upstream", "engine")
    list_select_related = ("by",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            obj.record(obj.by)

    @admin.display(description=gettext_lazy("price of an image"))
    def amount(self, price: Price) -> str:
        return plain(price.amount_e4)


@admin.register(LimitRequest)
class LimitRequestAdmin(ReadOnlyMixin, MoneyAdmin):
    """Admins decide on the page Requests of the admin."""

    list_display = ("person", "amount", "images", "reason", "created_at", "decision", "decided_by")
    list_filter = ("decision",)
    list_select_related = ("person", "decided_by")

    @admin.display(description=gettext_lazy("amount"))
    def amount(self, request: LimitRequest) -> str:
        return plain(request.amount_e4)


class CountersAdmin(ReadOnlyMixin, MoneyAdmin):
    """Rows with the columns of the counters: periods, and the entries that changed them."""

    paginator = BoundedPaginator
    show_full_result_count = False
    ordering = ("-pk",)

    @admin.display(description=gettext_lazy("reserved"))
    def reserved(self, row: Any) -> str:
        return plain(row.reserved_e4)

    @admin.display(description=gettext_lazy("charged"))
    def charged(self, row: Any) -> str:
        return plain(row.charged_e4)

    @admin.display(description=gettext_lazy("granted"))
    def granted(self, row: Any) -> str:
        return plain(row.granted_e4)


@admin.register(Period)
class PeriodAdmin(CountersAdmin):
    list_display = ("__str__", "starts_at", "ends_at", "reserved", "charged", "granted")
    list_filter = ("window",)
    list_select_related = ("member",)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(CountersAdmin):
    list_display = (
        "at", "kind", "key", "period", "person", "by", "reserved", "charged", "granted",
    )  # fmt: skip
    list_filter = ("kind",)
    list_select_related = ("period__member", "person", "by")


@admin.register(Team)
class TeamAdmin(AuditedMixin, MoneyAdmin):
    """The one row of the team."""

    audit_action = AuditAction.SETTING_CHANGED

    fields = ("name", "currency", "time_zone", "unpriced", "charged_images")
    list_display = ("name", "currency", "time_zone", "unpriced", "charged_images")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may(request) and not Team.objects.exists()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Name, currency and time zone are the owner's, as on the page of the team."""
        is_owner = request.user.is_authenticated and may(request.user, Action.SET_UP_TEAM)
        return () if is_owner else ("name", "currency", "time_zone")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
