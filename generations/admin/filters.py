"""Filters of the lists. Each has an index, in the order of the list."""

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.models import Failure, Member, Recovered, Status, Team
from generations.models.among import Among
from generations.models.money import Window
from generations.models.money.period import boundaries

from .keyset_list import row_id

MAX_PEOPLE = 200  # in the menu; `?person=` accepts others too
MAX_RECOVERED = 5_000  # the newest


class PersonFilter(admin.SimpleListFilter):
    """Rows of one person, by the column `field`."""

    title = _("person")
    parameter_name = "person"
    field = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        people = Member.objects.order_by("username")
        listed = {str(each.pk): each.name for each in people[:MAX_PEOPLE]}
        chosen = row_id(self.value() or "")
        if chosen is not None and str(chosen) not in listed:
            listed |= {str(each.pk): each.name for each in people.filter(pk=chosen)}
        return list(listed.items())

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        return queryset.filter(**{f"{self.field}_id": row_id(self.value() or "")})


class DateFilter(admin.DateFieldListFilter):
    """By the time that the list is ordered by."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.title = _("date")


class FailureFilter(admin.SimpleListFilter):
    title = _("failure")
    parameter_name = "failure"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        return list(Failure.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        if request.GET.get("status__exact", Status.FAILED) != Status.FAILED:
            return queryset.none()  # else all failed rows would be read to find that out
        # The second condition is that of the index.
        return queryset.filter(failure=self.value()).exclude(failure="")


class RecoveredFilter(admin.SimpleListFilter):
    """Generations that gave images although their answer was late, lost or given up."""

    title = _("recovered")
    parameter_name = "recovered"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        return [("month", _("This month")), ("ever", _("Any time"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("month", "ever"):
            return queryset
        rows = Recovered.objects.order_by("-at")
        if self.value() == "month":
            zone = Team.objects.current().zone
            start, _end = boundaries(Window.MONTH, timezone.now(), zone)
            rows = rows.filter(at__gte=start)
        return queryset.filter(
            Among(F("pk"), list(rows.values_list("generation_id", flat=True)[:MAX_RECOVERED]))
        )
