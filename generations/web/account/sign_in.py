"""The sign-in page, for everyone and for the admin, and the page after too many tries."""

from typing import Any

from allauth.account.forms import LoginForm
from allauth.account.views import LoginView
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import UsernameField
from django.contrib.auth.views import LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme

from generations.models import AuditAction, AuditEntry, Member, team_settings
from generations.permissions import Action
from generations.web.middleware.access import MemberRequest, requires

from .adapter import TooManySignIns

RETRY_SECONDS = "60"  # all rates of pages for signed-in members are per minute


class SignInForm(LoginForm):  # type: ignore[misc]
    """The library's form. Its field "login" is sent as "username", as browsers have stored it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"] = UsernameField(max_length=150)
        self.wait: int | None = None

    def add_prefix(self, field_name: str) -> str:
        name: str = super().add_prefix("username" if field_name == "login" else field_name)
        return name

    def clean(self) -> Any:
        try:
            return super().clean()
        except TooManySignIns as error:
            self.wait = error.seconds
            raise


@method_decorator(login_not_required, name="dispatch")
class SignIn(LoginView):  # type: ignore[misc]
    form_class = SignInForm

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        full: dict[str, Any] = super().get_context_data(**context)
        provider = settings.OIDC_NAME if settings.OIDC_URL else ""
        return full | {
            "provider": provider,
            "can_mail": bool(settings.MAIL),
            "sign_in_text": team_settings.current().sign_in_text,
        }

    def form_invalid(self, form: SignInForm) -> HttpResponse:
        """Show the form again; 429 when no further try is allowed yet."""
        context = self.get_context_data(form=form, wait=form.wait)
        response: HttpResponse = self.render_to_response(context)
        if form.wait:
            response.status_code = 429
            response["Retry-After"] = str(form.wait)
        return response


class SignOut(LogoutView):
    """Django's view, for everyone and for the admin."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if isinstance(request.user, Member):
            AuditEntry.objects.record(AuditAction.SIGNED_OUT, request.user)
        return super().post(request, *args, **kwargs)


@requires(Action.OPEN_ADMIN)
def admin_sign_in(request: MemberRequest) -> HttpResponse:
    """Members who are signed in, but not admins, end here; signed out, they sign in first."""
    next_url = request.GET.get(REDIRECT_FIELD_NAME, "")
    is_ours = url_has_allowed_host_and_scheme(next_url, allowed_hosts={request.get_host()})
    return HttpResponseRedirect(next_url if is_ours else resolve_url("admin:index"))


def too_many_requests(request: HttpRequest) -> HttpResponse:
    response = render(request, "429.html", status=429)
    response["Retry-After"] = RETRY_SECONDS
    return response
