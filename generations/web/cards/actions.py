"""The actions on a card. What each one does is in `generations.requests`."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from generations.models import MAX_TASK_ID_CHARACTERS, Generation, LimitReached
from generations.permissions import Action
from generations.requests import (
    ACTIONS,
    NotPossible,
    PriceChanged,
    TaskIdTaken,
    Unpriced,
    has_space,
)
from generations.web.middleware.access import MemberRequest, requires
from generations.web.money.prices import parse_seen_prices
from generations.web.money.refusals import limit_text, price_changed_text, unpriced_text
from generations.web.text_fields import VisibleTextField

from .context import page_context, with_details
from .generation_page import page


class TaskIdForm(forms.Form):
    upstream_task_id = VisibleTextField(
        max_length=MAX_TASK_ID_CHARACTERS,
        error_messages={"required": _("Enter the task ID from the gateway’s log.")},
    )

    def clean_upstream_task_id(self) -> str:
        task_id: str = self.cleaned_data["upstream_task_id"]
        if has_space(task_id):
            raise forms.ValidationError(gettext("A task ID has no spaces."))
        return task_id


@require_POST
@requires(Action.CHANGE)
def run_action(request: MemberRequest, pk: int, action: str) -> HttpResponse:
    changeable = Generation.objects.visible_to(request.user).changeable_by(request.user)
    generation = get_object_or_404(changeable, pk=pk)
    if action not in ACTIONS:
        raise Http404
    options: dict[str, Any] = {}
    if action == "send-again" and "seen_prices" in request.POST:
        options["seen_e4"] = parse_seen_prices(request.POST["seen_prices"])
    try:
        ACTIONS[action](generation, request.user, seen_version(request), **options)
    except NotPossible as error:
        return _respond(request, pk, error.reason)
    except LimitReached as refusal:
        is_own = generation.owner_id == request.user.pk
        return _respond(request, pk, limit_text(refusal), limit_reached=is_own)
    except Unpriced as refusal:
        return _respond(request, pk, unpriced_text(refusal))
    except PriceChanged as refusal:
        return _respond(request, pk, price_changed_text(refusal))
    if action in ("hide", "unhide"):
        return _hidden_or_shown(request, generation, action)
    if action == "cancel" and request.htmx.target == "toast":
        return _toast(request, gettext("Canceled. Nothing was charged."))
    return _respond(request, pk)


def _hidden_or_shown(request: MemberRequest, generation: Generation, action: str) -> HttpResponse:
    """The studio's line in place of a hidden card, or the card again."""
    if request.htmx:
        if action == "unhide":
            return _current_card(request, generation.pk)
        return render(request, "cards/_hidden.html", {"generation": generation})
    if action == "hide":
        messages.info(request, _("Removed from the studio. The gallery lists it under its state."))
    return redirect("studio")


@require_POST
@requires(Action.ENTER_TASK_ID)
def enter_task_id(request: MemberRequest, pk: int) -> HttpResponse:
    generation = get_object_or_404(Generation.objects.visible_to(request.user), pk=pk)
    form, notice = TaskIdForm(request.POST), ""
    if form.is_valid():
        task_id = form.cleaned_data["upstream_task_id"]
        try:
            ACTIONS["enter-task-id"](generation, request.user, seen_version(request), task_id)
        except TaskIdTaken as error:
            form.add_error("upstream_task_id", error.reason)
        except NotPossible as error:
            notice = error.reason
    if not form.errors:
        return _respond(request, pk, notice)
    if request.htmx:
        return _current_card(request, pk, status=422, task_id_form=form)
    return page(request, pk, status=422, task_id_form=form)


def _toast(request: MemberRequest, message: str, **extra: Any) -> HttpResponse:
    return render(request, "_toast.html", {"message": message} | extra)


def _respond(request: MemberRequest, pk: int, notice: str = "", **extra: Any) -> HttpResponse:
    if notice and request.htmx.target == "toast":
        return _toast(request, notice, **extra)
    if request.htmx:
        return _current_card(request, pk, notice, **extra)
    if notice:
        messages.info(request, notice)
    return redirect("generation", pk=pk)


def seen_version(request: MemberRequest) -> int:
    """The version that the card showed; 0, which no row has, when it cannot be read."""
    try:
        return int(request.POST.get("version", ""))
    except ValueError:
        return 0


def _current_card(
    request: MemberRequest, pk: int, notice: str = "", *, status: int = 200, **extra: Any
) -> HttpResponse:
    rows = with_details(Generation.objects.filter(pk=pk))
    context = page_context(request, rows, full_page="full_page" in request.GET)
    extra |= {"notice": notice}
    return render(request, "cards/action_result.html", context | extra, status=status)
