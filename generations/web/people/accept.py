"""The page behind an invitation link, where a new person makes an account."""

import logging

from allauth.account.adapter import get_adapter
from allauth.core.internal import ratelimit
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from generations.models import Invitation, InvitationNotUsable, Member, NameTaken
from generations.permissions import Action
from generations.web.account.sign_in import too_many_requests
from generations.web.middleware.language import chosen_language

from .forms import NewAccountForm

logger = logging.getLogger(__name__)


@login_not_required
@never_cache
@sensitive_variables("secret")
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest, secret: str) -> HttpResponse:
    """Show the form; POST creates the account and signs in. GET uses nothing up.

    Counted before the secret is looked up, and taken back if the link and the form are right: what
    remains are guesses, limited by address. Unknown, used up, revoked and expired links get the
    same response.
    """
    usage = ratelimit.consume(request, app="allauth.account", action="invitation", limit_get=True)
    if usage is None:
        return too_many_requests(request)
    response = _accept(request, secret)
    if response.status_code < 400:
        usage.rollback()
    return response


@sensitive_variables("secret")
def _accept(request: HttpRequest, secret: str) -> HttpResponse:
    invitation = Invitation.objects.with_secret(secret).usable().first()
    if invitation is None:
        return _not_usable(request)
    if request.user.is_authenticated:
        return render(request, "invitation/signed_in.html")
    form = NewAccountForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        member = form.save(commit=False)  # hashes the password: slow, so before the transaction
        member.language = chosen_language(request)
        try:
            invitation = Invitation.objects.accept(secret, member)
        except InvitationNotUsable:
            return _not_usable(request)
        except NameTaken:
            form.add_error("username", _("This user name is taken. Choose another."))
        else:
            return _welcome(request, member, invitation)
    context = {"form": form, "invitation": invitation}
    status = 422 if form.errors else 200
    return render(request, "invitation/accept.html", context, status=status)


def _welcome(request: HttpRequest, member: Member, invitation: Invitation) -> HttpResponse:
    logger.info("%s joined as %s with %s", member, member.role, invitation)
    get_adapter().login(request, member)
    page = "studio" if member.may(Action.GENERATE) else "gallery"
    return HttpResponseRedirect(reverse(page), status=303)


def _not_usable(request: HttpRequest) -> HttpResponse:
    return render(request, "invitation/not_usable.html", status=404)
