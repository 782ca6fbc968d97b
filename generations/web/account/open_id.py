"""Sign-in at an identity provider (OpenID Connect); its groups decide the role in klingweb.

On with `KLINGWEB_OIDC_URL`. The first sign-in creates a member. Each sign-in sets the role: the
highest one of the member's groups, else the default role; without either the sign-in is refused.
An owner stays owner, so that no change at the provider takes klingweb from its owners.
"""

import logging
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal import ratelimit
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, get_adapter
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.base import AuthError, AuthProcess
from allauth.socialaccount.providers.openid_connect import views
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generations import people
from generations.models import AuditAction, AuditEntry, Member, audit_entry
from generations.permissions import Role

from .forms import only_with

logger = logging.getLogger(__name__)

PROVIDER_ID = "oidc"
# A provider that cannot be reached (requests' errors are a kind of OSError) or sends nonsense.
PROVIDER_ERRORS = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ImproperlyConfigured,
)


@login_not_required
@only_with("OIDC_URL")
@never_cache
@require_safe
def sign_in(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Redirect to the provider, and remember the page to return to."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(resolve_url(settings.LOGIN_REDIRECT_URL))
    if not ratelimit.consume(request, app="allauth.account", action="open_id", limit_get=True):
        refused: HttpResponse = ratelimit.respond_429(request)
        return refused
    url = request.GET.get(REDIRECT_FIELD_NAME, "")
    is_ours = url_has_allowed_host_and_scheme(url, allowed_hosts={request.get_host()})
    try:
        provider = get_adapter(request).get_provider(request, provider_id)
        response: HttpResponse = provider.redirect(
            request, process=AuthProcess.LOGIN, next_url=url if is_ours else None
        )
    except PROVIDER_ERRORS as error:
        return _failed(request, error)
    return response


@login_not_required
@only_with("OIDC_URL")
@never_cache
@require_safe
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """What the provider redirects to."""
    try:
        response: HttpResponse = views.callback(request, provider_id)
    except PROVIDER_ERRORS as error:
        return _failed(request, error)
    return response


def _failed(request: HttpRequest, error: object) -> HttpResponse:
    logger.error("Sign-in at %s failed: %s", settings.OIDC_URL, type(error).__name__)
    return render(request, "account/refused.html", {"is_failed": True}, status=502)


class OpenIdAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Find the member, and set the role or refuse."""
        if not sociallogin.is_existing and (known := _member_with_address(sociallogin)):
            sociallogin.connect(request, known)
        # Or else the library would ask for another address, if a member has this one.
        sociallogin.email_addresses = []
        member: Member = sociallogin.user
        role = Role.OWNER if member.role == Role.OWNER else role_of(sociallogin.account.extra_data)
        if role is None:
            AuditEntry.objects.record_failed_sign_in(member.username, _note(audit_entry.NO_ROLE))
            page = render(request, "account/refused.html", {"is_unknown": True}, status=403)
            raise ImmediateHttpResponse(page)
        if not sociallogin.is_existing:
            member.role = role
        elif member.role != role:
            people.change_role(member, role, None, _note(audit_entry.BY_PROVIDER))

    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> Any:
        """The first sign-in of a person."""
        with transaction.atomic():
            member = super().save_user(request, sociallogin, form)
            AuditEntry.objects.record(
                AuditAction.JOINED,
                member,
                on=member,
                after={"role": member.role},
                note=_note(audit_entry.BY_PROVIDER),
            )
        return member

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """`pre_social_login` has refused others."""
        return True

    def populate_user(self, request: HttpRequest, sociallogin: Any, data: dict[str, Any]) -> Any:
        """Take over an address only if the provider has verified it."""
        is_verified = any(each.verified for each in sociallogin.email_addresses)
        return super().populate_user(
            request, sociallogin, data if is_verified else data | {"email": ""}
        )

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, **details: Any
    ) -> None:
        if error == AuthError.CANCELLED:
            page = render(request, "account/refused.html", {"is_canceled": True}, status=403)
        else:
            page = _failed(request, details.get("exception") or error)
        raise ImmediateHttpResponse(page)


def _note(text: str) -> str:
    return text % {"provider": settings.OIDC_NAME}


def role_of(claims: dict[str, Any]) -> Role | None:
    """Return the highest role of the groups in the claims, else the default role, else None."""
    groups = groups_of(claims)
    roles = {role for group, role in settings.OIDC_ROLES.items() if group in groups}
    highest = next((role for role in Role if role in roles), settings.OIDC_DEFAULT_ROLE)
    return Role(highest) if highest else None


def groups_of(claims: dict[str, Any]) -> set[str]:
    """Return the groups of the user information and of the ID token."""
    groups: set[str] = set()
    for source in claims.values():
        value = source.get(settings.OIDC_GROUP_CLAIM) if isinstance(source, dict) else None
        if isinstance(value, str):
            groups.add(value)
        elif isinstance(value, list):
            groups.update(str(each) for each in value)
    return groups


def _member_with_address(sociallogin: Any) -> Member | None:
    """The only member with an address that the provider has verified, if linking is on."""
    addresses = [each.email for each in sociallogin.email_addresses if each.verified and each.email]
    if not settings.OIDC_LINK_BY_EMAIL or not addresses:
        return None
    found = list(Member.objects.filter(email__iexact=addresses[0])[:2])
    if len(found) != 1 or SocialAccount.objects.filter(user=found[0]).exists():
        return None
    return found[0]
