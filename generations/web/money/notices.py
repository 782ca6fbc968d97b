"""What a member is to be told once: budgets that are nearly used, and decisions on requests."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generations.models import Member, Team
from generations.models.money import BudgetWarning, Limit, LimitRequest
from generations.models.money.ledger import allowance_of
from generations.models.money.limit import LimitValues
from generations.permissions import Action, may

from .formats import format_money


@dataclass(frozen=True)
class Notices:
    """`texts` can be marked as read; `waiting` stays until an admin has decided."""

    texts: list[str]
    waiting: str


def notices_of(member: Member) -> Notices:
    """One small query where there is nothing to tell, as on nearly every page."""
    has_warnings, has_decisions, has_requests = _what_exists(member)
    texts = _warning_texts(member) if has_warnings else []
    if has_decisions:
        decided = member.limit_requests.filter(was_read=False).exclude(decision="")
        texts += [_decision_text(each) for each in decided]
    is_told = has_requests and may(member, Action.MANAGE_MONEY)
    return Notices(texts, _waiting_text() if is_told else "")


def _warning_texts(member: Member) -> list[str]:
    """Return the highest threshold of each period, which comes last."""
    unread = list(BudgetWarning.objects.unread_of(member).select_related("period"))
    limits = Limit.objects.in_force(member) if unread else {}
    holding = [each for each in unread if _holds(each, limits.get(each.period.kind))]
    return list({each.period_id: _warning_text(each) for each in holding}.values())


def _holds(warning: BudgetWarning, limit: LimitValues | None) -> bool:
    """Whether as much of the limit is used still: it may have been raised since."""
    if limit is None:
        return False
    allowance = allowance_of(warning.period, limit)
    pairs = (
        (allowance.limit_e4, allowance.used_e4),
        (allowance.limit_images, allowance.used_images),
    )
    return any(most and used * 100 >= warning.percent * most for most, used in pairs)


def _what_exists(member: Member) -> tuple[bool, bool, bool]:
    """Whether there are unread warnings, unread decisions and undecided requests."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT
                EXISTS (SELECT 1 FROM generations_budgetwarning
                    WHERE person_id = %s AND read_at IS NULL),
                EXISTS (SELECT 1 FROM generations_limitrequest
                    WHERE person_id = %s AND NOT was_read),
                EXISTS (SELECT 1 FROM generations_limitrequest WHERE decision = '')""",
            [member.pk, member.pk],
        )
        warnings, decisions, requests = cursor.fetchone()
    return bool(warnings), bool(decisions), bool(requests)


def _waiting_text() -> str:
    count = LimitRequest.objects.open().count()
    text = ngettext("%d person asks for more.", "%d people ask for more.", count)
    return text % count if count else ""


def _warning_text(warning: BudgetWarning) -> str:
    kinds = {
        (True, "month"): _("%d %% of the team’s budget for this month is used."),
        (True, "day"): _("%d %% of the team’s budget for today is used."),
        (False, "month"): _("%d %% of your limit for this month is used."),
        (False, "day"): _("%d %% of your limit for today is used."),
    }
    return kinds[warning.period.kind] % warning.percent


def _decision_text(request: LimitRequest) -> str:
    if until := until_text(request):
        amount = granted_text(request)
        return _("Your limit was raised by %(amount)s until %(until)s.") % {
            "amount": amount,
            "until": until,
        }
    return _("Your request for more was declined.")


def until_text(request: LimitRequest) -> str:
    """The last day of a grant in the team's time zone; "" for a request that was not granted."""
    if request.decision != LimitRequest.Decision.GRANTED or not request.until:
        return ""
    last_moment = request.until - timedelta(seconds=1)
    return date_format(last_moment.astimezone(Team.objects.current().zone), "DATE_FORMAT")


def request_text(request: LimitRequest) -> str:
    """What was asked for: "$5.00 and 20 images"."""
    return _amounts(request.amount_e4, request.images)


def granted_text(request: LimitRequest) -> str:
    """What was granted: "$5.00 and 20 images"."""
    return _amounts(request.granted_e4, request.granted_images)


def _amounts(amount_e4: int, images: int) -> str:
    parts = [format_money(amount_e4)] if amount_e4 else []
    if images:
        parts.append(ngettext("%d image", "%d images", images) % images)
    return _(" and ").join(parts)
