"""The 503 page for a database that cannot be used."""

import logging
import sys

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin
from django.views.defaults import server_error

from generations.database_errors import is_unavailable
from generations.web import health

logger = logging.getLogger(__name__)

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
RETRY_SECONDS = "5"


class DatabaseErrors(MiddlewareMixin):
    """Answers errors of the database in views with 503 instead of 500."""

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return _unavailable(request, error) if is_unavailable(error) else None


def handle_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`: also sees errors outside of views.

    Without the database, the session cannot be read before the view is called.
    """
    error = sys.exc_info()[1]
    if not is_unavailable(error):
        return server_error(request)
    if request.path == health.PATH:
        return health.database_is_down()
    request.user = AnonymousUser()  # the page must not look for the member
    return _unavailable(request, error)


def _unavailable(request: HttpRequest, error: BaseException | None) -> HttpResponse:
    """Return the 503 page with the prompt from the form, so that no text is lost.

    The page may say that nothing was sent: a generation and the wake-up of its submit are
    written in one transaction. Its only text of a member is the one in the request.
    """
    logger.error("Database error on %s %s: %s", request.method, request.path, error)
    context = {
        "is_write": request.method not in SAFE_METHODS,
        "prompt": _prompt(request),
        # The context processor would query the database again.
        "open_count": 0,
        "has_unread": False,
    }
    response = render(request, "503.html", context, status=503)
    response["Retry-After"] = RETRY_SECONDS
    return response


def _prompt(request: HttpRequest) -> str:
    try:
        return request.POST.get("prompt", "")
    except Exception:  # an unreadable form must not hide the page
        logger.warning("The form of %s cannot be read", request.path, exc_info=True)
        return ""
