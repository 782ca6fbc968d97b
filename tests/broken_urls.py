"""URLs with a view that raises, for tests of the error page."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path

from klingweb.urls import urlpatterns as product_urlpatterns


@login_not_required
def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("for a test")


urlpatterns = [*product_urlpatterns, path("broken", broken)]
