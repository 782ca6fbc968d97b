"""Prices, limits, requests for more, and the ledger. Prices are superseded, never changed."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generations.amount_field import AmountField
from generations.engines.registry import OFFERS
from generations.models.money import LedgerEntry, Limit, LimitRequest, Period, Price
from generations.models.money.amounts import plain
from generations.models.money.price import current_upstream
from generations.permissions import Action, may

from .base import BoundedPaginator, ReadOnlyMixin


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

    @admin.display(description=gettext_lazy("price of an image"))
    def amount(self, price: Price) -> str:
        return plain(price.amount_e4)


class LimitForm(forms.ModelForm):
    money_e4 = AmountField(label=gettext_lazy("Money"), required=False)

    class Meta:
        model = Limit
        fields = ("scope", "role", "member", "window", "money_e4", "images")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        scope = cleaned.get("scope")
        if scope == Limit.Scope.MEMBER and not cleaned.get("member"):
            self.add_error("member", _("Choose the person."))
        if scope == Limit.Scope.ROLE and not cleaned.get("role"):
            self.add_error("role", _("Choose the role."))
        if scope != Limit.Scope.MEMBER:
            cleaned["member"] = None
        if scope != Limit.Scope.ROLE:
            cleaned["role"] = ""
        if cleaned.get("money_e4") is None and cleaned.get("images") is None:
            self.add_error("money_e4", _("Enter an amount, a number of images or both."))
        return cleaned


@admin.register(Limit)
class LimitAdmin(MoneyAdmin):
    form = LimitForm
    list_display = ("__str__", "scope", "role", "member", "window", "money", "images", "by")
    list_filter = ("scope", "window")
    list_select_related = ("member", "by")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    @admin.display(description=gettext_lazy("money"))
    def money(self, limit: Limit) -> str:
        return "" if limit.money_e4 is None else plain(limit.money_e4)


@admin.register(LimitRequest)
class LimitRequestAdmin(ReadOnlyMixin, MoneyAdmin):
    """Admins decide on the usage page."""

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
