"""`manage.py price`: the price table."""

from collections.abc import Iterator

from django.utils import timezone
from django.utils.translation import gettext_noop

from generations.management.reports import ActionCommand, Options, Output, Report, table
from generations.models import AuditAction, AuditEntry, Team
from generations.models.audit_entry import BY_COMMAND
from generations.models.money.amounts import plain
from generations.models.money.price import current_upstream
from generations.operations import price_csv, prices
from generations.operations.moments import formatted


class Command(ActionCommand):
    help = "Set, list, export or import prices of images."

    def add_actions(self) -> None:
        new = self.add_action("set", self._set, "Set the price of an image, from now or later on.")
        new.add_argument("engine", metavar="ENGINE", help="For example kling")
        new.add_argument("model", metavar="MODEL", help="For example kling-v1; * is any model")
        new.add_argument("amount", metavar="AMOUNT", help="For example 0.05; at most four places")
        new.add_argument("--option", metavar="KEY", default="", help="For example reference")
        new.add_argument(
            "--from",
            metavar="DATE",
            dest="valid_from",
            default="",
            help="A day or an ISO date and time, in the team's time zone",
        )
        self.add_action("list", self._list, "List the prices in force, and those that begin later.")
        self.add_action("export", self._export, "Print all prices as CSV, superseded ones too.")
        load = self.add_action("import", self._import, "Add all prices of a CSV file, or none.")
        load.add_argument("file", metavar="FILE")

    def _set(self, options: Options) -> Report:
        team = Team.objects.current()
        names = ("engine", "model", "amount", "option", "valid_from")
        new = prices.read(zone=team.zone, **{name: options[name].strip() for name in names})
        note = prices.note_if_unused(new)
        price, is_new = prices.put(new)
        amount, since = plain(price.amount_e4), formatted(price.valid_from, team.zone)
        text = f"{new}: {amount} {team.currency} an image from {since} ({team.time_zone})."
        return Report(
            price_csv.cells(price, team.zone) | {"is_new": is_new},
            text if is_new else f"{text} Nothing was changed.",
            notes=[note] if note else [],
        )

    def _list(self, options: Options) -> Report:
        team, now = Team.objects.current(), timezone.now()
        found = [
            price_csv.cells(price, team.zone) | {"is_in_force": price.valid_from <= now}
            for price in prices.current_and_later()
        ]
        header = ("Engine", "Model", "Option", f"Price in {team.currency}", "From")
        rows = [
            (
                each["engine"],
                each["model"],
                each["option"] or "-",
                each["amount"],
                each["valid_from"][:16].replace("T", " "),
            )
            for each in found
        ]
        data = {"currency": team.currency, "upstream": current_upstream(), "prices": found}
        return Report(data, table(header, rows) if rows else "No prices are set.")

    def _export(self, options: Options) -> Output:
        AuditEntry.objects.record(
            AuditAction.EXPORTED, None, label=gettext_noop("price table"), note=BY_COMMAND
        )
        if options["as_json"]:
            return Report({"prices": list(price_csv.rows())}, "")
        lines: Iterator[str] = price_csv.export()
        return lines

    def _import(self, options: Options) -> Report:
        imported = price_csv.load(options["file"])
        return Report(
            {"added": imported.added, "unchanged": imported.unchanged},
            f"Prices added: {imported.added}. Unchanged: {imported.unchanged}.",
            notes=imported.notes,
        )
