"""The second factor: set it up, remove it, and use it to sign in or to confirm a change.

The views are the library's, with our templates. This module is imported with the first request that
needs it (`second_factor_urls.py`), because the library's code for passkeys takes 10 MB a process.
"""

import json
import logging
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.mfa.base.views import AuthenticateView, ReauthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import (
    DownloadRecoveryCodesView,
    GenerateRecoveryCodesView,
    ViewRecoveryCodesView,
)
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.views import (
    AddWebAuthnView,
    ReauthenticateWebAuthnView,
    RemoveWebAuthnView,
)
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from generations.models import AuditAction, AuditEntry, Team, audit_entry, second_factor
from generations.web.middleware.access import MemberRequest

from .forms import UnprocessableForm
from .passkey_forms import (
    MAX_NAME_CHARACTERS,
    AddPasskeyForm,
    ConfirmWithPasskeyForm,
    UsePasskeyForm,
)

logger = logging.getLogger(__name__)

OVERVIEW = reverse_lazy("mfa_index")


def _go(request: HttpRequest, message: str, url: str = "") -> HttpResponseRedirect:
    messages.success(request, message)
    return HttpResponseRedirect(url or str(OVERVIEW), status=303)


def _record(request: MemberRequest, action: AuditAction, kind: str) -> None:
    AuditEntry.objects.record(action, request.user, on=request.user, after={"kind": kind})


def _as_json(options: Any) -> str:
    """Options of WebAuthn, for an attribute that `passkeys.js` reads."""
    return json.dumps(options, cls=DjangoJSONEncoder)


# --- the member's own pages ------------------------------------------------------------------


@require_safe
def overview(request: MemberRequest) -> HttpResponse:
    """What is set up, and what can be."""
    rows = Authenticator.objects.filter(user=request.user).order_by("created_at")
    by_type: dict[str, list[Any]] = {each: [] for each in Authenticator.Type}
    for row in rows:
        by_type[row.type].append(row)
    codes = by_type[Authenticator.Type.RECOVERY_CODES]
    context = {
        "app": next(iter(by_type[Authenticator.Type.TOTP]), None),
        "passkeys": by_type[Authenticator.Type.WEBAUTHN],
        "codes_left": _codes_left(codes[0]) if codes else None,
        "can_add_passkeys": settings.PASSKEYS,
        "can_confirm": bool(get_adapter().get_reauthentication_methods(request.user)),
        "provider": settings.OIDC_NAME,
    }
    return render(request, "settings/second_factor.html", context)


def _codes_left(row: Any) -> int:
    try:
        return len(row.wrap().get_unused_codes())
    except ValidationError:  # cannot be read: new ones can be made
        return 0


class StoresSecrets:
    """A view that encrypts a secret, for which the file of the encryption key must be usable."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        except second_factor.NotStored as error:
            logger.error("Could not store a second factor: %s", error)
            messages.error(request, gettext("Could not save."))
            return HttpResponseRedirect(str(OVERVIEW))


class SetUpApp(StoresSecrets, UnprocessableForm, ActivateTOTPView):  # type: ignore[misc]
    template_name = "settings/set_up_app.html"

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            super().form_valid(form)
            _record(self.request, AuditAction.SECOND_FACTOR_ADDED, audit_entry.APP)
        is_first = self.did_generate_recovery_codes
        url = reverse("mfa_view_recovery_codes") if is_first else ""
        return _go(self.request, gettext("Second factor set up."), url)


class RemoveApp(DeactivateTOTPView):  # type: ignore[misc]
    template_name = "settings/remove_app.html"

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            super().form_valid(form)
            _record(self.request, AuditAction.SECOND_FACTOR_REMOVED, audit_entry.APP)
        return _go(self.request, gettext("App removed."))


class ReadsCodes:
    """A view of recovery codes, which also notes in their row that they were seen."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            with transaction.atomic():
                Team.objects.lock()  # so that it does not undo a rotation of the encryption key
                return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        except ValidationError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(str(OVERVIEW))


