"""The ledger: every change of what is reserved, charged and granted, with its cause."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.db.models.lookups import In
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from generations.models import counting
from generations.models.money import LedgerEntry, Period
from generations.models.money.limit import Window
from generations.models.money.price import current_upstream
from generations.web.money.formats import format_money, format_signed_money

from .base import ReadOnlyMixin, number_column
from .filters import DateFilter, PersonFilter
from .keyset_list import KeysetAdmin, row_id
from .money import MoneyAdmin

EVERY = "all"
MAX_MONTHS = 24  # in the menu; `?period=` accepts other periods too


def period_text(period: Period) -> str:
    """Return "Team, November 2026" or "Lan, 28 November 2026"."""
    whose = period.member.name if period.member else _("Team")
    # Its middle: a period can begin some hours before its day, after a change of the time zone.
    middle = timezone.localtime(period.starts_at + (period.ends_at - period.starts_at) / 2)
    is_month = period.window == Window.MONTH
    return f"{whose}, {date_format(middle, 'YEAR_MONTH_FORMAT' if is_month else 'DATE_FORMAT')}"


class PeriodFilter(admin.SimpleListFilter):
    """Entries of one period: a month of the team, or any other by its id.

    A step has an entry in up to four periods. Without a choice, that of the team's month is shown;
    grants have none there.
    """

    title = gettext_lazy("period")
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        listed = list(_team_months().order_by("-starts_at")[:MAX_MONTHS])
        chosen = row_id(self.value() or "")
        if chosen is not None and chosen not in {each.pk for each in listed}:
            listed += Period.objects.select_related("member").filter(pk=chosen)
        return [
            (EVERY, _("Every period")),
            *((str(each.pk), period_text(each)) for each in listed),
        ]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": _("Each step once")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case None:
                return queryset.filter(_is_counted_once())
            case str(value) if value != EVERY:
                return queryset.filter(period_id=row_id(value))
        return queryset


def _team_months() -> QuerySet[Period]:
    return Period.objects.filter(upstream=current_upstream(), member=None, window=Window.MONTH)


def _is_counted_once() -> Q:
    """The entry of a step in a month of the team, or a grant.

    `Coalesce` hides the column from SQLite, which would read all entries of these periods.
    """
    months = list(_team_months().values_list("pk", flat=True))
    return Q(In(Coalesce("period_id", 0), months)) | Q(kind=LedgerEntry.Kind.GRANT)


class OfPersonFilter(PersonFilter):
    field = "person"


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyMixin, KeysetAdmin, MoneyAdmin):
    list_title = gettext_lazy("Ledger")
    list_display = ("at", "cause", "person_name", "counted_in", "reserved", "charged", "granted")
    list_filter = ("kind", OfPersonFilter, PeriodFilter, ("at", DateFilter))
    labels = {
        "at": gettext_lazy("when"),
        "reserved_images": gettext_lazy("images reserved"),
        "charged_images": gettext_lazy("images charged"),
        "granted_images": gettext_lazy("images granted"),
    }
    list_select_related = ()
    list_per_page = 50
    search_fields = ("generation_id",)  # shows the field; `search` searches
    search_help_text = gettext_lazy("Generation ID")
    keyset_field = "at"
    fields = (
        "at", "cause", "person_name", "by", "counted_in", "reserved", "charged", "granted",
        "reserved_images", "charged_images", "granted_images", "key",
    )  # fmt: skip
    readonly_fields = ("cause", "person_name", "counted_in", "reserved", "charged", "granted")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerEntry]:
        """Without a join, at which SQLite would begin."""
        return super().get_queryset(request).prefetch_related("period__member", "person", "by")

    def search(
        self, request: HttpRequest, rows: QuerySet[Any], text: str
    ) -> tuple[QuerySet[Any], list[int]]:
        """Find the entries of a generation, by its ID."""
        entries = LedgerEntry.objects.filter(generation_id=row_id(text)).exclude(generation_id=None)
        return rows, list(entries.values_list("pk", flat=True)[: counting.MAX_SORTED_ROWS])

    def row_title(self, entry: LedgerEntry) -> str:
        return _("ledger entry %(id)s") % {"id": entry.pk}

    @admin.display(description=gettext_lazy("cause"))
    def cause(self, entry: LedgerEntry) -> str:
        """What happened, for which generation, to how many images, why and by whom."""
        what = str(entry.get_kind_display())
        link = ""
        if entry.generation_id is not None:
            link = format_html(
                ' <a href="{}">{}</a>',
                reverse("admin:generations_generation_change", args=[entry.generation_id]),
                _("generation %(id)s") % {"id": entry.generation_id},
            )
        return format_html('{}{} <span class="note">{}</span>', what, link, _explanation(entry))

    @admin.display(description=gettext_lazy("person"))
    def person_name(self, entry: LedgerEntry) -> str | None:
        return entry.person.name if entry.person else None

    @admin.display(description=gettext_lazy("counted in"))
    def counted_in(self, entry: LedgerEntry) -> str:
        return period_text(entry.period)

    @number_column(gettext_lazy("reserved"))
    def reserved(self, entry: LedgerEntry) -> str | None:
        return _change(entry.reserved_e4)

    @number_column(gettext_lazy("charged"))
    def charged(self, entry: LedgerEntry) -> str | None:
        return _change(entry.charged_e4)

    @number_column(gettext_lazy("granted"))
    def granted(self, entry: LedgerEntry) -> str | None:
        return _change(entry.granted_e4)


def _change(amount_e4: int) -> str | None:
    """Return an amount with its sign, or None where nothing changed."""
    return format_signed_money(amount_e4) if amount_e4 else None


def _explanation(entry: LedgerEntry) -> str:
    images = entry.charged_images or entry.granted_images or abs(entry.reserved_images)
    parts = []
    if images:
        text = ngettext("%(n)s image", "%(n)s images", abs(images)) % {"n": abs(images)}
        if entry.unit_price_e4 is not None:
            price = format_money(entry.unit_price_e4)
            text = _("%(images)s at %(price)s") % {"images": text, "price": price}
        parts.append(text)
    if entry.reason:
        parts.append(entry.reason)
    if entry.by and entry.by_id != entry.person_id:
        parts.append(_("by %(name)s") % {"name": entry.by.name})
    return ", ".join(parts)
