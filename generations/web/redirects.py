"""Permanent redirects from the addresses of earlier releases."""

from django.http import HttpResponsePermanentRedirect
from django.shortcuts import resolve_url

from .middleware.access import MemberRequest


def queue(request: MemberRequest) -> HttpResponsePermanentRedirect:
    return _redirect(request, "queue")


def resume_queue(request: MemberRequest) -> HttpResponsePermanentRedirect:
    return _redirect(request, "resume-queue")


def admin_upstream_gate(request: MemberRequest, rest: str = "") -> HttpResponsePermanentRedirect:
    """The admin pages of the model that was called Line."""
    return _redirect(request, resolve_url("admin:generations_upstreamgate_changelist") + rest)


def _redirect(request: MemberRequest, to: str) -> HttpResponsePermanentRedirect:
    """Redirect with the query string: 301, or 308 for POST, which keeps method and body."""
    query = f"?{request.META['QUERY_STRING']}" if request.META["QUERY_STRING"] else ""
    is_post = request.method == "POST"
    return HttpResponsePermanentRedirect(resolve_url(to) + query, preserve_request=is_post)
