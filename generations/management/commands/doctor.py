"""`manage.py doctor`: what is wrong with this install, and what to do."""

from collections.abc import Iterator
from dataclasses import asdict

from django.core.management.base import CommandParser

from generations.keeping import doctor, orphans
from generations.keeping.finding import Finding, Level
from generations.management.reports import Options, Output, Report, ReportCommand


class Command(ReportCommand):
    help = "Check this install, and say what to do. Changes nothing. Status 1: there is a problem."
    requires_system_checks = []  # they are one of its own checks

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--list-orphans",
            action="store_true",
            help="Only print the names of the files that belong to no row, one a line",
        )

    def report(self, options: Options) -> Output:
        if options["list_orphans"]:
            return (f"{name}\n" for name in orphans.orphans())
        found = list(doctor.examine())
        problems = sum(each.level is Level.PROBLEM for each in found)
        warnings = sum(each.level is Level.WARNING for each in found)
        data = {
            "problems": problems,
            "warnings": warnings,
            "findings": [asdict(each) for each in found],
        }
        error = f"Problems: {problems}. Warnings: {warnings}." if problems else ""
        return Report(data, "\n".join(_lines(found)), error=error)


def _lines(found: list[Finding]) -> Iterator[str]:
    width = max(len(each.subject) for each in found)
    for each in found:
        yield f"{each.level:<8} {each.subject:<{width}}  {each.text}"
        indent = " " * (width + 11)
        if each.advice:
            yield f"{indent}{each.advice}"
        for name in each.names:
            yield f"{indent}{name}"