class RecoveryCodes(ReadsCodes, ViewRecoveryCodesView):  # type: ignore[misc]
    template_name = "settings/recovery_codes.html"


class DownloadRecoveryCodes(ReadsCodes, DownloadRecoveryCodesView):  # type: ignore[misc]
    template_name = "settings/recovery_codes.txt"


class NewRecoveryCodes(StoresSecrets, UnprocessableForm, GenerateRecoveryCodesView):  # type: ignore[misc]
    template_name = "settings/new_recovery_codes.html"

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            Team.objects.lock()  # before the rows of the codes, as in a rotation
            super().form_valid(form)
            _record(self.request, AuditAction.SECOND_FACTOR_ADDED, audit_entry.RECOVERY_CODES)
        message = gettext("New recovery codes created. The old ones no longer work.")
        return _go(self.request, message, reverse("mfa_view_recovery_codes"))


class AddPasskey(StoresSecrets, UnprocessableForm, AddWebAuthnView):  # type: ignore[misc]
    template_name = "settings/add_passkey.html"
    form_class = AddPasskeyForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not settings.PASSKEYS:
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        # The library's view would show a new form without the errors.
        full: dict[str, Any] = super().get_context_data(**context) | context
        options = _as_json(full["js_data"]["creation_options"])
        return full | {"options": options, "max_name_characters": MAX_NAME_CHARACTERS}

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            super().form_valid(form)
            _record(self.request, AuditAction.SECOND_FACTOR_ADDED, audit_entry.PASSKEY)
        is_first = self.did_generate_recovery_codes
        url = reverse("mfa_view_recovery_codes") if is_first else ""
        return _go(self.request, gettext("Passkey added."), url)


class RemovePasskey(RemoveWebAuthnView):  # type: ignore[misc]
    template_name = "settings/remove_passkey.html"
    success_url = OVERVIEW

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            super().form_valid(form)
            _record(self.request, AuditAction.SECOND_FACTOR_REMOVED, audit_entry.PASSKEY)
        return _go(self.request, gettext("Passkey removed."))


# --- use it ----------------------------------------------------------------------------------


class EnterCode(AuthenticateView):  # type: ignore[misc]
    """After the password, before the session begins."""

    template_name = "account/second_factor.html"
    webauthn_form_class = UsePasskeyForm

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        full: dict[str, Any] = super().get_context_data(**context)
        types = set(
            Authenticator.objects.filter(user=self.stage.login.user).values_list("type", flat=True)
        )
        if Authenticator.Type.WEBAUTHN in types:
            full["options"] = _as_json(full["js_data"]["request_options"])
        errors = [*self.auth_form.errors.get("code", []), *_credential_errors(self.webauthn_form)]
        return full | {
            "has_app": Authenticator.Type.TOTP in types,
            "error": errors[0] if errors else "",
        }

    def form_invalid(self, form: Any) -> HttpResponse:
        name = self.stage.login.user.get_username()
        AuditEntry.objects.record_failed_sign_in(name, audit_entry.WRONG_SECOND_FACTOR)
        response: HttpResponse = super().form_invalid(form)
        response.status_code = 422
        return response


class ConfirmWithCode(UnprocessableForm, ReauthenticateView):  # type: ignore[misc]
    template_name = "settings/confirm_code.html"


class ConfirmWithPasskey(ReauthenticateWebAuthnView):  # type: ignore[misc]
    template_name = "settings/confirm_passkey.html"
    form_class = ConfirmWithPasskeyForm

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        full: dict[str, Any] = super().get_context_data(**context) | context
        full["reauthentication_alternatives"] = self.get_reauthentication_alternatives()
        return full | {
            "options": _as_json(full["js_data"]["request_options"]),
            "error": next(iter(_credential_errors(context.get("form"))), ""),
        }

    def form_invalid(self, form: Any) -> HttpResponse:
        context = self.get_context_data(form=form)
        response: HttpResponse = self.render_to_response(context, status=422)
        return response


def _credential_errors(form: Any) -> list[str]:
    return form.errors.get("credential", []) if form is not None and form.is_bound else []
