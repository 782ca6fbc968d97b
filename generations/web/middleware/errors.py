"""The 503 page for database errors."""

import logging

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

logger = logging.getLogger(__name__)

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class DatabaseErrors(MiddlewareMixin):
    """Answers a locked database, a full disk or a lost server with 503 instead of 500."""

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return the 503 page with the prompt from the form, so that no text is lost.

        The page may say that nothing was sent: a generation and the wake-up of its submit are
        written in one transaction.
        """
        if not isinstance(error, OperationalError):
            return None
        logger.error("Database error on %s %s: %s", request.method, request.path, error)
        context = {
            "is_write": request.method not in SAFE_METHODS,
            "prompt": request.POST.get("prompt", ""),
            "open_count": 0,  # the context processor would query the database again
        }
        response = render(request, "503.html", context, status=503)
        response["Retry-After"] = "5"
        return response
