"""Decide about several stuck generations at once, after a page that says how many and at what cost.

What each action does, and what an admin sees of private rows, is as in `decide`.
"""

from dataclasses import dataclass

from django.contrib import messages
from django.db import DatabaseError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from generations.database_errors import reason_after
from generations.joining import join_sentences
from generations.models import Generation
from generations.permissions import Action
from generations.requests import ACTIONS as REQUEST_ACTIONS
from generations.requests import NotPossible
from generations.web.cards.messages import ACTION_MESSAGES
from generations.web.ids import parse_row
from generations.web.middleware.access import MemberRequest, requires
from generations.web.money.formats import format_money

from . import doubtful
from .decisions import ACTIONS
from .queue import MAX_SELECTED


@dataclass(frozen=True)
class Question:
    """What the page before the decision asks and says."""

    title: str
    cost: str
    label: str | Promise


@require_POST
@requires(Action.MANAGE_QUEUE)
def decide_several(request: MemberRequest) -> HttpResponse:
    """Ask first; with `confirmed`, decide about each row that is still as it was shown."""
    action = request.POST.get("action", "")
    if action not in ACTIONS:
        raise Http404
    versions = _versions(request)
    changeable = Generation.objects.for_current_upstream().changeable_by(request.user)
    rows = list(changeable.filter(pk__in=versions).order_by("pk"))
    if not rows:
        messages.info(request, _("Select at least one request."))
        return redirect("queue")
    if "confirmed" not in request.POST:
        context = {
            "question": _question(action, rows),
            "action": action,
            "rows": [f"{row.pk}:{versions[row.pk]}" for row in rows],
        }
        return render(request, "admin/queue/several.html", context)
    done, reasons = 0, set[str]()
    for row in rows:
        try:
            REQUEST_ACTIONS[action](row, request.user, versions[row.pk])
            done += 1
        except NotPossible as error:
            reasons.add(str(error.reason))
        except DatabaseError as error:
            reasons.add(reason_after(done, error))
            break
    _report(request, done, len(rows) - done, sorted(reasons))
    return redirect("queue")


def _versions(request: MemberRequest) -> dict[int, int]:
    rows = map(parse_row, request.POST.getlist("row")[:MAX_SELECTED])
    return dict(row for row in rows if row)


def _question(action: str, rows: list[Generation]) -> Question:
    number = len(rows)
    if action != "dismiss":
        text = ngettext("Check %(n)d request again?", "Check %(n)d requests again?", number)
        label = ACTION_MESSAGES[action].label
        return Question(text % {"n": number}, _("This is free. Nothing is sent again."), label)
    title = ngettext("Dismiss %(n)d request?", "Dismiss %(n)d requests?", number) % {"n": number}
    amount_e4 = sum(doubtful.reserved_amounts([row.pk for row in rows]).values())
    cost = _("Nothing is reserved for them.")
    if amount_e4:
        cost = _("Up to %s counts as charged, because the gateway may have charged it.")
        cost %= format_money(amount_e4)
    return Question(title, cost, gettext_lazy("Dismiss"))


def _report(request: MemberRequest, done: int, left: int, reasons: list[str]) -> None:
    if done:
        text = ngettext("%(n)d request was decided.", "%(n)d requests were decided.", done)
        messages.success(request, text % {"n": done})
    if left:
        text = ngettext(
            "%(n)d request was left as it is. %(why)s",
            "%(n)d requests were left as they are. %(why)s",
            left,
        )
        messages.warning(request, text % {"n": left, "why": join_sentences(reasons)})
