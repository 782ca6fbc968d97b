"""What was generated and charged in a month, by name, for `manage.py usage`."""

from dataclasses import dataclass

from generations.models import Member
from generations.models.money.month import Month
from generations.models.money.usage import Figures, usage_of


@dataclass(frozen=True)
class NamedUsage:
    total: Figures
    people: dict[str, Figures]  # by user name
    models: dict[tuple[str, str], Figures]  # by engine and model


def named_usage_of(month: Month) -> NamedUsage:
    usage = usage_of(month)
    names = dict(
        Member.objects.filter(pk__in=[pk for pk in usage.people if pk]).values_list(
            "pk", "username"
        )
    )
    people = {
        names.get(pk or 0, f"deleted person {pk}"): figures for pk, figures in usage.people.items()
    }
    return NamedUsage(usage.total, people, usage.models)
