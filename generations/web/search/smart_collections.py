"""Smart collections: save a filter of the gallery under a name, and rename, share or delete it."""

from django import forms
from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from generations.models import Member, SmartCollection
from generations.models.smart_collection import MAX_QUERY_LENGTH
from generations.permissions import Action, may
from generations.web.gallery.filter_text import filter_words
from generations.web.gallery.filters import Filter
from generations.web.gallery.forms import CollectionNameForm
from generations.web.ids import parse_id
from generations.web.middleware.access import MemberRequest, require, requires


class SmartCollectionForm(CollectionNameForm):
    is_shared = forms.BooleanField(required=False)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.ORGANIZE)
def create(request: MemberRequest) -> HttpResponse:
    """The filter is in the query string, as in the gallery."""
    filter = Filter(request.GET, request.user)
    query = filter.query_string
    if not query:
        raise Http404
    form = SmartCollectionForm(request.POST if request.method == "POST" else None)
    form.initial = {"name": ", ".join(filter_words(filter))[: SmartCollection.MAX_NAME_LENGTH]}
    if len(query) > MAX_QUERY_LENGTH:
        return _page(request, form, filter, too_long=_too_long(query))
    if form.is_valid():
        created = SmartCollection.objects.create(
            name=form.cleaned_data["name"],
            query=query,
            created_by=request.user,
            is_private=not form.cleaned_data["is_shared"],
        )
        return redirect(gallery_url(created))
    return _page(request, form, filter)


def _too_long(query: str) -> str:
    """Why this filter cannot be saved. The way back leads to the gallery with all of it."""
    text = _(
        "This filter has %(length)s characters as an address, and a smart collection can have up "
        "to %(max)s. Nothing was saved. Go back to the gallery and shorten the search."
    )
    return text % {"length": intcomma(len(query)), "max": intcomma(MAX_QUERY_LENGTH)}


@require_http_methods(["GET", "HEAD", "POST"])
def change(request: MemberRequest, pk: int) -> HttpResponse:
    """Rename it, and share it or make it private."""
    row = _find(request.user, pk)
    require(request.user, Action.DELETE_COLLECTION, row)
    form = SmartCollectionForm(request.POST if request.method == "POST" else None)
    form.initial = {"name": row.name, "is_shared": not row.is_private}
    if form.is_valid():
        row.name = form.cleaned_data["name"]
        row.is_private = not form.cleaned_data["is_shared"]
        row.save(update_fields=["name", "is_private"])
        return redirect(gallery_url(row))
    return _page(request, form, Filter(QueryDict(row.query), request.user), row)


@require_POST
def delete(request: MemberRequest, pk: int) -> HttpResponse:
    row = _find(request.user, pk)
    require(request.user, Action.DELETE_COLLECTION, row)
    row.delete()
    message = _("Smart collection “%(name)s” deleted. Its images are still in the gallery.")
    messages.success(request, message % {"name": row.name})
    return redirect("collections")


def gallery_url(row: SmartCollection) -> str:
    """The gallery under the saved filter."""
    return f"{reverse('gallery')}?{row.query}&{urlencode({'smart': row.pk})}"


def opened(request: MemberRequest) -> dict[str, object]:
    """For the gallery's template: the smart collection of `?smart=`, if it is this filter."""
    pk = parse_id(request.GET.get("smart", ""))
    if pk is None:
        return {}
    row = SmartCollection.objects.visible_to(request.user).filter(pk=pk).first()
    if row is None or row.query != Filter(request.GET, request.user).query_string:
        return {}
    return {
        "smart_collection": row,
        "may_change": may(request.user, Action.DELETE_COLLECTION, row),
    }


def _find(member: Member, pk: int) -> SmartCollection:
    if parse_id(str(pk)) is None:
        raise Http404
    return get_object_or_404(SmartCollection.objects.visible_to(member), pk=pk)


def _page(
    request: MemberRequest,
    form: SmartCollectionForm,
    filter: Filter,
    row: SmartCollection | None = None,
    too_long: str = "",
) -> HttpResponse:
    context = {
        "form": form,
        "words": filter_words(filter),
        "smart_collection": row,
        "too_long": too_long,
        "back": gallery_url(row) if row else f"{reverse('gallery')}?{filter.query_string}",
    }
    status = 422 if form.errors or too_long else 200
    return render(request, "search/smart_collection.html", context, status=status)
