"""A reference image as it comes in: checked by decoding it, and kept before anything else."""

import hashlib
import io
from dataclasses import dataclass
from typing import TypeAlias

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.template.defaultfilters import filesizeformat
from django.utils.text import slugify
from django.utils.translation import gettext as _
from PIL import Image

from generations import catalog
from generations.models import Member, Picture, ReferenceImage

Upload: TypeAlias = "UploadedFile[bytes]"


class CappedUploadHandler(TemporaryFileUploadHandler):
    """Writes no more than can be right; the size still tells how much was sent."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start <= catalog.MAX_REFERENCE_BYTES:
            super().receive_data_chunk(raw_data, start)


@dataclass(frozen=True)
class CheckedImage:
    content_type: str
    width: int
    height: int


def check_image(upload: Upload) -> CheckedImage:
    """Raises a ValidationError that says which rule of the catalog is broken, and by how much."""
    most = catalog.MAX_REFERENCE_BYTES
    if (upload.size or 0) > most:
        raise ValidationError(
            _("The image is too large: %(most)s is the most, this one has %(size)s.")
            % {"most": filesizeformat(most), "size": filesizeformat(upload.size or 0)}
        )
    width, height, content_type = _decode(upload)
    least = catalog.MIN_REFERENCE_PIXELS
    if min(width, height) < least:
        raise ValidationError(
            _("The image is too small: %(least)s px each side is the least, this one has %(has)s.")
            % {"least": least, "has": min(width, height)}
        )
    if max(width, height) > catalog.MAX_REFERENCE_RATIO * min(width, height):
        raise ValidationError(_("The image is too long: 2.5 to 1 is the most."))
    return CheckedImage(content_type, width, height)


def _decode(upload: Upload) -> tuple[int, int, str]:
    """A full decode, because a cut file has a good header; never of more pixels than allowed."""
    not_an_image = ValidationError(_("This is no JPEG or PNG image that can be read."))
    try:
        upload.seek(0)
        with Image.open(upload, formats=["JPEG", "PNG"]) as image:
            if image.width * image.height > catalog.MAX_REFERENCE_AREA:
                raise ValidationError(_("The image has too many pixels: 50 million is the most."))
            image.load()
            return image.width, image.height, catalog.REFERENCE_TYPES[str(image.format)]
    except ValidationError:
        raise
    except Exception:  # Pillow's decoders raise nearly anything on hostile bytes
        raise not_an_image from None


def store_picture_as_reference(owner: Member, picture: Picture) -> ReferenceImage:
    """One of our pictures as a reference. Raises a ValidationError, as `check_image` does."""
    kept = ReferenceImage.objects.filter(owner=owner, picture=picture).first()
    if kept:
        return kept
    upload = _as_upload(picture)
    reference = store_reference(owner, upload, check_image(upload))
    ReferenceImage.objects.filter(pk=reference.pk, picture=None).update(picture=picture)
    return reference


def _as_upload(picture: Picture) -> Upload:
    """Its stored bytes; a kind that Kling does not take is written anew, without a loss."""
    name = f"{slugify(picture.generation.prompt)[:40] or 'picture'}-{picture.pk}"
    try:
        content = picture.file.read()
        if picture.content_type not in catalog.REFERENCE_TYPES.values():
            anew = io.BytesIO()
            with Image.open(io.BytesIO(content)) as image:
                image.convert("RGB").save(anew, "PNG")
            content = anew.getvalue()
            return SimpleUploadedFile(f"{name}.png", content, "image/png")
    except OSError:
        raise ValidationError(_("The file of that picture cannot be read.")) from None
    finally:
        picture.file.close()
    extension = picture.content_type.removeprefix("image/")
    return SimpleUploadedFile(f"{name}.{extension}", content, picture.content_type)


def store_reference(owner: Member, upload: Upload, image: CheckedImage) -> ReferenceImage:
    """Store it, or find the same bytes of the same person again."""
    digest = hashlib.sha256()
    for chunk in upload.chunks():
        digest.update(chunk)
    sha256 = digest.hexdigest()
    kept = ReferenceImage.objects.filter(owner=owner, sha256=sha256).first()
    if kept:
        return kept
    reference = ReferenceImage(
        owner=owner,
        name=(upload.name or "")[:200],
        content_type=image.content_type,
        width=image.width,
        height=image.height,
        size_bytes=upload.size or 0,
        sha256=sha256,
    )
    extension = image.content_type.removeprefix("image/")
    upload.seek(0)
    reference.file.save(ReferenceImage.new_file_name(extension), upload)
    return reference
