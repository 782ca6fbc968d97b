"""`manage.py usage`: what was generated and charged in a month."""

from typing import Any

from django.core.management.base import CommandParser

from generations.management.reports import Options, Report, ReportCommand, table
from generations.models import Team
from generations.models.money.amounts import plain
from generations.models.money.month import Month
from generations.models.money.price import current_upstream
from generations.models.money.usage import Figures
from generations.operations.moments import parse_month
from generations.operations.usage import NamedUsage, named_usage_of

HEADER = ("Images", "Charged", "Reserved")


class Command(ReportCommand):
    help = "Print images and amounts of a month: in total, by person, and by engine and model."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--month", metavar="YYYY-MM", help="In the team's time zone; default: this month"
        )

    def report(self, options: Options) -> Report:
        team, text = Team.objects.current(), options["month"]
        month = Month.current(team.zone) if text is None else parse_month(text, team.zone)
        usage = named_usage_of(month)
        return Report(_data(team, month, usage), _text(team, month, usage))


def _data(team: Team, month: Month, usage: NamedUsage) -> dict[str, Any]:
    return {
        "month": str(month),
        "time_zone": team.time_zone,
        "currency": team.currency,
        "upstream": current_upstream(),
        "total": _described(usage.total) | {"open_requests": usage.total.open_requests},
        "people": [
            {"person": person, **_described(figures)} for person, figures in usage.people.items()
        ],
        "models": [
            {"engine": engine, "model": model, **_described(figures)}
            for (engine, model), figures in usage.models.items()
        ],
    }


def _described(figures: Figures) -> dict[str, Any]:
    return {
        "images": figures.charged_images,
        "charged": plain(figures.charged_e4),
        "reserved_images": figures.reserved_images,
        "reserved": plain(figures.reserved_e4),
    }


def _text(team: Team, month: Month, usage: NamedUsage) -> str:
    parts = [
        f"{month} ({team.time_zone}), amounts in {team.currency}",
        table(HEADER, [_row(usage.total)]),
    ]
    if usage.total.open_requests:
        parts.append(f"Open requests, whose charge may still change: {usage.total.open_requests}.")
    if usage.people:
        people = [(person, *_row(figures)) for person, figures in usage.people.items()]
        models = [(*key, *_row(figures)) for key, figures in usage.models.items()]
        parts.append(table(("Person", *HEADER), people))
        parts.append(table(("Engine", "Model", *HEADER), models))
    return "\n\n".join(parts)


def _row(figures: Figures) -> tuple[int, str, str]:
    return figures.charged_images, plain(figures.charged_e4), plain(figures.reserved_e4)
