"""What the owner or an admin may do to a generation: one press, one verb of the model."""

from collections.abc import Callable

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from generations.models import Generation, Member
from generations.worker import tasks

from .access import MemberRequest
from .cards import cards_of, line_now
from .changes import QUICK_SECONDS, Poller, around, whole_rows

Verb = Callable[[Generation, Member, int], bool]
Kick = Callable[[], None]


def no_kick() -> None:
    """Nothing is left to be done by the worker."""


VERBS: dict[str, tuple[Verb, Kick]] = {
    "cancel": (Generation.cancel, no_kick),
    "send-again": (Generation.send_again, tasks.enqueue_submit),
    "give-up": (Generation.abandon, no_kick),
    "look-again": (Generation.look_again, tasks.enqueue_pump),
    "fetch-again": (Generation.fetch_again, tasks.enqueue_fetch),
}


@require_POST
def act(request: MemberRequest, pk: int, verb: str) -> HttpResponse:
    mine = Generation.objects.visible_to(request.user).changeable_by(request.user)
    generation = get_object_or_404(mine, pk=pk)
    if verb not in VERBS:
        raise Http404
    do, kick = VERBS[verb]
    with transaction.atomic():
        moved = do(generation, request.user, _seen_version(request))
        if moved:
            kick()
    notice = "" if moved else _("It had moved on before your press. This is how it stands now.")
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


def _fresh_card(request: MemberRequest, pk: int, notice: str) -> HttpResponse:
    line = line_now()
    rows = whole_rows(Generation.objects.filter(pk=pk))
    context = around(request.user, whole="whole" in request.GET) | {
        "card": cards_of(rows, request.user, line)[0],
        "notice": notice,
        "poller": Poller(QUICK_SECONDS, line.trouble if line else ""),
    }
    return render(request, "cards/acted.html", context)
