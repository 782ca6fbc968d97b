"""The site's URLs with views that fail, for the error pages."""

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import path

from klingweb.urls import handler500 as real_handler500
from klingweb.urls import urlpatterns as real_patterns


@login_not_required
def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("for a test")


def bad_request(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("for a test")


def database_error(request: HttpRequest) -> HttpResponse:
    raise OperationalError("database is locked")


handler500 = real_handler500
urlpatterns = [
    *real_patterns,
    path("broken", broken),
    path("bad-request", bad_request),
    path("database-error", database_error),
]
