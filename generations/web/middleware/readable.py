"""Refuses requests that Django cannot decode, before anything reads them."""

import codecs
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import TooManyFieldsSent
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
UNREADABLE_TYPE = "application/octet-stream; charset=unreadable"


class ReadableRequests:
    """Answers a body in another charset than UTF-8 with 415, and ignores broken session cookies.

    Django would decode the query string and all fields with any codec that Python knows.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        charset = (request.content_params or {}).get("charset", "utf-8")
        request.encoding = "utf-8"
        if request.method not in SAFE_METHODS and not _is_utf8(charset):
            return render(request, "415.html", status=415)
        # A quoted cookie may contain an escaped null character, which PostgreSQL refuses.
        if "\x00" in request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""):
            del request.COOKIES[settings.SESSION_COOKIE_NAME]
        return self.get_response(request)


def _is_utf8(charset: str) -> bool:
    """Accept every name of UTF-8, and ASCII, which is a part of it."""
    try:
        return codecs.lookup(charset).name in ("utf-8", "ascii")
    except (LookupError, ValueError):
        return False


class TolerantWSGIHandler(WSGIHandler):
    """Django's handler, for a Content-Type header or a query string that cannot be parsed.

    If the header names a charset, Django parses both before any middleware could catch the error.
    """

    @staticmethod
    def request_class(environ: dict[str, Any]) -> WSGIRequest:  # type: ignore[override]
        try:
            return WSGIRequest(environ)
        except (LookupError, ValueError, TooManyFieldsSent):
            return WSGIRequest(environ | {"CONTENT_TYPE": UNREADABLE_TYPE})
