"""The rows of the page People: each person with usage, what is left, and what is going on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr

from allauth.usersessions.models import UserSession
from django.db.models import Count, Max
from django.utils import timezone
from django.utils.translation import gettext as _

from generations.models import Generation, Invitation, Member, Status
from generations.models.money import Allowance, LimitRequest, Window
from generations.models.money.standing import Standing, standings
from generations.permissions import Action, Role
from generations.web.formats import format_day, format_time_ago
from generations.web.money.formats import format_sum, percent_used
from generations.web.money.notices import request_text

IN_PROGRESS = (Status.QUEUED, Status.SUBMITTING, Status.RUNNING, Status.FETCHING)
MAX_PEOPLE = 1000  # of a team; more are found by the search
NEAR_PERCENT = 95  # from here on the meter is amber
WARNED_PERCENT = 80


@dataclass(frozen=True)
class Left:
    """One limit as a meter with words: "$22.56 of $120.00"."""

    text: str
    percent: int  # used, at most 100

    @property
    def is_nearly_used(self) -> bool:
        return self.percent >= NEAR_PERCENT


@dataclass(frozen=True)
class PersonRow:
    person: Member
    images: int
    charged_e4: int
    left: Left | None
    activity: str
    asks: bool  # and so waits for a decision
    is_self: bool
    is_protected: bool  # an owner, seen by an admin


def used_this_month(people: Sequence[Member]) -> list[tuple[Member, Standing]]:
    """Return the people with their standing: the active ones first, who spend most first."""
    found = standings(people).by_member
    pairs = [(person, found[person.pk]) for person in people]
    return sorted(pairs, key=_place)


def _place(pair: tuple[Member, Standing]) -> tuple[bool, int, int, str]:
    person, standing = pair
    month = standing.month
    return (not person.is_active, -month.used_e4, -month.used_images, person.name.casefold())


def is_over(standing: Standing, percent: int = WARNED_PERCENT) -> bool:
    """Whether so much of one of the limits is used."""
    return any(
        limit and used * 100 >= limit * percent
        for each in standing.allowances
        for used, limit in (
            (each.used_e4, each.limit_e4),
            (each.used_images, each.limit_images),
        )
    )


def person_rows(pairs: Sequence[tuple[Member, Standing]], by: Member) -> list[PersonRow]:
    """Return the rows of these people, as `by` sees them. A constant number of statements."""
    keys = [person.pk for person, _standing in pairs]
    asked = {row.person_id: row for row in LimitRequest.objects.open().filter(person__in=keys)}
    open_rows = Generation.objects.filter(
        owner__in=keys, finished_at=None, status__in=IN_PROGRESS
    ).order_by()
    in_progress = dict(open_rows.values_list("owner").annotate(Count("pk")))
    sessions = UserSession.objects.filter(user__in=keys).order_by()
    last_seen = dict(sessions.values_list("user").annotate(Max("last_seen_at")))
    return [
        PersonRow(
            person=person,
            images=standing.month.charged_images,
            charged_e4=standing.month.charged_e4,
            left=left_of(standing) if person.is_active else None,
            activity=_activity(
                person, asked.get(person.pk), in_progress.get(person.pk, 0), last_seen
            ),
            asks=person.is_active and person.pk in asked,
            is_self=person.pk == by.pk,
            is_protected=person.role == Role.OWNER and not by.may(Action.MANAGE_OWNERS),
        )
        for person, standing in pairs
    ]


def left_of(standing: Standing) -> Left | None:
    """What is left of the limit that a list shows: of this month, else of today; money first."""
    by_window = {each.window: each for each in standing.allowances}
    kinds: tuple[Callable[[Allowance], Left | None], ...] = (_money_left, _images_left)
    found = (
        left
        for window in (Window.MONTH, Window.DAY)
        if window in by_window
        for left_of_kind in kinds
        if (left := left_of_kind(by_window[window]))
    )
    return next(found, None)


def _money_left(allowance: Allowance) -> Left | None:
    if allowance.limit_e4 is None:
        return None
    values = {
        "left": format_sum(allowance.left_e4 or 0),
        "limit": format_sum(allowance.limit_e4),
    }
    text = _("%(left)s of %(limit)s today") if _is_day(allowance) else _("%(left)s of %(limit)s")
    return Left(text % values, percent_used(allowance.used_e4, allowance.limit_e4))


def _images_left(allowance: Allowance) -> Left | None:
    if allowance.limit_images is None:
        return None
    values = {"left": allowance.left_images, "limit": allowance.limit_images}
    text = _("%(left)d of %(limit)d images")
    if _is_day(allowance):
        text = _("%(left)d of %(limit)d images today")
    return Left(text % values, percent_used(allowance.used_images, allowance.limit_images))


def _is_day(allowance: Allowance) -> bool:
    return allowance.window == Window.DAY


def _activity(
    person: Member,
    request: LimitRequest | None,
    in_progress: int,
    last_seen: dict[int, datetime],
) -> str:
    """The first that applies of: disabled, asks for more, in progress, last seen."""
    if not person.is_active:
        if person.disabled_at is None:  # before klingweb recorded it
            return _("disabled")
        return _("disabled %(day)s") % {
            "day": format_day(timezone.localtime(person.disabled_at).date())
        }
    if request:
        return _("asks for %(amount)s") % {"amount": request_text(request)}
    if in_progress:
        return _("%(n)d in progress") % {"n": in_progress}
    seen = [at for at in (last_seen.get(person.pk), person.last_login) if at]
    return _seen(max(seen)) if seen else _("never signed in")


def _seen(at: datetime) -> str:
    today, day = timezone.localdate(), timezone.localtime(at).date()
    if timezone.now() - at < timedelta(hours=1):
        return _("active %(ago)s") % {"ago": format_time_ago(at)}
    if day == today:
        return _("active today")
    if day == today - timedelta(days=1):
        return _("active yesterday")
    return _("active %(day)s") % {"day": format_day(day)}


@dataclass(frozen=True)
class InvitedRow:
    """An open invitation with a name, among the people."""

    invitation: Invitation
    name: str  # "Ada" of "Ada <ada@example.org>"
    address: str

    @property
    def initials(self) -> str:
        return Member(username=self.name).initials

    @property
    def activity(self) -> str:
        row = self.invitation
        if not row.uses:
            return _("invited, link unused")
        return _("invited, %(uses)d of %(max)d joined") % {"uses": row.uses, "max": row.max_uses}


def invited_rows(invitations: Sequence[Invitation]) -> list[InvitedRow]:
    return [InvitedRow(row, *_name_and_address(row.made_for)) for row in invitations]


def _name_and_address(made_for: str) -> tuple[str, str]:
    name, address = parseaddr(made_for)
    return (name, address) if name and "@" in address else (made_for, "")
