"""Many pictures at once: a zip that is written while it is sent."""

import logging
from collections.abc import Iterator, Sequence

from django.db.models.fields.files import FieldFile
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST
from zipstream.ng import ZipStream

from generations.models import Member, Picture
from generations.models.picture import PictureQuerySet
from generations.web.files import SHOWN_TYPES, words_of
from generations.web.middleware.access import MemberRequest

from .bulk import BulkError, selected_pictures
from .export_csv import write_csv

logger = logging.getLogger(__name__)

MAX_IMAGES = 1000
ROWS_AT_ONCE = 50
CHUNK_BYTES = 64 * 1024
# File systems count bytes, 255 of them, and a letter may take four.
MAX_PERSON_BYTES, MAX_PROMPT_BYTES = 48, 140
CSV_COLUMNS = (
    "index", "file", "preview", "content_type", "width", "height", "generation__prompt",
    "generation__negative_prompt", "generation__aspect_ratio", "generation__n",
    "generation__created_at", "generation__reference_id", "generation__reference_url",
    "generation__owner__username", "generation__owner__first_name", "generation__owner__last_name",
)  # fmt: skip


@require_POST
def download(request: MemberRequest) -> HttpResponseBase:
    try:
        selected = selected_pictures(request.POST, request.user)
    except BulkError as refusal:
        return _refuse(request, str(refusal))
    if len(selected) > MAX_IMAGES:
        said = gettext("%(most)s pictures fit into one download, and these are %(chosen)s.")
        return _refuse(request, said % {"most": MAX_IMAGES, "chosen": len(selected)})
    here = _newest_first(Picture.objects.visible_to(request.user), selected)
    if not here:
        return _refuse(request, gettext("None of these pictures is here any more."))
    archive = _zip(request.user, here, is_webp=request.POST.get("form") == "webp")
    response = StreamingHttpResponse(archive, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{_archive_name(len(here))}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    response["X-Accel-Buffering"] = "no"  # a proxy would gather all of it on its own disk
    return response


def _refuse(request: MemberRequest, refusal: str) -> HttpResponse:
    context = {"refusal": refusal}
    return render(request, "download/refused.html", context, status=422)


def _newest_first(pictures: PictureQuerySet, keys: Sequence[int]) -> list[int]:
    rows = pictures.filter(pk__in=keys)
    ordered = rows.order_by("-generation__created_at", "-generation_id", "index")
    return list(ordered.values_list("pk", flat=True))


def _archive_name(count: int) -> str:
    named = ngettext("klingweb %(day)s %(n)d picture", "klingweb %(day)s %(n)d pictures", count)
    return f"{named % {'day': timezone.localdate().isoformat(), 'n': count}}.zip"


# --- while it is sent -----------------------------------------------------------------------------


def _zip(member: Member, keys: Sequence[int], *, is_webp: bool) -> Iterator[bytes]:
    """Pictures first and the table last: only then is it known what could not be read."""
    archive = ZipStream()
    told: dict[int, tuple[str, str]] = {}  # by key, its file in the zip and what is to be noted
    for picture in _rows(Picture.objects.visible_to(member), keys):
        stored = picture.preview if is_webp else picture.file
        try:
            stored.open("rb")
            size = stored.size
        except (OSError, ValueError):
            logger.warning("the file of picture %d is gone: %s", picture.pk, stored.name)
            told[picture.pk] = "", gettext("Its file is gone.")
            continue
        name = _name(picture, is_webp)
        told[picture.pk] = name, ""
        archive.add(_content(picture, stored, told), name, size=size)
        yield from archive.all_files()
    rows = _rows(Picture.objects.all(), list(told))
    archive.add(write_csv((picture, *told[picture.pk]) for picture in rows), "pictures.csv")
    yield from archive.finalize()


def _rows(pictures: PictureQuerySet, keys: Sequence[int]) -> Iterator[Picture]:
    """In the order of the keys, a few at a time: a thousand prompts are never held at once."""
    for start in range(0, len(keys), ROWS_AT_ONCE):
        some = keys[start : start + ROWS_AT_ONCE]
        rows = pictures.select_related("generation__owner").only(*CSV_COLUMNS).in_bulk(some)
        yield from (rows[pk] for pk in some if pk in rows)


def _content(
    picture: Picture, stored: FieldFile, told: dict[int, tuple[str, str]]
) -> Iterator[bytes]:
    """What breaks off is told, and the rest of the zip is whole all the same."""
    with stored:
        try:
            yield from stored.chunks(CHUNK_BYTES)
        except OSError:
            logger.exception("the file of picture %d broke off: %s", picture.pk, stored.name)
            name, _note = told[picture.pk]
            told[picture.pk] = name, gettext("Its file could not be read to the end.")


def _name(picture: Picture, is_webp: bool) -> str:
    """`2026-11-24 lan pear-on-dark-ground 123-2.png`: good in every file system, no two alike."""
    made = picture.generation
    extension = "webp" if is_webp else SHOWN_TYPES.get(picture.content_type, "bin")
    person = slugify(made.owner.name, allow_unicode=True) or str(made.owner_id)
    return " ".join(
        (
            timezone.localdate(made.created_at).isoformat(),
            _cut(person, MAX_PERSON_BYTES),
            _cut(words_of(picture), MAX_PROMPT_BYTES),
            f"{made.pk}-{picture.number}.{extension}",
        )
    )


def _cut(text: str, max_bytes: int) -> str:
    return text.encode()[:max_bytes].decode(errors="ignore").strip("-_")
