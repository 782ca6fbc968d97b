"""The side list of the admin: which page stands where, and who sees it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from generations.models.money import LimitRequest
from generations.permissions import Action, may


@dataclass(frozen=True)
class Entry:
    """One page. `also` are the names of the pages below it, and `count` what waits there."""

    label: str | Promise
    url_name: str
    action: Action
    also: tuple[str, ...] = ()
    count: int = 0
    is_of_demo: bool = False
    is_current: bool = False


def _rows(label: str | Promise, model: str, action: Action = Action.OPEN_ADMIN) -> Entry:
    """The pages of Django's admin for one model."""
    names = ("add", "change", "delete", "history")
    prefix = f"generations_{model}_"
    return Entry(label, f"admin:{prefix}changelist", action, tuple(prefix + name for name in names))


PEOPLE_PAGES = ("invite", "person", "disable-person", "hand-over", "mail-invitations")

GROUPS: tuple[tuple[str | Promise, tuple[Entry, ...]], ...] = (
    (
        "",
        (
            Entry(_("Overview"), "overview", Action.OPEN_ADMIN),
            Entry(_("Usage"), "usage", Action.MANAGE_MONEY),
        ),
    ),
    (
        _("People"),
        (Entry(_("People"), "people", Action.MANAGE_PEOPLE, PEOPLE_PAGES),),
    ),
    (
        _("Money"),
        (
            _rows(_("Limits"), "limit", Action.MANAGE_MONEY),
            _rows(_("Prices"), "price", Action.MANAGE_MONEY),
            _rows(_("Ledger"), "ledgerentry", Action.MANAGE_MONEY),
        ),
    ),
    (
        _("Generation"),
        (
            Entry(_("Queue"), "queue", Action.MANAGE_QUEUE),
            _rows(_("Generations"), "generation"),
            _rows(_("Images"), "picture"),
        ),
    ),
    (
        _("System"),
        (
            Entry(_("Settings"), "team-settings", Action.CHANGE_SETTINGS, ("test-prompt",)),
            Entry(_("Retention"), "retention", Action.CHANGE_SETTINGS),
            Entry(_("Fault drills"), "drills", Action.MANAGE_QUEUE, is_of_demo=True),
            Entry(
                _("Diagnostics"),
                "admin:django_q_schedule_changelist",
                Action.OPEN_ADMIN,
                ("django_q_ormq_changelist", "django_q_success_changelist"),
            ),
        ),
    ),
)


def groups_for(request: HttpRequest) -> Iterator[tuple[Any, list[Entry]]]:
    """Yield the heading and the entries of each group that the member may open."""
    member: Any = request.user
    match = request.resolver_match
    current = match.url_name if match else ""
    counts = _counts()
    for heading, entries in GROUPS:
        shown = [
            replace(
                entry,
                count=counts.get(entry.url_name, 0),
                is_current=current in (entry.url_name.removeprefix("admin:"), *entry.also),
            )
            for entry in entries
            if may(member, entry.action) and (settings.DEMO or not entry.is_of_demo)
        ]
        if shown:
            yield heading, shown


def _counts() -> dict[str, int]:
    return {"usage": LimitRequest.objects.open().count()}
