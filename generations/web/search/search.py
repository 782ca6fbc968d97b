"""The search page, and its results alone while someone types in the dialog of any page."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from generations.invisible_text import is_blank
from generations.models import RecentSearch
from generations.web.middleware.access import MemberRequest

from .places import FIRST, places
from .results import find


@require_safe
def search(request: MemberRequest) -> HttpResponse:
    """`?q=`: what is searched for; without it, the last searches of the member."""
    text = request.GET.get("q", "").replace("\0", "").strip()
    text = "" if is_blank(text) else text
    context: dict[str, object] = {"q": text}
    if text and not request.htmx:
        RecentSearch.objects.record(request.user, text)
    if text:
        context["results"] = find(text, request.user)
    else:
        context["recent"] = RecentSearch.objects.of(request.user)
        context["places"] = places(request.user)[:FIRST]
    template = "search/_results.html" if request.htmx else "search/search.html"
    return render(request, template, context)


@require_POST
def record(request: MemberRequest) -> HttpResponse:
    """Store a search of the dialog, of which a result was opened."""
    RecentSearch.objects.record(request.user, request.POST.get("q", ""))
    return HttpResponse(status=204)


@require_POST
def clear(request: MemberRequest) -> HttpResponse:
    """Delete the last searches of the member, or the one in `text`."""
    rows = RecentSearch.objects.of(request.user)
    if "text" in request.POST:
        rows = rows.filter(text=request.POST["text"].replace("\0", ""))
    rows.delete()
    return redirect("search")
