"""`manage.py member`: add, disable and list members."""

import sys
from typing import Any

from generations.management.reports import ActionCommand, Options, Report, table
from generations.models import Member
from generations.operations import members
from generations.operations.errors import OperationError
from generations.permissions import Role


class Command(ActionCommand):
    help = "Add, disable or list members."

    def add_actions(self) -> None:
        add = self.add_action("add", self._add, "Add a member, and print a generated password.")
        add.add_argument("name", metavar="NAME", help="The user name")
        add.add_argument("--role", choices=Role.values, default=Role.MEMBER.value)
        add.add_argument(
            "--password-stdin",
            action="store_true",
            help="Read the password, one line, from standard input",
        )
        disable = self.add_action(
            "disable",
            self._disable,
            "End a member's access and sessions, and cancel their queued generations.",
        )
        disable.add_argument("name", metavar="NAME")
        self.add_action("list", self._list, "List all members.")

    def _add(self, options: Options) -> Report:
        is_given = options["password_stdin"]
        password = _read_password() if is_given else members.generate_password()
        member = members.add(options["name"], options["role"], password)
        data = {"name": member.username, "role": member.role}
        text = f"Added {member.username}, role {member.role}."
        if is_given:
            return Report(data, text)
        return Report(data | {"password": password}, f"{text} Password: {password}")

    def _disable(self, options: Options) -> Report:
        member, canceled = members.disable(options["name"])
        return Report(
            {"name": member.username, "canceled": canceled},
            f"Disabled {member.username}. Queued generations canceled: {canceled}.",
        )

    def _list(self, options: Options) -> Report:
        found = [_described(member) for member in members.listed()]
        header = ("Name", "Full name", "Role", "Active", "Last sign-in")
        rows = [
            (
                each["name"],
                each["full_name"],
                each["role"],
                "yes" if each["is_active"] else "no",
                (each["last_sign_in"] or "never")[:10],
            )
            for each in found
        ]
        return Report({"members": found}, table(header, rows))


def _described(member: Member) -> dict[str, Any]:
    return {
        "name": member.username,
        "full_name": member.get_full_name(),
        "role": member.role,
        "is_active": member.is_active,
        "last_sign_in": member.last_login.isoformat() if member.last_login else None,
    }


def _read_password() -> str:
    """Return the first line of standard input, without its end. Spaces are part of a password."""
    line = sys.stdin.buffer.readline()
    try:
        password = line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise OperationError("The password on standard input is not text in UTF-8.") from None
    if not password:
        raise OperationError("There is no password on standard input: send it as one line.")
    return password
