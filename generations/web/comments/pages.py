"""Write, change and delete comments. A script gets only the section below the image."""

from functools import partial

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from generations.models import Comment, Member, Picture
from generations.permissions import Action
from generations.web.header import mark_seen
from generations.web.ids import parse_id
from generations.web.middleware.access import MemberRequest, require, require_role, requires
from generations.web.picture_views import picture_url

from .forms import CommentForm
from .section import CommentSection, section_of

MAX_PEOPLE = 8


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def comments(request: MemberRequest, pk: int) -> HttpResponse:
    """Show the comments of an image. POST adds one."""
    picture = _picture(request, pk)
    if request.method == "POST":
        require_role(request.user, Action.COMMENT)
        form = CommentForm(request.POST)
        if not form.is_valid():
            section = section_of(picture, request.user, form=form)
            return _page(request, section, status=422)
        comment = Comment.objects.write(picture, request.user, form.cleaned_data["text"])
        return _changed(request, picture, f"#comment-{comment.pk}")
    before = parse_id(request.GET.get("before", ""))
    section = section_of(picture, request.user, before=before)
    if request.htmx and section.stamp == request.GET.get("stamp"):
        return HttpResponse(status=204)
    mark_seen(request, Q(picture=picture, comment__isnull=False))
    return _page(request, section)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def edit(request: MemberRequest, pk: int) -> HttpResponse:
    """The section with a form in place of one comment. POST stores its text."""
    comment = _comment(request, pk)
    require(request.user, Action.EDIT_COMMENT, comment)
    is_post = request.method == "POST"
    form = CommentForm(request.POST if is_post else None, initial={"text": comment.text})
    if form.is_valid():
        comment.edit(form.cleaned_data["text"])
        return _changed(request, comment.picture, f"#comment-{pk}")
    shown = partial(section_of, comment.picture, request.user, editing=pk, edit_form=form)
    section = shown()
    if not section.shows(pk):
        section = shown(before=pk + 1)
    return _page(request, section, status=422 if is_post else 200)


@require_POST
def delete(request: MemberRequest, pk: int) -> HttpResponse:
    comment = _comment(request, pk)
    require(request.user, Action.DELETE_COMMENT, comment)
    comment.remove(request.user)
    if not request.htmx:
        messages.success(request, _("Comment deleted."))
    return _changed(request, comment.picture, "#comments")


@require_safe
@never_cache
@requires(Action.COMMENT)
def people(request: MemberRequest, pk: int) -> HttpResponse:
    """People whose names begin with `q`, as JSON: those who would be notified of a mention."""
    picture, typed = _picture(request, pk), request.GET.get("q", "").strip().lower()
    found: list[Member] = []
    if not picture.generation.is_private:
        others = Member.objects.filter(is_active=True).exclude(pk=request.user.pk)
        found = [each for each in others.order_by("username") if _matches(each, typed)]
    names = [{"username": each.username, "name": each.name} for each in found[:MAX_PEOPLE]]
    return JsonResponse({"people": names})


def _matches(member: Member, typed: str) -> bool:
    names = (member.username, *member.name.split())
    return any(name.lower().startswith(typed) for name in names)


def _picture(request: MemberRequest, pk: int) -> Picture:
    visible = Picture.objects.visible_to(request.user).select_related("generation")
    return get_object_or_404(visible, pk=pk)


def _comment(request: MemberRequest, pk: int) -> Comment:
    visible = Comment.objects.visible_to(request.user)
    return get_object_or_404(visible.select_related("author", "picture__generation"), pk=pk)


def _changed(request: MemberRequest, picture: Picture, fragment: str) -> HttpResponse:
    if request.htmx:
        return _page(request, section_of(picture, request.user))
    return redirect(f"{picture_url(picture.pk)}{fragment}")


def _page(request: MemberRequest, section: CommentSection, status: int = 200) -> HttpResponse:
    name = "_section.html" if request.htmx else "comments.html"
    return render(request, f"comments/{name}", {"section": section}, status=status)
