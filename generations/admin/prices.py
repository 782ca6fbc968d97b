"""Prices: those in force, their history, and the table as CSV. Superseded, never changed."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext
from django.views.decorators.http import require_POST

from generations.amount_field import AmountField
from generations.engines.registry import ENGINES
from generations.models import AuditAction, AuditEntry
from generations.models.money import Price
from generations.models.money.price import ANY, current_upstream
from generations.operations import price_csv, prices
from generations.operations.errors import OperationError
from generations.web.csv_response import csv_response
from generations.web.model_names import engine_label, kind_label, model_label
from generations.web.money.formats import format_money

from .base import number_column
from .money import MoneyAdmin


class PriceForm(forms.ModelForm):
    engine = forms.ChoiceField(
        choices=lambda: [(engine.slug, _(engine.label)) for engine in ENGINES.values()]
    )
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


class ImportForm(forms.Form):
    file = forms.FileField(label=gettext_lazy("CSV file"), allow_empty_file=True)


@admin.register(Price)
class PriceAdmin(MoneyAdmin):
    form = PriceForm
    change_list_template = "admin/generations/price/change_list.html"
    fields = ("engine", "model", "option", "amount_e4", "valid_from")
    readonly_fields = ("amount",)
    list_display = ("model_name", "option", "engine_name", "amount", "valid_from", "by", "upstream")
    list_filter = ("upstream", "engine")
    list_select_related = ("by",)
    ordering = ("-valid_from", "-pk")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A price is entered as an amount, and shown as one."""
        return ("engine", "model", "option", "amount", "valid_from") if obj else self.fields

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            obj.record(obj.by)

    def row_title(self, price: Price) -> str:
        kind = kind_label(price.engine, price.model, price.option)
        return _("Price of %(kind)s") % {"kind": kind}

    @admin.display(description=gettext_lazy("model"))
    def model_name(self, price: Price) -> str:
        return _("Any model") if price.model == ANY else model_label(price.engine, price.model)

    @admin.display(description=gettext_lazy("engine"), ordering="engine")
    def engine_name(self, price: Price) -> str:
        return engine_label(price.engine)

    @number_column(gettext_lazy("price of an image"))
    def amount(self, price: Price) -> str:
        return format_money(price.amount_e4)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        in_force = {"in_force": prices.current_and_later()}
        return super().changelist_view(request, in_force | (extra_context or {}))

    # --- the table as CSV ------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        views = (("export/", self.export_view, "export"), ("import/", self.import_view, "import"))
        own = [
            path(url, self.admin_site.admin_view(view), name=f"generations_price_{name}")
            for url, view, name in views
        ]
        return own + super().get_urls()

    @method_decorator(require_POST)
    def export_view(self, request: HttpRequest) -> StreamingHttpResponse:
        self.check_may(request)
        AuditEntry.objects.record(
            AuditAction.EXPORTED, self.by(request), label=gettext_noop("price table")
        )
        rows = (row.values() for row in price_csv.rows())
        return csv_response("prices.csv", price_csv.COLUMNS, rows)

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Add the prices of a file: all of them, or none."""
        self.check_may(request)
        form = ImportForm(request.POST or None, request.FILES or None)
        error: OperationError | None = None
        if request.method == "POST" and form.is_valid():
            try:
                return self._import(request, form.cleaned_data["file"])
            except OperationError as refused:
                error = refused
        context = self.admin_site.each_context(request) | {
            "form": form,
            "error": error,
            "columns": price_csv.COLUMNS,
            "opts": self.opts,
        }
        template = "admin/generations/price/import.html"
        status = 422 if request.method == "POST" else 200
        return TemplateResponse(request, template, context, status=status)

    def _import(self, request: HttpRequest, file: Any) -> HttpResponseRedirect:
        content = file.read(price_csv.MAX_BYTES + 1)
        imported = price_csv.load_content(content, file.name, self.by(request))
        sentence = ngettext("%(count)s price added.", "%(count)s prices added.", imported.added) % {
            "count": imported.added
        }
        for text in (sentence, *imported.notes):
            messages.info(request, text)
        return HttpResponseRedirect(reverse("admin:generations_price_changelist"))
