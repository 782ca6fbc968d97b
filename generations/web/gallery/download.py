"""Download up to a thousand images as one zip, written while it is sent."""

import logging
from collections.abc import Iterator, Sequence

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models.fields.files import FieldFile
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST
from zipstream.ng import ZipStream

from generations.models import AuditAction, AuditEntry, Member, Picture
from generations.models.picture import PictureQuerySet
from generations.web.cards import facts
from generations.web.file_names import set_disposition, slug, truncate
from generations.web.files import INLINE_TYPES, prompt_slug
from generations.web.middleware.access import MemberRequest

from .bulk import BulkError, selected_pictures
from .export_csv import write_csv

logger = logging.getLogger(__name__)

MAX_IMAGES = 1000
BATCH_SIZE = 50  # rows
CHUNK_BYTES = 64 * 1024
MAX_MEMBER_BYTES = 48  # in a file name
# The columns that the files and the CSV need, for `only()`.
CSV_COLUMNS = (
    *("index", "file", "preview", "content_type", *facts.PICTURE_COLUMNS),
    *(f"generation__{name}" for name in ("prompt", *facts.GENERATION_COLUMNS)),
    *(f"generation__owner__{name}" for name in facts.OWNER_COLUMNS),
    *(f"generation__reference__{name}" for name in facts.REFERENCE_COLUMNS),
)


@require_POST
def download(request: MemberRequest) -> HttpResponseBase:
    try:
        selected = selected_pictures(request.POST, request.user)
    except BulkError as error:
        return _refuse(request, str(error))
    if len(selected) > MAX_IMAGES:
        message = gettext("A download can have up to %(limit)s images. You selected %(n)s.")
        return _refuse(
            request, message % {"limit": intcomma(MAX_IMAGES), "n": intcomma(len(selected))}
        )
    available = _newest_first(Picture.objects.visible_to(request.user), selected)
    if not available:
        return _refuse(request, gettext("These images are no longer available."))
    is_webp = request.POST.get("format") == "webp"
    AuditEntry.objects.record(
        AuditAction.DOWNLOADED,
        request.user,
        after={"images": len(available), "format": "WebP" if is_webp else "original"},
    )
    archive = _zip(request.user, available, is_webp=is_webp)
    response = StreamingHttpResponse(archive, content_type="application/zip")
    set_disposition(response, _archive_name(len(available)), as_attachment=True)
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    response["X-Accel-Buffering"] = "no"  # else a proxy stores the whole archive on its disk
    return response


def _refuse(request: MemberRequest, error: str) -> HttpResponse:
    context = {"error": error}
    return render(request, "download/refused.html", context, status=422)


def _newest_first(pictures: PictureQuerySet, ids: Sequence[int]) -> list[int]:
    rows = pictures.filter(pk__in=ids)
    ordered = rows.order_by("-generation__created_at", "-generation_id", "index")
    return list(ordered.values_list("pk", flat=True))


def _archive_name(count: int) -> str:
    name = ngettext("klingweb %(day)s %(n)d image", "klingweb %(day)s %(n)d images", count)
    return f"{name % {'day': timezone.localdate().isoformat(), 'n': count}}.zip"


# --- the archive ---------------------------------------------------------------------------------


def _zip(member: Member, ids: Sequence[int], *, is_webp: bool) -> Iterator[bytes]:
    """Yield the archive: images first, the CSV last, because it lists files that failed."""
    archive = ZipStream()
    entries: dict[int, tuple[str, str]] = {}  # by picture: file name in the archive, note
    for picture in _rows(Picture.objects.visible_to(member), ids):
        stored = picture.preview if is_webp else picture.file
        try:
            stored.open("rb")
            size = stored.size
        except (OSError, ValueError):
            logger.warning("File of picture %d is missing: %s", picture.pk, stored.name)
            entries[picture.pk] = "", gettext("The file is missing.")
            continue
        name = _name(picture, is_webp)
        entries[picture.pk] = name, ""
        archive.add(_content(picture, stored, entries), name, size=size)
        yield from archive.all_files()
    rows = _rows(Picture.objects.all(), list(entries))
    archive.add(write_csv((picture, *entries[picture.pk]) for picture in rows), "images.csv")
    yield from archive.finalize()


def _rows(pictures: PictureQuerySet, ids: Sequence[int]) -> Iterator[Picture]:
    """Yield the pictures in the order of the ids, in batches to bound memory."""
    for start in range(0, len(ids), BATCH_SIZE):
        batch = ids[start : start + BATCH_SIZE]
        rows = (
            pictures.select_related("generation__owner", "generation__reference")
            .only(*CSV_COLUMNS)
            .in_bulk(batch)
        )
        yield from (rows[pk] for pk in batch if pk in rows)


def _content(
    picture: Picture, stored: FieldFile, entries: dict[int, tuple[str, str]]
) -> Iterator[bytes]:
    """Yield the file. A read error is noted in `entries`; the archive stays valid."""
    with stored:
        try:
            yield from stored.chunks(CHUNK_BYTES)
        except OSError:
            logger.exception("Could not read the file of picture %d: %s", picture.pk, stored.name)
            name, _note = entries[picture.pk]
            entries[picture.pk] = name, gettext("The file is incomplete.")


def _name(picture: Picture, is_webp: bool) -> str:
    """Return `2026-11-24 lan pear-on-dark-ground 123-2.png`: unique, valid on every file system."""
    generation = picture.generation
    extension = "webp" if is_webp else INLINE_TYPES.get(picture.content_type, "bin")
    owner = slug(generation.owner.name) or str(generation.owner_id)
    return " ".join(
        (
            timezone.localdate(generation.created_at).isoformat(),
            truncate(owner, MAX_MEMBER_BYTES),
            prompt_slug(picture),
            f"{generation.pk}-{picture.number}.{extension}",
        )
    )
