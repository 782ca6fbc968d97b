"""Creates the first owner, and stores what the set-up form says about the team."""

import logging
from contextlib import suppress
from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction

from generations.models import (
    DEFAULT_ENGINE,
    ApiKey,
    AuditAction,
    AuditEntry,
    Generation,
    Member,
    Team,
    team_settings,
)
from generations.models.audit_entry import FIRST_START
from generations.models.money import Limit, Price, Window
from generations.models.money.price import ANY
from generations.permissions import Role

from . import api_key, code

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TeamSetup:
    """`month_money_e4`: None means no limit. `api_key`: empty means that none is stored."""

    name: str
    time_zone: str
    currency: str
    month_money_e4: int | None
    price_e4: int | None = None  # of an image; None: not set here
    api_key: str = field(default="", repr=False)


class AlreadySetUp(Exception):
    """A person exists: somebody else was first."""


class Cache:
    """Of this process. Once true it stays true: people are disabled, not deleted."""

    person_exists = False


def person_exists() -> bool:
    """Whether the first start is over. A query only until it is."""
    if not Cache.person_exists:
        Cache.person_exists = Member.objects.exists()
    return Cache.person_exists


def create_owner(owner: Member, setup: TeamSetup) -> None:
    """Save the first person as the owner, and the team. Raises AlreadySetUp, or as `api_key.put`.

    Of several calls at once, in any process, exactly one succeeds. The caller has set the name
    and the password, whose hash takes too long for a transaction.
    """
    with transaction.atomic():
        team = Team.objects.lock()
        if Member.objects.exists():
            raise AlreadySetUp
        owner.role = Role.OWNER
        owner.save()
        AuditEntry.objects.record(
            AuditAction.JOINED, owner, on=owner, after={"role": owner.role}, note=FIRST_START
        )
        _store(team, setup, owner)
    logger.info("%s set up the team and is its owner", owner)
    with suppress(OSError):  # the page is closed anyway, and the next start tries again
        code.discard()


def change(setup: TeamSetup, by: Member) -> None:
    """Store what an owner has entered after the demo. Raises as `api_key.put`."""
    with transaction.atomic():
        _store(Team.objects.lock(), setup, by)
    logger.info("%s set up the team", by)


def _store(team: Team, setup: TeamSetup, by: Member) -> None:
    entered = {
        "team_name": ("name", setup.name),
        "time_zone": ("time_zone", setup.time_zone),
        "currency": ("currency", setup.currency),
    }
    for setting, (column, value) in entered.items():
        if (before := getattr(team, column)) != value:
            setattr(team, column, value)
            team_settings.record(setting, before, value, by)
    team.save(update_fields=["name", "time_zone", "currency"])
    Limit.objects.put(Limit.Scope.TEAM, Window.MONTH, money_e4=setup.month_money_e4, by=by)
    if setup.price_e4 is not None:
        _set_price(setup.price_e4, by, is_live=bool(setup.api_key) or not settings.DEMO)
    if setup.api_key:
        api_key.put(ApiKey.Slot.FIRST, setup.api_key, by)  # last: an error undoes the rest


def _set_price(amount_e4: int, by: Member, *, is_live: bool) -> None:
    """Set the price of every kind of image. Demo and gateway have prices of their own."""
    upstream = Generation.Upstream.LIVE if is_live else Generation.Upstream.SIMULATOR
    kind = {"upstream": upstream, "engine": DEFAULT_ENGINE, "model": ANY}
    Price.objects.put(kind, amount_e4, by)
