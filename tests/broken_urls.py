"""One address that breaks, for the page that is shown then."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path

from klingweb.urls import urlpatterns as real


@login_not_required
def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("for a test")


urlpatterns = [*real, path("broken", broken)]
