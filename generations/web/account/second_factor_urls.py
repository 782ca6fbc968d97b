"""URLs of the second factor; each view is imported with its first request."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache

from .forms import only_with

MODULE = "generations.web.account.second_factor"
FOLDER = "settings/second-factor"


def _view(name: str) -> Callable[..., HttpResponse]:
    """The view function or class of this name in second_factor.py, while the setting is on."""

    @only_with("SECOND_FACTOR")
    @never_cache
    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        found: Any = getattr(import_module(MODULE), name)
        function = found.as_view() if hasattr(found, "as_view") else found
        response: HttpResponse = function(request, *args, **kwargs)
        return response

    return view


# The names are the library's: it redirects to them.
urlpatterns: list[URLPattern] = [
    path(f"{FOLDER}/", _view("overview"), name="mfa_index"),
    path(f"{FOLDER}/app/", _view("SetUpApp"), name="mfa_activate_totp"),
    path(f"{FOLDER}/app/remove/", _view("RemoveApp"), name="mfa_deactivate_totp"),
    path(f"{FOLDER}/codes/", _view("RecoveryCodes"), name="mfa_view_recovery_codes"),
    path(f"{FOLDER}/codes/new/", _view("NewRecoveryCodes"), name="mfa_generate_recovery_codes"),
    path(
        f"{FOLDER}/codes/download",
        _view("DownloadRecoveryCodes"),
        name="mfa_download_recovery_codes",
    ),
    path(f"{FOLDER}/passkeys/add/", _view("AddPasskey"), name="mfa_add_webauthn"),
    path(f"{FOLDER}/passkeys/<int:pk>/remove/", _view("RemovePasskey"), name="mfa_remove_webauthn"),
    path("settings/confirm/code/", _view("ConfirmWithCode"), name="mfa_reauthenticate"),
    path(
        "settings/confirm/passkey/",
        _view("ConfirmWithPasskey"),
        name="mfa_reauthenticate_webauthn",
    ),
    path(
        "accounts/second-factor/", login_not_required(_view("EnterCode")), name="mfa_authenticate"
    ),
]
