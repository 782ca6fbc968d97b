"""`manage.py limit`: how much the team and each person may spend."""

from typing import Any

from generations.management.reports import ActionCommand, Options, Report, table
from generations.models import Team
from generations.models.money import Limit, Window
from generations.models.money.amounts import plain
from generations.operations import limits, members
from generations.operations.errors import OperationError
from generations.permissions import Role

# The name of each option, and what it changes.
VALUES = {
    "day_money": (Window.DAY, "money_e4", limits.read_money),
    "month_money": (Window.MONTH, "money_e4", limits.read_money),
    "day_images": (Window.DAY, "images", limits.read_images),
    "month_images": (Window.MONTH, "images", limits.read_images),
}


class Command(ActionCommand):
    help = "Set or list limits of money and images."

    def add_actions(self) -> None:
        change = self.add_action("set", self._set, "Change only the limits that are given.")
        whose = change.add_mutually_exclusive_group(required=True)
        whose.add_argument("--member", metavar="NAME", help="One person")
        whose.add_argument("--role", choices=Role.values, help="Each person with this role")
        whose.add_argument("--team", action="store_true", help="The whole team")
        whose.add_argument(
            "--default", action="store_true", help="Each person without another limit"
        )
        for name in VALUES:
            change.add_argument(
                _flag(name),
                metavar="A" if name.endswith("money") else "N",
                help="none removes this limit",
            )
        self.add_action("list", self._list, "List all limits.")

    def _set(self, options: Options) -> Report:
        changes = [_change(name, options[name]) for name in VALUES if options[name] is not None]
        if not changes:
            flags = ", ".join(map(_flag, VALUES))
            raise OperationError(f"Nothing was changed. Give at least one of {flags}.")
        whose = _whose(options)
        described = _described(whose, limits.change(whose, changes))
        return Report(described, _table([described]))

    def _list(self, options: Options) -> Report:
        found = [_described(*each) for each in limits.by_scope()]
        data = {"currency": Team.objects.current().currency, "limits": found}
        return Report(data, _table(found) if found else "No limits are set.")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _change(name: str, text: str) -> limits.Change:
    window, column, read = VALUES[name]
    try:
        return limits.Change(window, column, read(text))
    except OperationError as error:
        raise OperationError(f"{_flag(name)}: {error.sentence}") from None


def _whose(options: Options) -> limits.Whose:
    if options["member"] is not None:
        return limits.Whose(Limit.Scope.MEMBER, member=members.find(options["member"]))
    if options["role"]:
        return limits.Whose(Limit.Scope.ROLE, role=options["role"])
    return limits.Whose(Limit.Scope.TEAM if options["team"] else Limit.Scope.DEFAULT)


def _described(whose: limits.Whose, by_window: limits.Limits) -> dict[str, Any]:
    described: dict[str, Any] = {
        "scope": whose.scope.value,
        "role": whose.role or None,
        "member": whose.member.username if whose.member else None,
    }
    for name, (window, column, _read) in VALUES.items():
        value = getattr(by_window.get(window), column, None)
        if column == "money_e4" and value is not None:
            value = plain(value)
        described[name] = value
    return described


def _table(found: list[dict[str, Any]]) -> str:
    currency = Team.objects.current().currency
    header = ("Limit of", f"Day {currency}", f"Month {currency}", "Day images", "Month images")
    rows = [
        (
            " ".join(filter(None, (each["scope"], each["role"], each["member"]))),
            *("none" if each[name] is None else each[name] for name in VALUES),
        )
        for each in found
    ]
    return table(header, rows)
