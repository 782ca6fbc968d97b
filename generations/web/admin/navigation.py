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


def _rows(
    label: str | Promise,
    model: str,
    action: Action = Action.OPEN_ADMIN,
    also: tuple[str, ...] = (),
) -> Entry:
    """The pages of Django's admin for one model."""
    pages = (*_pages("generations", model), *also)
    return Entry(label, f"admin:generations_{model}_changelist", action, pages)


def _pages(app: str, *models: str) -> tuple[str, ...]:
    pages = ("changelist", "add", "change", "delete", "history", "import")
    return tuple(f"{app}_{model}_{page}" for model in models for page in pages)


DIAGNOSTIC_PAGES = (
    *_pages("django_q", "schedule", "ormq", "success", "failure"),
    *_pages("generations", "upstreamgate"),
)
PEOPLE_PAGES = (
    "person",
    "person-limits",
    "disable-person",
    "hand-over",
    "create-reset-link",
    "remove-second-factor",
)
INVITATION_PAGES = ("invite", "mail-invitations")

GROUPS: tuple[tuple[str | Promise, tuple[Entry, ...]], ...] = (
    (
        "",
        (
            Entry(_("Overview"), "overview", Action.OPEN_ADMIN, ("decide",)),
            Entry(_("Usage"), "usage", Action.MANAGE_MONEY),
        ),
    ),
    (
        _("People"),
        (
            Entry(_("People"), "people", Action.MANAGE_PEOPLE, PEOPLE_PAGES),
            Entry(_("Invitations"), "invitations", Action.MANAGE_PEOPLE, INVITATION_PAGES),
            Entry(_("Requests"), "requests", Action.MANAGE_MONEY, ("grant-more",)),
        ),
    ),
    (
        _("Money"),
        (
            Entry(_("Limits"), "limits", Action.MANAGE_MONEY, ("set-limit",)),
            _rows(_("Prices"), "price", Action.MANAGE_MONEY),
            _rows(_("Ledger"), "ledgerentry", Action.MANAGE_MONEY, ("correct-charge",)),
            Entry(
                _("Reconciliation"),
                "reconciliation",
                Action.MANAGE_MONEY,
                ("upload-log", "gateway-log", "decide-difference", "decide-differences"),
            ),
        ),
    ),
    (
        _("Generation"),
        (
            Entry(_("Queue"), "queue", Action.MANAGE_QUEUE, ("configure-queue", "decide-several")),
            Entry(_("Engines and keys"), "keys", Action.OPEN_ADMIN, ("put-key",)),
            _rows(_("Generations"), "generation"),
            _rows(_("Images"), "picture"),
        ),
    ),
    (
        _("System"),
        (
            Entry(_("Audit log"), "audit-log", Action.OPEN_ADMIN),
            Entry(_("Settings"), "team-settings", Action.CHANGE_SETTINGS, ("test-prompt",)),
            Entry(_("Retention"), "retention", Action.CHANGE_SETTINGS),
            Entry(_("Fault drills"), "drills", Action.MANAGE_QUEUE, is_of_demo=True),
            Entry(_("Diagnostics"), "diagnostics", Action.OPEN_ADMIN, DIAGNOSTIC_PAGES),
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
    return {"requests": LimitRequest.objects.open().count()}
