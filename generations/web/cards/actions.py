"""What the owner or an admin may do to a generation: one press, one verb of the model."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from generations.models import Generation, Member, Status, TaskTaken
from generations.models.generation import MAX_TASK_ID_LENGTH
from generations.web.middleware.access import MemberRequest
from generations.worker import tasks

from .context import page_context, with_details
from .generation_page import page

Action = Callable[[Generation, Member, int], bool]
WakeUp = Callable[[], None]


def no_wake_up() -> None:
    """Nothing is left to be done by the worker."""


ACTIONS: dict[str, tuple[Action, WakeUp]] = {
    "cancel": (Generation.cancel, no_wake_up),
    "send-again": (Generation.send_again, tasks.enqueue_submit),
    "dismiss": (Generation.abandon, no_wake_up),
    "search": (Generation.search_upstream, tasks.enqueue_lookup),
    "recheck": (Generation.recheck, tasks.enqueue_poll),
    "fetch-again": (Generation.fetch_again, tasks.enqueue_fetch),
}
ON_ITS_WAY = (Status.SUBMITTING, Status.RUNNING, Status.FETCHING)


class TaskIdForm(forms.Form):
    upstream_task_id = forms.CharField(
        max_length=MAX_TASK_ID_LENGTH,
        error_messages={"required": _("Write the id as it stands in the gateway’s log.")},
    )


@require_POST
def run_action(request: MemberRequest, pk: int, action: str) -> HttpResponse:
    mine = Generation.objects.visible_to(request.user).changeable_by(request.user)
    generation = get_object_or_404(mine, pk=pk)
    if action not in ACTIONS:
        raise Http404
    transition, wake_up = ACTIONS[action]
    with transaction.atomic():
        moved = transition(generation, request.user, _seen_version(request))
        if moved:
            wake_up()
    return _done(request, pk, "" if moved else _too_late(pk, action))


@require_POST
def enter_task_id(request: MemberRequest, pk: int) -> HttpResponse:
    """An admin found its task in the gateway's own log: it is watched under that id from now on."""
    if not request.user.is_admin:
        raise PermissionDenied
    generation = get_object_or_404(Generation.objects.visible_to(request.user), pk=pk)
    form, moved = TaskIdForm(request.POST), False
    if form.is_valid():
        task_id = form.cleaned_data["upstream_task_id"]
        try:
            with transaction.atomic():
                moved = generation.set_task_id(request.user, _seen_version(request), task_id)
                if moved:
                    tasks.enqueue_poll()
        except TaskTaken:
            form.add_error("upstream_task_id", _("Another generation has this task already."))
    if not form.errors:
        return _done(request, pk, "" if moved else _too_late(pk, "enter-task-id"))
    if request.htmx:
        return _fresh_card(request, pk, status=422, task_id_form=form)
    return page(request, pk, status=422, task_id_form=form)


def _too_late(pk: int, action: str) -> str:
    """What is said of a press that found its row moved on."""
    if action == "cancel" and Generation.objects.filter(pk=pk, status__in=ON_ITS_WAY).exists():
        return gettext("Already sent and paid for, so it will be finished and kept.")
    return gettext("It had moved on before your press. This is how it stands now.")


def _done(request: MemberRequest, pk: int, notice: str) -> HttpResponse:
    if request.htmx:
        return _fresh_card(request, pk, notice)
    if notice:
        messages.info(request, notice)
    return redirect("generation", pk=pk)


def _seen_version(request: MemberRequest) -> int:
    """The version on the card that was pressed; what cannot be read matches no row."""
    try:
        return int(request.POST.get("version", ""))
    except ValueError:
        return 0


def _fresh_card(
    request: MemberRequest, pk: int, notice: str = "", *, status: int = 200, **more: Any
) -> HttpResponse:
    rows = with_details(Generation.objects.filter(pk=pk))
    context = page_context(request, rows, full_page="full_page" in request.GET)
    more |= {"notice": notice}
    return render(request, "cards/action_result.html", context | more, status=status)
