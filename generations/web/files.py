"""Image files, served with the same access rule as the pages that show them."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db.models.fields.files import FieldFile
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.templatetags.static import static
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from generations.models import Member, Picture, ReferenceImage

from .byte_ranges import Unsatisfiable, partial_response, requested_range, unsatisfiable_response
from .file_names import set_disposition, slug, truncate
from .middleware.access import MemberRequest

# Served inline from our own origin. Any other type is an attachment: a browser might run it.
INLINE_TYPES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
PREVIEWS = ("preview", "thumbnail")
MAX_SLUG_BYTES = 140  # file systems allow 255 bytes in a name; a letter takes up to four


@login_not_required
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(static("img/mark.svg"))


@require_safe
def file(request: MemberRequest, pk: int, variant: str) -> HttpResponseBase:
    picture = _picture(request.user, pk)
    if variant == "original":
        return _send(request, picture.file, picture.content_type, picture.sha256, _name(picture))
    if variant in PREVIEWS:
        tag = f"{picture.sha256}-{variant}"
        return _send(request, getattr(picture, variant), "image/webp", tag, _name(picture))
    raise Http404


def _picture(member: Member, pk: int) -> Picture:
    """Return a picture the member may see, or may restore from the trash."""
    pictures = Picture.objects.filter(pk=pk).select_related("generation")
    picture = pictures.visible_to(member).first() or pictures.in_trash(member).first()
    if picture is None:
        raise Http404
    return picture


@require_safe
def reference(request: MemberRequest, pk: int) -> HttpResponseBase:
    image = get_object_or_404(ReferenceImage.objects.visible_to(request.user), pk=pk)
    return _send(request, image.file, image.content_type, image.sha256, image.name)


def _name(picture: Picture) -> str:
    """Return a file name that is unique and readable: prompt, generation, number."""
    return f"{prompt_slug(picture)}-{picture.generation_id}-{picture.number}"


def prompt_slug(picture: Picture) -> str:
    """Return the start of the prompt in a form that is valid in file names."""
    return truncate(slug(picture.generation.prompt), MAX_SLUG_BYTES) or _("image")


def _send(
    request: HttpRequest, stored: FieldFile, content_type: str, tag: str, name: str
) -> HttpResponseBase:
    """Send the file or the requested part, or 304 without opening it."""
    if not stored:
        raise Http404
    etag = f'"{tag}"'
    response: Any = get_conditional_response(request, etag=etag)
    if response is None:
        response = _open(request, stored, content_type, etag, name)
    response.headers["ETag"] = etag
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response  # type: ignore[no-any-return]


def _open(
    request: HttpRequest, stored: FieldFile, content_type: str, etag: str, name: str
) -> HttpResponseBase:
    extension = INLINE_TYPES.get(content_type)
    if extension is None:
        content_type = "application/octet-stream"
    elif not name.endswith(f".{extension}"):
        name = f"{name.rsplit('.', 1)[0]}.{extension}"
    try:
        content = stored.open("rb")
    except FileNotFoundError:
        raise Http404 from None
    response: HttpResponseBase
    size = content.size
    try:
        part = requested_range(request, etag, size)
    except Unsatisfiable:
        content.close()
        return unsatisfiable_response(size)
    if part:
        response = partial_response(content, part, size, content_type)
    else:
        response = FileResponse(content, content_type=content_type)
    set_disposition(response, name, as_attachment=extension is None)
    return response
