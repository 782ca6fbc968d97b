"""Leads every page to the set-up page until the first person exists."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from generations.setup.team import person_exists

OPEN_PAGES = {"setup", "set-language", "healthz", "favicon"}  # by their names in web/urls.py


class FirstStart:
    """Before the sign-in is required: there is nobody who could sign in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view_and_arguments: Any) -> HttpResponse | None:
        match = request.resolver_match
        if person_exists() or (match and match.url_name in OPEN_PAGES):
            return None
        return HttpResponseRedirect(reverse("setup"))
