"""Diagnostics: the tables of the task queue, for those who look for a fault."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from generations.permissions import Action
from generations.web.middleware.access import requires

# Name of the page, heading, explanation.
TABLES = (
    (
        "django_q_schedule",
        _("Scheduled tasks"),
        _("What the worker runs regularly, such as its heartbeat, and when next."),
    ),
    (
        "django_q_ormq",
        _("Queued tasks"),
        _("Wake-ups that wait for the worker. Usually none or a few."),
    ),
    ("django_q_success", _("Successful tasks"), _("The last runs, with their duration.")),
    ("django_q_failure", _("Failed tasks"), _("Runs that ended with an error, with its text.")),
    (
        "generations_upstreamgate",
        _("Gates"),
        _("Concurrency limit, waits, hold and pause of each engine, as they are stored."),
    ),
)


@require_safe
@requires(Action.OPEN_ADMIN)
def diagnostics(request: HttpRequest) -> HttpResponse:
    tables = [(f"admin:{name}_changelist", *texts) for name, *texts in TABLES]
    return render(request, "admin/diagnostics.html", {"tables": tables})


def models_of_tasks(request: HttpRequest) -> HttpResponse:
    """Lead from Django's page of the application `django_q` to ours."""
    return redirect("diagnostics")


def models_of_klingweb(request: HttpRequest) -> HttpResponse:
    """Lead from Django's page of this application to ours."""
    return redirect("overview")
