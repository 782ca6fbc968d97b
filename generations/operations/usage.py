"""What was generated and charged in a month, from the entries of the team's month."""

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db.models import Sum

from generations.models.money import LedgerEntry, Period, Window
from generations.models.money.price import current_upstream

from .ledger_check import open_step
from .moments import Month

Key = TypeVar("Key", bound=Hashable)
FIGURES = ("charged_images", "charged_e4", "reserved_images", "reserved_e4")


@dataclass
class Figures:
    """Images and amounts. What is reserved may still be charged."""

    charged_images: int = 0
    charged_e4: int = 0
    reserved_images: int = 0
    reserved_e4: int = 0

    def add(self, sums: Mapping[str, Any]) -> None:
        for name in FIGURES:
            setattr(self, name, getattr(self, name) + sums[f"{name}__sum"])


@dataclass
class Usage:
    total: Figures = field(default_factory=Figures)
    open_requests: int = 0  # their charge is not known yet
    people: dict[str, Figures] = field(default_factory=lambda: defaultdict(Figures))
    models: dict[tuple[str, str], Figures] = field(default_factory=lambda: defaultdict(Figures))


def usage_of(month: Month) -> Usage:
    usage = Usage()
    entries = LedgerEntry.objects.filter(period__in=_periods_of_the_team(month)).order_by()
    rows = entries.values("person_id", "person__username", "engine", "model")
    for row in rows.annotate(*(Sum(name) for name in FIGURES), open=Sum(open_step())):
        usage.open_requests += row["open"]
        for figures in (
            usage.total,
            usage.people[row["person__username"] or f"deleted person {row['person_id']}"],
            usage.models[row["engine"], row["model"]],
        ):
            figures.add(row)
    usage.people = _highest_first(usage.people)
    usage.models = _highest_first(usage.models)
    return usage


def _highest_first(groups: dict[Key, Figures]) -> dict[Key, Figures]:
    def rank(item: tuple[Key, Figures]) -> tuple[int, int, str]:
        key, figures = item
        return -figures.charged_e4 - figures.reserved_e4, -figures.charged_images, str(key)

    return dict(sorted(groups.items(), key=rank))


def _periods_of_the_team(month: Month) -> list[int]:
    """One, or several where the time zone was changed."""
    starts_at, ends_at = month.boundaries
    periods = Period.objects.filter(
        upstream=current_upstream(),
        member=None,
        window=Window.MONTH,
        starts_at__lt=ends_at,
        ends_at__gt=starts_at,
    )
    return [each.pk for each in periods if month.contains(each.starts_at, each.ends_at)]
