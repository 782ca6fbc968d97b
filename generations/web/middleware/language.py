"""The language of pages: the member's, else the one chosen on a page without sign-in (a cookie),
else the browser's (`Accept-Language`), else the one of the installation.
"""

from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import parse_accept_lang_header
from django.views.defaults import page_not_found

from generations.models import Member


def offered_language(name: str) -> str:
    """Return the language on offer for a tag, such as "zh-hans" for "zh-CN"; "" for none."""
    try:
        return translation.get_supported_language_variant(name)
    except LookupError:
        return ""


def chosen_language(request: HttpRequest) -> str:
    """Return the language that was chosen on a page without sign-in, or ""."""
    cookie = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    return cookie if cookie in dict(settings.LANGUAGES) else ""


def automatic_language(request: HttpRequest) -> str:
    """Return the language for a request whose member has chosen none."""
    accepted = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    tags = (tag for tag, _quality in accepted if tag != "*")
    offered = filter(None, map(offered_language, tags))
    return chosen_language(request) or next(offered, settings.DEFAULT_LANGUAGE)


class BrowserLanguage:
    """Activates the language that needs no session. First, so that it holds for every page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        translation.activate(automatic_language(request))
        try:
            response = self.get_response(request)
            language = translation.get_language() or settings.DEFAULT_LANGUAGE
            if isinstance(response, FileResponse):  # the same file in every language
                return response
            response.headers.setdefault("Content-Language", language)
            patch_vary_headers(response, ("Accept-Language", "Cookie"))
            if isinstance(response, StreamingHttpResponse):
                response.streaming_content = _in_language(language, iter(response))
            return response
        finally:
            translation.deactivate()


class MemberLanguage:
    """Activates the language of the member. After `LoginRequired`, which looks for the member."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], *_view_arguments: Any
    ) -> None:
        """Pages for everyone look for a member only if there may be one: not the health check."""
        is_for_members = getattr(view_func, "login_required", True)
        if is_for_members or settings.SESSION_COOKIE_NAME in request.COOKIES:
            activate_language_of(request.user)


def activate_language_of(user: Any) -> None:
    """Activate the language that this member has chosen; change nothing without a choice."""
    if isinstance(user, Member) and offered_language(user.language):
        translation.activate(user.language)


def handle_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler404`: for an unknown address, `process_view` was not called."""
    activate_language_of(getattr(request, "user", None))
    return page_not_found(request, exception)


def _in_language(language: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Streamed content is rendered after the middleware has returned."""
    with translation.override(language):
        yield from chunks
