"""Requires sign-in for every view that is not marked `login_not_required`."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django_htmx.middleware import HtmxDetails

from generations.models import Member
from generations.permissions import Action, Owned, may, scope_of

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class MemberRequest(HttpRequest):
    """The request of a view: its user is a signed-in member, and `htmx` is set."""

    user: Member
    htmx: HtmxDetails


class LoginRequired(LoginRequiredMiddleware):
    """Django's middleware, with a response that htmx understands."""

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponse:
        """Return 401 with `HX-Redirect` to htmx, so that the whole page goes to the sign-in."""
        htmx: HtmxDetails = request.htmx  # type: ignore[attr-defined]
        if not htmx:
            return super().handle_no_permission(request, view_func)
        query = QueryDict(mutable=True)
        query[REDIRECT_FIELD_NAME] = htmx.current_url_abs_path or "/"
        login = f"{resolve_url(self.get_login_url(view_func))}?{query.urlencode(safe='/')}"
        return HttpResponse(status=401, headers={"HX-Redirect": login})


def requires(action: Action) -> Callable[[View], View]:
    """Decorate a view: 403 for members whose role does not allow the action."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: MemberRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            require_role(request.user, action)
            return view(request, *args, **kwargs)

        return cast(View, checked)

    return decorate


def require_role(member: Member, action: Action) -> None:
    """Raise PermissionDenied if the member may do this to no row, not even to an own one."""
    if scope_of(member, action) is None:
        raise PermissionDenied


def require(member: Member, action: Action, on: Owned) -> None:
    """Raise PermissionDenied if the member may not do this to that row."""
    if not may(member, action, on):
        raise PermissionDenied
