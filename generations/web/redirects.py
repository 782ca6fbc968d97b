"""Addresses of earlier releases: permanent redirects, for bookmarks and pages still open."""

from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.urls import URLPattern, path, reverse

from .middleware.access import MemberRequest

# Old name of an action -> the name in `generations.requests.ACTIONS`.
ACTIONS = {
    "give-up": "dismiss",
    "look-again": "recheck",
    "look-for": "search",
    "name-task": "enter-task-id",
}


def remix_address(request: MemberRequest) -> HttpResponsePermanentRedirect:
    """`/?again=12&n=1` -> `/?remix=12&n=1`."""
    query = request.GET.copy()
    again = query.pop("again")
    query.setdefault("remix", str(again[-1]))
    return HttpResponsePermanentRedirect(f"{reverse('studio')}?{query.urlencode()}")


def similar(request: HttpRequest) -> HttpResponsePermanentRedirect:
    return _to(request, reverse("similar"))


def variations(request: HttpRequest, pk: int) -> HttpResponsePermanentRedirect:
    return _to(request, reverse("variations", args=(pk,)))


def action(request: HttpRequest, pk: int, name: str) -> HttpResponsePermanentRedirect:
    """308, so that the browser repeats the POST with its fields."""
    address = reverse("action", args=(pk, ACTIONS[name]))
    return _to(request, address, preserve_request=True)


def _to(
    request: HttpRequest, address: str, *, preserve_request: bool = False
) -> HttpResponsePermanentRedirect:
    query = request.META.get("QUERY_STRING", "")
    return HttpResponsePermanentRedirect(
        f"{address}?{query}" if query else address, preserve_request=preserve_request
    )


urlpatterns: list[URLPattern] = [
    path("alike", similar),
    path("generations/<int:pk>/vary/", variations),
    *(path(f"generations/<int:pk>/{name}/", action, {"name": name}) for name in ACTIONS),
]
