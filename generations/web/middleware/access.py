"""Who may see anything at all: everybody signed in, and nobody else unless a view is marked."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import resolve_url
from django_htmx.middleware import HtmxDetails

from generations.models import Member


class MemberRequest(HttpRequest):
    """What a view gets behind the two middlewares: a signed-in member, and htmx's details."""

    user: Member
    htmx: HtmxDetails


class LoginRequired(LoginRequiredMiddleware):
    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponse:
        """An htmx request whose session ended moves the whole page, never a part of it."""
        htmx: HtmxDetails = request.htmx  # type: ignore[attr-defined]
        if not htmx:
            return super().handle_no_permission(request, view_func)
        query = QueryDict(mutable=True)
        query[REDIRECT_FIELD_NAME] = htmx.current_url_abs_path or "/"
        login = f"{resolve_url(self.get_login_url(view_func))}?{query.urlencode(safe='/')}"
        return HttpResponse(status=401, headers={"HX-Redirect": login})
