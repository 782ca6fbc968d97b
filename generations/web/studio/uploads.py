"""Reference images: checked by a full decode and stored when the form is sent."""

import hashlib
import io
from dataclasses import dataclass
from typing import TypeAlias

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.text import slugify
from django.utils.translation import gettext as _
from PIL import Image

from generations.engines.offer import ReferenceRules
from generations.engines.registry import offer_for
from generations.models import Member, Picture, ReferenceImage

Upload: TypeAlias = "UploadedFile[bytes]"


def rules() -> ReferenceRules:
    return offer_for().reference


class CappedUploadHandler(TemporaryFileUploadHandler):
    """Writes at most one chunk more than a valid file has. The size counts all bytes sent."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start <= rules().max_bytes:
            super().receive_data_chunk(raw_data, start)


@dataclass(frozen=True)
class CheckedImage:
    content_type: str
    width: int
    height: int


def check_image(upload: Upload) -> CheckedImage:
    """Check the file by the rules of the offer. Raises ValidationError with the broken rule."""
    rule = rules()
    size = upload.size or 0
    if size > rule.max_bytes:
        raise ValidationError(f"{too_large()} {_('This file has %s.') % filesizeformat(size)}")
    width, height, content_type = _decode(upload)
    if min(width, height) < rule.min_side:
        raise ValidationError(f"{too_small()} {_('This image has %d px.') % min(width, height)}")
    if max(width, height) > rule.max_ratio * min(width, height):
        raise ValidationError(too_long())
    return CheckedImage(content_type, width, height)


# Also shown by studio.js, before the file is sent.


def too_large() -> str:
    return _("The image is too large. Maximum %s.") % filesizeformat(rules().max_bytes)


def too_small() -> str:
    return _("The image is too small. Minimum %d px on each side.") % rules().min_side


def too_long() -> str:
    return _("The image is too wide or too tall. Maximum %s:1.") % number_format(rules().max_ratio)


def not_an_image() -> str:
    return _("This file could not be read. Use a JPEG or PNG image.")


def _decode(upload: Upload) -> tuple[int, int, str]:
    """Decode the whole image, because a truncated file has a valid header.

    An image with too many pixels is rejected before it is decoded.
    """
    rule = rules()
    formats = [name for name in rule.types if name != "MPO"]  # opened by Pillow's JPEG plugin
    try:
        upload.seek(0)
        with Image.open(upload, formats=formats) as image:
            if image.width * image.height > rule.max_area:
                raise ValidationError(
                    _("The image has too many pixels. Maximum %d million.")
                    % (rule.max_area // 1_000_000)
                )
            image.load()
            return image.width, image.height, rule.types[str(image.format)]
    except ValidationError:
        raise
    except Exception:  # Pillow's decoders raise nearly anything on hostile bytes
        raise ValidationError(not_an_image()) from None


def store_picture_as_reference(owner: Member, picture: Picture) -> ReferenceImage:
    """Return a reference image made from the picture. Raises ValidationError like `check_image`."""
    stored = ReferenceImage.objects.filter(owner=owner, picture=picture).first()
    if stored:
        return stored
    upload = _as_upload(picture)
    reference = store_reference(owner, upload, check_image(upload))
    ReferenceImage.objects.filter(pk=reference.pk, picture=None).update(picture=picture)
    return reference


def _as_upload(picture: Picture) -> Upload:
    """Return the stored file, converted to PNG if the engine does not accept its type."""
    name = f"{slugify(picture.generation.prompt)[:40] or 'picture'}-{picture.pk}"
    try:
        content = picture.file.read()
        if picture.content_type not in rules().types.values():
            converted = io.BytesIO()
            with Image.open(io.BytesIO(content)) as image:
                image.convert("RGB").save(converted, "PNG")
            content = converted.getvalue()
            return SimpleUploadedFile(f"{name}.png", content, "image/png")
    except OSError:
        raise ValidationError(
            _("The file of this image could not be read. Choose another image.")
        ) from None
    finally:
        picture.file.close()
    extension = picture.content_type.removeprefix("image/")
    return SimpleUploadedFile(f"{name}.{extension}", content, picture.content_type)


def store_reference(owner: Member, upload: Upload, image: CheckedImage) -> ReferenceImage:
    """Store the image, or return the row of the same owner with the same bytes."""
    digest = hashlib.sha256()
    for chunk in upload.chunks():
        digest.update(chunk)
    sha256 = digest.hexdigest()
    stored = ReferenceImage.objects.filter(owner=owner, sha256=sha256).first()
    if stored:
        return stored
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
