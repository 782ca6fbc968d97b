"""Permanent redirects from the addresses of earlier releases, for bookmarks and open pages."""

from django.http import HttpResponsePermanentRedirect
from django.shortcuts import resolve_url
from django.urls import URLPattern, path, reverse

from .middleware.access import MemberRequest

# Old name of an action -> its name in `generations.requests.ACTIONS`.
ACTIONS = {
    "give-up": "dismiss",
    "look-again": "recheck",
    "look-for": "search",
    "name-task": "enter-task-id",
}


def queue(request: MemberRequest) -> HttpResponsePermanentRedirect:
    return _redirect(request, "queue")


def resume_queue(request: MemberRequest) -> HttpResponsePermanentRedirect:
    return _redirect(request, "resume-queue")


def people(request: MemberRequest, rest: str = "") -> HttpResponsePermanentRedirect:
    return _redirect(request, resolve_url("people") + rest)


def limits(request: MemberRequest, rest: str = "") -> HttpResponsePermanentRedirect:
    """The admin pages of the model, which the page of all limits replaces."""
    return _redirect(request, "limits")


def invite(request: MemberRequest, kind: str) -> HttpResponsePermanentRedirect:
    return _redirect(request, reverse("invite", args=(kind,)))


def invitations(request: MemberRequest, rest: str = "") -> HttpResponsePermanentRedirect:
    return _redirect(request, reverse("invitations") + rest)


def admin_member(
    request: MemberRequest, rest: str = "", pk: int | None = None
) -> HttpResponsePermanentRedirect:
    """Django's own admin pages of people. What they showed is on the page of the person."""
    return _redirect(request, reverse("person", args=(pk,)) if pk else "people")


def admin_add_member(request: MemberRequest) -> HttpResponsePermanentRedirect:
    return _redirect(request, "invitations")


def decide_request(request: MemberRequest, pk: int, decision: str) -> HttpResponsePermanentRedirect:
    return _redirect(request, reverse(decision, args=(pk,)))


def admin_upstream_gate(request: MemberRequest, rest: str = "") -> HttpResponsePermanentRedirect:
    """The admin pages of the model that was called Line."""
    return _redirect(request, resolve_url("admin:generations_upstreamgate_changelist") + rest)


def remix_url(request: MemberRequest) -> HttpResponsePermanentRedirect:
    """`/?again=12&n=1` -> `/?remix=12&n=1`. Called by the studio."""
    query = request.GET.copy()
    again = query.pop("again")
    query.setdefault("remix", str(again[-1]))
    return HttpResponsePermanentRedirect(f"{reverse('studio')}?{query.urlencode()}")


def similar(request: MemberRequest) -> HttpResponsePermanentRedirect:
    return _redirect(request, "similar")


def variations(request: MemberRequest, pk: int) -> HttpResponsePermanentRedirect:
    return _redirect(request, reverse("variations", args=(pk,)))


def action(request: MemberRequest, pk: int, name: str) -> HttpResponsePermanentRedirect:
    return _redirect(request, reverse("action", args=(pk, ACTIONS[name])))


def bulk(request: MemberRequest, action: str) -> HttpResponsePermanentRedirect:
    return _redirect(request, reverse("bulk", args=(action,)))


def _redirect(request: MemberRequest, to: str) -> HttpResponsePermanentRedirect:
    """Redirect with the query string: 301, or 308 for POST, which keeps method and body."""
    query = f"?{request.META['QUERY_STRING']}" if request.META["QUERY_STRING"] else ""
    is_post = request.method == "POST"
    return HttpResponsePermanentRedirect(resolve_url(to) + query, preserve_request=is_post)


urlpatterns: list[URLPattern] = [
    path("line/", queue),
    path("line/resume", resume_queue),
    path("queue/", queue),
    path("queue/resume", resume_queue),
    path("people/", people),
    path("people/<path:rest>", people),
    path("admin/generations/limit/", limits),
    path("admin/generations/limit/<path:rest>", limits),
    path("admin/people/invite/<slug:kind>", invite),
    path("admin/people/invitations.csv", invitations, {"rest": "links.csv"}),
    path("admin/people/invitations/<path:rest>", invitations),
    path("admin/generations/member/", admin_member),
    path("admin/generations/member/add/", admin_add_member),
    path("admin/generations/member/<int:pk>/", admin_member),
    path("admin/generations/member/<int:pk>/<path:rest>", admin_member),
    path("admin/generations/line/", admin_upstream_gate),
    path("admin/generations/line/<path:rest>", admin_upstream_gate),
    path("usage/requests/<int:pk>/grant", decide_request, {"decision": "grant-more"}),
    path("usage/requests/<int:pk>/decline", decide_request, {"decision": "decline-more"}),
    path("alike", similar),
    path("pictures/do/<slug:action>", bulk),
    path("generations/<int:pk>/vary/", variations),
    *(path(f"generations/<int:pk>/{name}/", action, {"name": name}) for name in ACTIONS),
]
