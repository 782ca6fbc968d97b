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
from generations.worker import tasks

from .access import MemberRequest
from .cards import cards_of, current_gate
from .changes import QUICK_SECONDS, Poller, around, banner_of, whole_rows
from .generation import page

Verb = Callable[[Generation, Member, int], bool]
WakeUp = Callable[[], None]


def no_wake_up() -> None:
    """Nothing is left to be done by the worker."""


VERBS: dict[str, tuple[Verb, WakeUp]] = {
    "cancel": (Generation.cancel, no_wake_up),
    "send-again": (Generation.send_again, tasks.enqueue_submit),
    "give-up": (Generation.abandon, no_wake_up),
    "look-for": (Generation.search_upstream, tasks.enqueue_lookup),
    "look-again": (Generation.recheck, tasks.enqueue_poll),
    "fetch-again": (Generation.fetch_again, tasks.enqueue_fetch),
}
ON_ITS_WAY = (Status.SUBMITTING, Status.RUNNING, Status.FETCHING)


class NameForm(forms.Form):
    upstream_task_id = forms.CharField(
        max_length=MAX_TASK_ID_LENGTH,
        error_messages={"required": _("Write the id as it stands in the gateway’s log.")},
    )


@require_POST
def act(request: MemberRequest, pk: int, verb: str) -> HttpResponse:
    mine = Generation.objects.visible_to(request.user).changeable_by(request.user)
    generation = get_object_or_404(mine, pk=pk)
    if verb not in VERBS:
        raise Http404
    do, wake_up = VERBS[verb]
    with transaction.atomic():
        moved = do(generation, request.user, _seen_version(request))
        if moved:
            wake_up()
    return _done(request, pk, "" if moved else _too_late(pk, verb))


@require_POST
def name_task(request: MemberRequest, pk: int) -> HttpResponse:
    """An admin found its task in the gateway's own log: it is watched under that id from now on."""
    if not request.user.is_admin:
        raise PermissionDenied
    generation = get_object_or_404(Generation.objects.visible_to(request.user), pk=pk)
    form, moved = NameForm(request.POST), False
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
        return _done(request, pk, "" if moved else _too_late(pk, "name-task"))
    if request.htmx:
        return _fresh_card(request, pk, status=422, name_form=form)
    return page(request, pk, status=422, name_form=form)


def _too_late(pk: int, verb: str) -> str:
    """What is said of a press that found its row moved on."""
    if verb == "cancel" and Generation.objects.filter(pk=pk, status__in=ON_ITS_WAY).exists():
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
    gate = current_gate()
    rows = whole_rows(Generation.objects.filter(pk=pk))
    context = around(request.user, whole="whole" in request.GET) | {
        "card": cards_of(rows, request.user, gate)[0],
        "gate": gate,
        "notice": notice,
        "poller": Poller(QUICK_SECONDS, banner_of(gate)),
    }
    return render(request, "cards/acted.html", context | more, status=status)
