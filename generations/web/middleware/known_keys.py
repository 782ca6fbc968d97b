"""Lets the logs of each web process mask API keys that another process has stored."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from generations.models import known_keys


class KnownKeys:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        known_keys.refresh()
        return self.get_response(request)
