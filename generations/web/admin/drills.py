"""Fault drills: one press each, and what the fault cost. Only in the demo."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from generations.drills import BY_SLUG, DRILLS, SimulatorAway, runs_of, start
from generations.models import LimitReached
from generations.permissions import Action
from generations.requests import InvalidRequest, Unpriced
from generations.web.middleware.access import MemberRequest, require_role, requires
from generations.web.money.refusals import limit_text, unpriced_text

REFRESH_SECONDS = 2  # while a drill is in progress


@require_safe
@requires(Action.MANAGE_QUEUE)
def drills(request: MemberRequest) -> HttpResponse:
    if not settings.DEMO:
        raise Http404
    runs = runs_of(request.user)
    context = {
        "drills": DRILLS,
        "runs": runs,
        "refresh_seconds": REFRESH_SECONDS if any(run.is_open for run in runs) else 0,
    }
    template = "admin/_drill_runs.html" if request.htmx else "admin/drills.html"
    return render(request, template, context)


@require_POST
@requires(Action.MANAGE_QUEUE)
def start_drill(request: MemberRequest, slug: str) -> HttpResponse:
    """Start a drill, which requests one image in the demo."""
    require_role(request.user, Action.GENERATE)
    drill = BY_SLUG.get(slug)
    if not settings.DEMO or drill is None:
        raise Http404
    try:
        start(drill, request.user)
    except SimulatorAway:
        messages.error(request, _("The simulator does not answer. Nothing was sent. Try again."))
    except LimitReached as refusal:
        messages.error(request, limit_text(refusal))
    except Unpriced as refusal:
        messages.error(request, unpriced_text(refusal))
    except InvalidRequest as refusal:
        messages.error(request, " ".join(refusal.errors.values()))
    return redirect("drills")
