"""Reference images: normalized, checked and stored when the form is sent."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TypeAlias

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from generations.engines.offer import ReferenceRules
from generations.engines.registry import offer_for
from generations.joining import join_sentences
from generations.models import Member, Picture, ReferenceImage
from generations.web.file_names import slug, truncate

from . import normalization
from .normalization import MAX_BYTES, NormalizedImage

Upload: TypeAlias = "UploadedFile[bytes]"


def rules() -> ReferenceRules:
    rules = offer_for().reference
    assert rules is not None
    return rules


@dataclass(frozen=True)
class NormalizedUpload:
    """A file of the form: its name, and the image as the engine takes it."""

    name: str
    image: NormalizedImage


class CappedUploadHandler(TemporaryFileUploadHandler):
    """Writes at most one chunk more than a valid file has. The size counts all bytes sent."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start <= MAX_BYTES:
            super().receive_data_chunk(raw_data, start)


# Also shown by studio.js, before the file is sent.


def empty(name: str) -> str:
    return _("“%(name)s” is empty.") % {"name": name}


def too_large(name: str) -> str:
    limit = filesizeformat(MAX_BYTES)
    return _("“%(name)s” is too large. Maximum %(limit)s.") % {"name": name, "limit": limit}


def too_small(name: str) -> str:
    return _("“%(name)s” is too small. Minimum %(limit)d px on each side.") % {
        "name": name,
        "limit": rules().min_side,
    }


def too_long(name: str) -> str:
    return _("“%(name)s” is too wide or too tall. Maximum %(limit)s:1.") % {
        "name": name,
        "limit": number_format(rules().max_ratio),
    }


def unreadable(name: str) -> str:
    return _(
        "“%(name)s” could not be read. Use a JPEG, PNG, WebP, AVIF, HEIC, GIF, BMP or TIFF image."
    ) % {"name": name}


BROWSER_ERRORS: dict[str, Callable[[str], str]] = {
    "unreadable": unreadable,
    "empty": empty,
    "large": too_large,
    "small": too_small,
    "long": too_long,
}


def _too_many_pixels(name: str, limit: int) -> str:
    return _("“%(name)s” has too many pixels. Maximum %(limit)d million.") % {
        "name": name,
        "limit": limit // 1_000_000,
    }


# --- from a file ---------------------------------------------------------------------------------


def normalize_upload(upload: Upload) -> NormalizedUpload:
    """Check and convert the file. Raises ValidationError, which names it."""
    name, size = upload.name or "", upload.size or 0
    if not size:
        raise ValidationError(empty(name))
    if size > MAX_BYTES:
        has = _("This file has %s.") % filesizeformat(size)
        raise ValidationError(f"{too_large(name)} {has}")
    return NormalizedUpload(name, _normalize(upload, name))


def _normalize(file: IO[bytes], name: str) -> NormalizedImage:
    try:
        return normalization.normalize(file, rules())
    except normalization.Unreadable:
        error = unreadable(name)
    except normalization.TooManyPixels as refusal:
        error = _too_many_pixels(name, refusal.limit)
    except normalization.TooSmall as refusal:
        error = join_sentences((too_small(name), _("This image has %d px.") % refusal.side))
    except normalization.TooLong:
        error = too_long(name)
    except normalization.TooLarge:
        error = too_large(name)
    raise ValidationError(error)


def store_reference(owner: Member, upload: NormalizedUpload) -> ReferenceImage:
    """Store the image, or return the row of the same owner with the same bytes."""
    image = upload.image
    sha256 = hashlib.sha256(image.content).hexdigest()
    stored = ReferenceImage.objects.filter(owner=owner, sha256=sha256).first()
    if stored:
        return stored
    reference = ReferenceImage(
        owner=owner,
        name=upload.name[:200],
        content_type=image.content_type,
        width=image.width,
        height=image.height,
        size_bytes=len(image.content),
        sha256=sha256,
    )
    file_name = ReferenceImage.new_file_name(image.extension)
    reference.file.save(file_name, ContentFile(image.content))
    return reference


# --- from the gallery ----------------------------------------------------------------------------


def store_picture_as_reference(owner: Member, picture: Picture) -> tuple[ReferenceImage, str]:
    """Return a reference image made from the picture, and what was changed.

    Raises ValidationError like `normalize_upload`.
    """
    stored = ReferenceImage.objects.filter(owner=owner, picture=picture).first()
    if stored:
        return stored, ""
    extension = picture.content_type.removeprefix("image/")
    prompt = truncate(slug(picture.generation.prompt), 80) or _("image")
    name = f"{prompt}-{picture.pk}.{extension}"
    try:
        with picture.file.open("rb") as file:
            upload = NormalizedUpload(name, _normalize(file, name))
    except OSError:
        raise ValidationError(
            _("The file of this image could not be read. Choose another image.")
        ) from None
    reference = store_reference(owner, upload)
    ReferenceImage.objects.filter(pk=reference.pk, picture=None).update(picture=picture)
    return reference, upload.image.changes
