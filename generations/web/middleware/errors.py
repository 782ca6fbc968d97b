"""When the database does not take it: a clear answer, and what was typed is handed back."""

import logging

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

logger = logging.getLogger(__name__)


class DatabaseErrors(MiddlewareMixin):
    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Locked by another writer, a full disk, a server that is away: try again in a moment.

        Nothing was written, so nothing will be sent: request and kick are of one transaction.
        """
        if not isinstance(error, OperationalError):
            return None
        logger.error("the database did not take %s %s: %s", request.method, request.path, error)
        typed = request.POST.get("prompt", "")
        # `open_count` would be another query.
        context = {"typed": typed, "open_count": 0}
        response = render(request, "503.html", context, status=503)
        response["Retry-After"] = "5"
        return response
