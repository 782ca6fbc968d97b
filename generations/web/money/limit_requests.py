"""Ask for a higher limit. Admins decide in `web/admin/limit_requests.py`."""

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from generations.models.money import LimitRequest
from generations.permissions import Action
from generations.web.middleware.access import MemberRequest, requires

from .forms import LimitRequestForm
from .usage import usage_page


@require_POST
@requires(Action.ASK_FOR_MORE)
def ask(request: MemberRequest) -> HttpResponse:
    form = LimitRequestForm(request.POST)
    if not form.is_valid():
        return usage_page(request, form, status=422)
    try:
        LimitRequest.objects.ask(
            request.user,
            form.cleaned_data["reason"],
            amount_e4=form.cleaned_data["amount"] or 0,
            images=form.cleaned_data["images"] or 0,
        )
    except IntegrityError:
        form.add_error(None, _("You already asked for more. An admin has not decided yet."))
        return usage_page(request, form, status=422)
    messages.success(request, _("Your request was sent to the admins."))
    return redirect("usage")
