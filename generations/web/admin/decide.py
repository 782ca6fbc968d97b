"""Decide about a generation from the overview or the queue page, or about a model without a price.

Unlike the actions of a card, these also reach private generations of others: an admin answers for
their money, and sees nothing of their content.
"""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from generations.models import Generation, team_settings
from generations.models.money import RefusedKind
from generations.models.money.price import current_upstream
from generations.models.team_settings import Change, SettingConflict
from generations.permissions import Action
from generations.requests import ACTIONS as REQUEST_ACTIONS
from generations.requests import NotPossible, TaskIdTaken
from generations.web.cards.actions import TaskIdForm, seen_version
from generations.web.middleware.access import MemberRequest, requires
from generations.web.money.formats import format_money

from .decisions import ACTIONS, TASK_ID, kind_label
from .overview import overview_page
from .queue import queue_page

PAGES = {"overview": overview_page, "queue": queue_page}


@require_POST
@requires(Action.MANAGE_QUEUE)
def decide(request: MemberRequest, pk: int, action: str) -> HttpResponse:
    """Run the action if the row is still the one that the page showed, and show the page again."""
    changeable = Generation.objects.for_current_upstream().changeable_by(request.user)
    row = get_object_or_404(changeable, pk=pk)
    if action not in (*ACTIONS, TASK_ID):
        raise Http404
    page = request.POST.get("page", "")
    page = page if page in PAGES else "overview"
    form = TaskIdForm(request.POST) if action == TASK_ID else None
    if form is not None and not form.is_valid():
        return _with_error(request, page, pk, form)
    try:
        _run(row, request, action, form)
    except TaskIdTaken as error:
        assert form is not None
        form.add_error("upstream_task_id", error.reason)
        return _with_error(request, page, pk, form)
    except NotPossible as error:
        messages.info(request, error.reason)
    else:
        messages.success(request, _done_text(row, action))
    return redirect(page)


@require_POST
@requires(Action.CHANGE_SETTINGS)
def hide_kind(request: MemberRequest, pk: int) -> HttpResponse:
    """Do not offer a kind without a price any more. The settings list what is not offered."""
    kind = get_object_or_404(RefusedKind.objects.filter(upstream=current_upstream()), pk=pk)
    hidden = list(team_settings.current().hidden_kinds)
    change = Change("hidden_kinds", seen=hidden, value=[*hidden, str(kind)])
    try:
        team_settings.change([change], request.user)
    except SettingConflict:
        messages.info(request, _("Somebody else changed this setting just now. Try again."))
    else:
        kind.delete()
        text = _("%(kind)s is not offered any more. The settings can change that.")
        messages.success(request, text % {"kind": kind_label(kind)})
    return redirect("overview")


def _run(row: Generation, request: MemberRequest, action: str, form: TaskIdForm | None) -> None:
    """Run the action, which also records it in the audit log."""
    values = () if form is None else (form.cleaned_data["upstream_task_id"],)
    REQUEST_ACTIONS[action](row, request.user, seen_version(request), *values)
    row.refresh_from_db()


def _with_error(request: MemberRequest, page: str, pk: int, form: TaskIdForm) -> HttpResponse:
    extra: dict[str, Any] = {"task_id_form": form, "task_id_pk": pk}
    return PAGES[page](request, status=422, **extra)


def _done_text(row: Generation, action: str) -> str:
    """What happens now, and what it costs."""
    if action == "dismiss":
        if not row.charged_e4:
            return _("Dismissed. Images that still arrive are kept.")
        amount = format_money(row.charged_e4)
        return _("Dismissed. %s counts as charged. Images that still arrive are kept.") % amount
    texts = {
        "fetch-again": _("Downloading again, which is free."),
        TASK_ID: _("Checking this task, which is free. Its images are kept."),
    }
    return texts.get(action, _("Checking again, which is free."))
