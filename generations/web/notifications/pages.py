"""The list of notifications: a page, and without its frame for the menu of the bell."""

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from generations.models import Notification
from generations.web.ids import parse_id
from generations.web.keyset import before, key_of, keyset_page
from generations.web.middleware.access import MemberRequest

from .entries import entries_of

ROWS_A_PAGE = 60  # of which several may be one entry


@require_safe
@never_cache
def notifications(request: MemberRequest) -> HttpResponse:
    """Opening the list marks nothing as read."""
    return _list(request)


@require_POST
def mark_all_read(request: MemberRequest) -> HttpResponse:
    """Mark everything as read, except what arrived after the list was opened."""
    unread = Notification.objects.unread_of(request.user)
    if newest := request.POST.get("newest", ""):
        unread = unread.filter(before(newest, "at") | Q(pk=parse_id(newest.partition("-")[2])))
    decided = unread.filter(kind=Notification.Kind.LIMIT_DECIDED).values("limit_request")
    # Told: the studio and the usage page need not say it again.
    request.user.limit_requests.filter(pk__in=decided).update(was_read=True)
    unread.mark_read()
    return _list(request) if request.htmx else redirect("notifications")


def _list(request: MemberRequest) -> HttpResponse:
    rows = Notification.objects.filter(member=request.user)
    if older_than := request.GET.get("before", ""):
        rows = rows.filter(before(older_than, "at"))
    rows = rows.select_related("by", "collection", "limit_request")
    page, older = keyset_page(rows.order_by("-at", "-pk"), _key, ROWS_A_PAGE)
    context = {
        "entries": entries_of(page, request.user),
        "older": older,
        "newest": _key(page[0]) if page else "",
        "is_first": not older_than,
    }
    name = "_list.html" if request.htmx else "notifications.html"
    return render(request, f"notifications/{name}", context)


def _key(row: Notification) -> str:
    return key_of(row, "at")
