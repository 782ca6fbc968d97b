"""`manage.py ledger`: check, rebuild and export the ledger."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext_noop

from generations.management.reports import ActionCommand, Options, Output, Report, table
from generations.models import AuditAction, AuditEntry, Team
from generations.models.audit_entry import BY_COMMAND
from generations.models.money import ledger, usage_day
from generations.models.money.amounts import plain
from generations.operations import ledger_check, ledger_export
from generations.operations.errors import OperationError
from generations.operations.ledger_check import Difference
from generations.operations.moments import parse_month


class Command(ActionCommand):
    help = "Check, rebuild or export the ledger."

    def add_actions(self) -> None:
        self.add_action(
            "check", self._check, "Compare all counters and reservations with the entries."
        )
        rebuild = self.add_action(
            "rebuild", self._rebuild, "Set all counters and daily sums to the sums of the entries."
        )
        rebuild.add_argument("--yes", action="store_true", help="Do not ask")
        export = self.add_action("export", self._export, "Print the entries as CSV.")
        export.add_argument("--month", metavar="YYYY-MM", help="Only the periods of this month")

    def _check(self, options: Options) -> Report:
        return _compared({}, "The ledger explains every figure.")

    def _rebuild(self, options: Options) -> Report:
        found = ledger_check.differences()
        if found and not options["yes"]:
            self._ask(found, as_json=options["as_json"])
        rebuilt = _rebuilt() if found else 0
        return _compared({"periods_rebuilt": rebuilt}, f"Periods rebuilt: {rebuilt}.")

    def _ask(self, found: list[Difference], *, as_json: bool) -> None:
        """Raises OperationError unless the person agrees."""
        unchanged = OperationError("Nothing was changed. --yes rebuilds without asking.")
        if as_json:
            raise unchanged
        self.stdout.write(_table(found))
        self.stdout.write("Set these counters to the sums of their entries? [y/N] ", ending="")
        self.stdout.flush()
        try:
            answer = input()
        except EOFError:
            answer = ""
        if answer.strip().lower() not in ("y", "yes"):
            raise unchanged

    def _export(self, options: Options) -> Output:
        zone = Team.objects.current().zone
        month = parse_month(options["month"], zone) if options["month"] is not None else None
        AuditEntry.objects.record(
            AuditAction.EXPORTED,
            None,
            label=gettext_noop("ledger"),
            after={"month": options["month"]} if month else {},
            note=BY_COMMAND,
        )
        export = ledger_export.export_json if options["as_json"] else ledger_export.export_csv
        return export(month, zone)


@transaction.atomic
def _rebuilt() -> int:
    """Rebuild the counters; return how many periods there are. Daily sums are computed again."""
    rebuilt = ledger.rebuild()
    usage_day.mark_all_outdated()
    AuditEntry.objects.record(
        AuditAction.CORRECTED,
        None,
        label=gettext_noop("counters"),
        after={"periods": rebuilt},
        note=BY_COMMAND,
    )
    return rebuilt


def _compared(data: dict[str, Any], text: str) -> Report:
    """What the ledger does not explain; an error if there is anything."""
    found = ledger_check.check()
    data = data | {"differences": [_described(each) for each in found]}
    if not found:
        return Report(data, text)
    error = f"The ledger does not explain {len(found)} figure{'s' if len(found) > 1 else ''}."
    return Report(data, _table(found), error=error)


def _described(each: Difference) -> dict[str, Any]:
    """Amounts of money as text, numbers of images and reservations as numbers."""
    found, expected = each.found, each.expected
    if each.is_money:
        return {"figure": each.what, "found": plain(found), "expected": plain(expected)}
    return {"figure": each.what, "found": found, "expected": expected}


def _table(found: list[Difference]) -> str:
    rows = [tuple(_described(each).values()) for each in found]
    return table(("Figure", "Found", "By the entries"), rows)
