"""What many people have used and have left, for lists: a constant number of statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from generations.models.member import Member

from .ledger import Allowance, allowance_of
from .limit import Limit, LimitValues, Window
from .limit_request import LimitRequest
from .period import Period


@dataclass(frozen=True)
class Standing:
    """Of one person, or of the team: this month's counters, and what is left of each limit."""

    month: Period
    allowances: list[Allowance]

    @property
    def money(self) -> Allowance | None:
        """The limit in money with the least left."""
        limited = [each for each in self.allowances if each.left_e4 is not None]
        return min(limited, key=lambda each: each.left_e4 or 0, default=None)

    @property
    def images(self) -> Allowance | None:
        """The limit in images with the least left."""
        limited = [each for each in self.allowances if each.left_images is not None]
        return min(limited, key=lambda each: each.left_images or 0, default=None)


@dataclass(frozen=True)
class Standings:
    team: Standing
    by_member: dict[int, Standing]


def standings(members: Sequence[Member], at: datetime | None = None) -> Standings:
    """Return what these members and the team have used and have left. Writes nothing."""
    at = at or timezone.now()
    limits = Limit.objects.in_force_of(members)
    periods = Period.objects.current_of(members, at, list(Window))
    _add_grants([each for each in periods.values() if each.is_new and each.member_id is not None])
    return Standings(
        team=_standing(None, periods, limits),
        by_member={each.pk: _standing(each.pk, periods, limits) for each in members},
    )


def _standing(
    key: int | None,
    periods: dict[tuple[int | None, str], Period],
    limits: dict[int | None, dict[tuple[bool, str], LimitValues]],
) -> Standing:
    own = [periods[key, window] for window in Window]
    in_force = limits[key]
    return Standing(
        month=periods[key, Window.MONTH],
        allowances=[
            allowance_of(each, in_force[each.kind]) for each in own if each.kind in in_force
        ],
    )


def _add_grants(new: Sequence[Period]) -> None:
    """Add the grants in force to these objects of periods that do not exist yet."""
    if not new:
        return
    granted = LimitRequest.objects.filter(
        person__in={each.member_id for each in new},
        decision=LimitRequest.Decision.GRANTED,
        until__gt=min(each.starts_at for each in new),
    )
    for request in granted:
        for period in new:
            is_in_force = request.until is not None and request.until > period.starts_at
            if period.member_id == request.person_id and is_in_force:
                period.granted_e4 += request.granted_e4
                period.granted_images += request.granted_images
