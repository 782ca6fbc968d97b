"""The set-up page of the first start, the same form for an owner, and the page of the restart."""

import math
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.core.internal import ratelimit
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from generations.models import Member, Team
from generations.models.money import Limit, Window, amounts
from generations.permissions import Action
from generations.setup import api_key, code, team
from generations.web.account.adapter import seconds_to_wait
from generations.web.middleware.access import MemberRequest, requires
from generations.web.middleware.language import chosen_language
from generations.web.middleware.time_zone import COOKIE, automatic_zone, valid_zone

from .forms import CURRENCIES, FirstStartForm, TeamForm

METHODS = ["GET", "HEAD", "POST"]
RATE = "setup_code"  # in settings.ACCOUNT_RATE_LIMITS


@login_not_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(METHODS)
def first_start(request: HttpRequest) -> HttpResponse:
    """Create the owner and the team, once, for the person who has the printed code."""
    if team.person_exists():
        return _closed(request)
    if request.method != "POST":
        initial = _initial(request) | {"code": request.GET.get("code", "")}
        return _show(request, FirstStartForm(initial=initial))
    error, wait = _check_code(request)
    if error and team.person_exists():  # since the first question: the code has just ended
        return _closed(request)
    form = FirstStartForm(request.POST, code_error=error)
    if wait:
        form.full_clean()
        return _show(request, form, wait)
    if form.is_valid():
        owner = form.owner()
        owner.language = chosen_language(request)
        try:
            team.create_owner(owner, form.setup())
        except team.AlreadySetUp:
            return _closed(request)
        except api_key.STORAGE_ERRORS:
            _add_storage_error(form)
        else:
            get_adapter().login(request, owner)
            return _done(request)
    return _show(request, form)


@requires(Action.SET_UP_TEAM)
@never_cache
@sensitive_post_parameters()
@require_http_methods(METHODS)
def own_team(request: MemberRequest) -> HttpResponse:
    """The same form after the demo: an owner exists, and no code is needed."""
    if not settings.DEMO:
        raise Http404
    if request.method != "POST":
        return _show(request, TeamForm(initial=_initial(request, request.user)))
    form = TeamForm(request.POST)
    if form.is_valid():
        try:
            team.change(form.setup(), request.user)
        except api_key.STORAGE_ERRORS:
            _add_storage_error(form)
        else:
            return _done(request)
    return _show(request, form)


@requires(Action.SET_UP_TEAM)
@never_cache
@require_safe
def restart(request: MemberRequest) -> HttpResponse:
    """Shown until the processes use the stored key. Then it leads to the studio."""
    if not _waits_for_restart():
        return HttpResponseRedirect(reverse("studio"))
    return render(request, "setup/restart.html")


def _waits_for_restart() -> bool:
    return bool(settings.DEMO) and api_key.is_stored()


def _closed(request: HttpRequest) -> HttpResponse:
    return render(request, "setup/closed.html", status=404)


def _done(request: HttpRequest) -> HttpResponse:
    messages.success(request, _("Your team is set up."))
    page = "setup-restart" if _waits_for_restart() else "studio"
    return HttpResponseRedirect(reverse(page), status=303)


def _check_code(request: HttpRequest) -> tuple[str, int]:
    """Return what is wrong with the code, and the seconds until the next try is allowed.

    A try is counted in advance and taken back if it is right. While it is refused, the code is
    not looked at.
    """
    usage = ratelimit.consume(request, app="allauth.account", action=RATE)
    if usage is None:
        wait = seconds_to_wait(request, RATE, "")
        return _too_many(wait), wait
    if code.matches(request.POST.get("code", "")):
        usage.rollback()
        return "", 0
    if not code.exists():
        return _("No code is valid. Restart klingweb: it prints a new one."), 0
    return _("This is not the code that klingweb printed at its last start."), 0


def _too_many(seconds: int) -> str:
    minutes = math.ceil(seconds / 60)
    return ngettext(
        "Too many wrong codes. Try again in %(minutes)d minute.",
        "Too many wrong codes. Try again in %(minutes)d minutes.",
        minutes,
    ) % {"minutes": minutes}


def _add_storage_error(form: TeamForm) -> None:
    form.add_error(
        "api_key", _("The key could not be stored, and nothing was saved. Check the server’s disk.")
    )


def _initial(request: HttpRequest, member: Member | None = None) -> dict[str, Any]:
    stored = Team.objects.first()
    limit = Limit.objects.filter(scope=Limit.Scope.TEAM, window=Window.MONTH).first()
    budget_e4 = limit.money_e4 if limit else None
    known = stored or Team()
    return {
        "team_name": known.name,
        "time_zone": (valid_zone(known.time_zone) or known.time_zone)
        if stored
        else automatic_zone(request, member),
        "currency": known.currency,
        "budget": "" if budget_e4 is None else amounts.plain(budget_e4),
    }


def _show(request: HttpRequest, form: TeamForm, wait: int = 0) -> HttpResponse:
    context = {
        "form": form,
        "is_first_start": isinstance(form, FirstStartForm),
        "asks_for_key": "api_key" in form.fields,
        "has_code": code.exists(),
        "currencies": CURRENCIES,
        # The script asks again once it has set the cookie.
        "knows_browser_zone": bool(valid_zone(request.COOKIES.get(COOKIE, ""))),
    }
    response = render(request, "setup/setup.html", context, status=_status(form, wait))
    if wait:
        response["Retry-After"] = str(wait)
    return response


def _status(form: TeamForm, wait: int) -> int:
    if wait:
        return 429
    return 422 if form.errors else 200
