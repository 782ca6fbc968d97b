"""Ask for a higher limit, and decide on such requests."""

from datetime import datetime, timedelta

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from generations.models import Team
from generations.models.money import LimitRequest, Window, ledger
from generations.models.money.period import boundaries
from generations.permissions import Action
from generations.web.middleware.access import MemberRequest, requires

from .forms import DecisionForm, LimitRequestForm
from .usage import usage_page


@require_POST
@requires(Action.ASK_FOR_MORE)
def ask(request: MemberRequest) -> HttpResponse:
    form = LimitRequestForm(request.POST)
    if not form.is_valid():
        return usage_page(request, form, status=422)
    try:
        with transaction.atomic():
            LimitRequest.objects.create(
                person=request.user,
                amount_e4=form.cleaned_data["amount"] or 0,
                images=form.cleaned_data["images"] or 0,
                reason=form.cleaned_data["reason"],
            )
    except IntegrityError:
        form.add_error(None, _("You already asked for more. An admin has not decided yet."))
        return usage_page(request, form, status=422)
    messages.success(request, _("Your request was sent to the admins."))
    return redirect("usage")


@require_POST
@requires(Action.MANAGE_MONEY)
def grant(request: MemberRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(LimitRequest.objects.select_related("person"), pk=pk)
    form = DecisionForm(request.POST)
    until = form.cleaned_data["until"] if form.is_valid() else "month"
    return _decided(request, ledger.grant(row, request.user, _end(until)))


@require_POST
@requires(Action.MANAGE_MONEY)
def decline(request: MemberRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(LimitRequest, pk=pk)
    return _decided(request, ledger.decline(row, request.user))


def _decided(request: MemberRequest, is_first: bool) -> HttpResponse:
    if not is_first:
        messages.info(request, _("Another admin already decided on this request."))
    return redirect("usage")


def _end(until: str) -> datetime:
    zone, now = Team.objects.current().zone, timezone.now()
    _start, end = boundaries(Window.MONTH, now, zone)
    if until == "next-month":
        return boundaries(Window.MONTH, end + timedelta(days=1), zone)[1]
    return end
