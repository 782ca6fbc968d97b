"""Who may do what: one table, asked by every view, template, admin page and command.

The table is printed in docs/permissions.md. Whether a member may see a private generation is not a
permission but a query: `visible_to`.
"""

from enum import StrEnum
from typing import Any, Protocol

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Role(models.TextChoices):
    OWNER = "owner", _("Owner")
    ADMIN = "admin", pgettext_lazy("role", "Admin")
    MEMBER = "member", _("Member")
    VIEWER = "viewer", _("Viewer")


class Action(StrEnum):
    FAVOURITE = "favourite"
    GENERATE = "generate"  # the only action that spends; also the prompt library
    ORGANIZE = "organize"  # tags and collections
    COMMENT = "comment"
    EDIT_COMMENT = "edit-comment"
    DELETE_COMMENT = "delete-comment"
    CHANGE = "change"  # a generation or its images, a batch, a saved prompt
    DELETE_COLLECTION = "delete-collection"
    ASK_FOR_MORE = "ask-for-more"
    DELETE_PERMANENTLY = "delete-permanently"
    ENTER_TASK_ID = "enter-task-id"
    MANAGE_MONEY = "manage-money"
    MANAGE_PEOPLE = "manage-people"
    CHANGE_SETTINGS = "change-settings"
    MANAGE_QUEUE = "manage-queue"
    OPEN_ADMIN = "open-admin"
    SEE_INTERNALS = "see-internals"  # stored codes and responses of the API
    MANAGE_OWNERS = "manage-owners"
    SET_UP_TEAM = "set-up-team"
    MANAGE_KEYS = "manage-keys"  # of the gateway


class Scope(StrEnum):
    OWN = "own"  # only what belongs to the member
    ALL = "all"


_VIEWER = {
    Action.FAVOURITE: Scope.ALL,
    Action.DELETE_COMMENT: Scope.OWN,  # from before the person was a viewer
}
_MEMBER = _VIEWER | {
    Action.COMMENT: Scope.ALL,
    Action.EDIT_COMMENT: Scope.OWN,
    Action.GENERATE: Scope.ALL,
    Action.ORGANIZE: Scope.ALL,
    Action.CHANGE: Scope.OWN,
    Action.DELETE_COLLECTION: Scope.OWN,
    Action.ASK_FOR_MORE: Scope.ALL,
}
# No role may change what somebody else has written.
_ADMIN = dict.fromkeys(Action, Scope.ALL) | {Action.EDIT_COMMENT: Scope.OWN}
del _ADMIN[Action.MANAGE_OWNERS], _ADMIN[Action.SET_UP_TEAM], _ADMIN[Action.MANAGE_KEYS]
_OWNER = dict.fromkeys(Action, Scope.ALL) | {Action.EDIT_COMMENT: Scope.OWN}

PERMISSIONS: dict[str, dict[Action, Scope]] = {
    Role.OWNER: _OWNER,
    Role.ADMIN: _ADMIN,
    Role.MEMBER: _MEMBER,
    Role.VIEWER: _VIEWER,
}


def roles_with(action: Action) -> list[str]:
    """The roles that allow the action, at least on one's own rows."""
    return [role for role, allowed in PERMISSIONS.items() if action in allowed]


class Actor(Protocol):
    """A member. This module imports no models: they import it."""

    pk: Any
    role: Any
    is_active: Any


class Owned(Protocol):
    """A row that belongs to a member."""

    @property
    def owner_id(self) -> int | None: ...


def scope_of(member: Actor, action: Action) -> Scope | None:
    """On whose rows the member may do this; None: on no rows."""
    if not member.is_active:
        return None
    return PERMISSIONS.get(member.role, {}).get(action)


def may(member: Actor, action: Action, on: Owned | None = None) -> bool:
    """Whether the member may do this, to the row `on` if the action is about one."""
    match scope_of(member, action):
        case Scope.ALL:
            return True
        case Scope.OWN:
            return on is not None and on.owner_id == member.pk
    return False
