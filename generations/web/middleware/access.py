"""Requires sign-in for every view that is not marked `login_not_required`."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import resolve_url
from django_htmx.middleware import HtmxDetails

from generations.models import Member


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
