"""The pages that the search opens by their name."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from generations.models import Member
from generations.permissions import Action
from generations.web.admin.navigation import GROUPS


@dataclass(frozen=True)
class Place:
    label: Any
    url_name: str
    action: Action | None = None  # what a member must be allowed to do
    is_of_demo: bool = False


_NAMED = (
    Place(_("Studio"), "studio", Action.GENERATE),
    Place(_("Gallery"), "gallery"),
    Place(_("Collections"), "collections"),
    Place(_("New batch"), "new-batch", Action.GENERATE),
    Place(_("Prompt library"), "prompts", Action.GENERATE),
    Place(_("Prompt history"), "history"),
    Place(_("Notifications"), "notifications"),
    Place(_("Usage"), "usage"),
    Place(_("Trash"), "trash"),
    Place(_("Settings"), "settings"),
    Place(_("Change password"), "account_change_password"),
    Place(_("Sessions"), "usersessions_list"),
    Place(_("Admin"), "overview", Action.OPEN_ADMIN),
    Place(_("Team settings"), "team-settings", Action.CHANGE_SETTINGS),
)
# And every other page of the admin's side list.
PLACES = _NAMED + tuple(
    Place(entry.label, entry.url_name, entry.action, entry.is_of_demo)
    for _heading, entries in GROUPS
    for entry in entries
    if entry.url_name not in {place.url_name for place in _NAMED}
)
FIRST = 3  # shown before anything is typed


def places(member: Member) -> list[Place]:
    """The pages that this member may open."""
    return [
        place
        for place in PLACES
        if (place.action is None or member.may(place.action))
        and (settings.DEMO or not place.is_of_demo)
    ]
