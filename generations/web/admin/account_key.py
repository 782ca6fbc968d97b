"""The key of the gateway's account API, beside the API keys. Only owners change it."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from generations.models import AccountKey
from generations.models.api_key import last_four_of
from generations.permissions import Action
from generations.setup import account_key, api_key
from generations.web.middleware.access import MemberRequest, requires


@dataclass(frozen=True)
class AccountKeyLine:
    """What the page of keys shows."""

    row: AccountKey | None
    is_fixed: bool  # set in the environment

    @property
    def exists(self) -> bool:
        return self.row is not None or self.is_fixed

    @property
    def last_four(self) -> str:
        if self.is_fixed and settings.DEMO:
            return ""  # the simulator's: nobody has entered it
        if self.is_fixed:
            return last_four_of(settings.ACCOUNT_KEY)
        return self.row.last_four if self.row else ""

    @property
    def is_unreadable(self) -> bool:
        return self.row is not None and not self.is_fixed and not self.row.is_readable()


def line() -> AccountKeyLine:
    is_fixed = bool(settings.ACCOUNT_KEY)
    return AccountKeyLine(None if is_fixed else AccountKey.objects.stored(), is_fixed)


@require_POST
@requires(Action.MANAGE_KEYS)
@sensitive_post_parameters()
def put(request: MemberRequest) -> HttpResponse:
    """Test the key and store it. Errors name what to do; the key is not sent back."""
    if settings.ACCOUNT_KEY:
        return _is_fixed(request)
    key = request.POST.get("account_key", "").strip()
    try:
        if not key or len(key) > api_key.MAX_KEY_CHARACTERS:
            raise api_key.KeyProblem(_("Enter the account key."))
        account_key.check(key)
        row = account_key.put(key, request.user)
    except api_key.KeyProblem as problem:
        messages.error(request, str(problem))
    except api_key.STORAGE_ERRORS:
        text = _("The key could not be stored, and nothing was changed. Check the server’s disk.")
        messages.error(request, text)
    else:
        text = _("The account key ending in %(last_four)s is stored.")
        messages.success(request, text % {"last_four": row.last_four})
    return redirect("keys")


@require_POST
@requires(Action.MANAGE_KEYS)
def test(request: MemberRequest) -> HttpResponse:
    """Ask the account API whether it accepts the key: one free query."""
    if not AccountKey.objects.exists_anywhere():
        raise Http404
    try:
        account_key.check_in_use()
    except api_key.KeyProblem as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, _("The account API accepts the key."))
    return redirect("keys")


@require_POST
@requires(Action.MANAGE_KEYS)
def remove(request: MemberRequest) -> HttpResponse:
    if settings.ACCOUNT_KEY:
        return _is_fixed(request)
    account_key.remove(request.user)
    messages.success(request, _("The account key was removed."))
    return redirect("keys")


def _is_fixed(request: MemberRequest) -> HttpResponse:
    """Say why the environment's key, which is also the demo's, stays."""
    messages.error(request, _("The account key is set in the environment and wins."))
    return redirect("keys")
