"""From bytes to a picture we may keep: type, full decode under a cap, previews, mean colour."""

import hashlib
import io
import os
import warnings
from dataclasses import dataclass
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

from generations.models import Picture

MOST_PIXELS = 80_000_000
TYPES = {"PNG": ("image/png", "png"), "JPEG": ("image/jpeg", "jpg"), "WEBP": ("image/webp", "webp")}
PREVIEW_WIDTHS = {"thumbnail": 320, "preview": 1280}
WEBP_QUALITY = {"thumbnail": 74, "preview": 80}


class NotAPicture(Exception):
    """The bytes are not a whole PNG, JPEG or WebP of a sane size; says which in plain words."""


@dataclass(frozen=True)
class Developed:
    """A checked picture with its previews, still in memory."""

    original: bytes
    extension: str
    content_type: str
    width: int
    height: int
    colour: str
    previews: dict[str, bytes]


def develop(original: bytes) -> Developed:
    """Decode every pixel, so that a truncated or forged file is found before it is kept."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(original), formats=list(TYPES)) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise NotAPicture(f"too large: {image.width} x {image.height} pixels")
                content_type, extension = TYPES[image.format or ""]
                image.load()
                pixels = image.convert("RGB")
    except NotAPicture:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on hostile bytes
        raise NotAPicture(f"not a whole picture: {type(error).__name__}") from error
    return Developed(
        original=original,
        extension=extension,
        content_type=content_type,
        width=pixels.width,
        height=pixels.height,
        colour="#{:02x}{:02x}{:02x}".format(*_mean_colour(pixels)),
        previews=_previews(pixels),
    )


def store(developed: Developed) -> dict[str, Any]:
    """Put original and previews into the storage, durably; returns the columns of the row."""
    names = {
        field: _save(Picture.new_file_name("webp"), data)
        for field, data in developed.previews.items()
    }
    return {
        "file": _save(Picture.new_file_name(developed.extension), developed.original),
        **names,
        "content_type": developed.content_type,
        "width": developed.width,
        "height": developed.height,
        "size_bytes": len(developed.original),
        "sha256": hashlib.sha256(developed.original).hexdigest(),
        "colour": developed.colour,
    }


def discard(facts: dict[str, Any]) -> None:
    """Remove what `store` put there: another fetch of the same picture was first."""
    for field in ("file", *PREVIEW_WIDTHS):
        default_storage.delete(facts[field])


def _mean_colour(pixels: Image.Image) -> tuple[int, int, int]:
    mean = pixels.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(mean, tuple)
    return int(mean[0]), int(mean[1]), int(mean[2])


def _previews(pixels: Image.Image) -> dict[str, bytes]:
    """The large one first, then the small one from the large one: half the work."""
    previews = {}
    for name, width in sorted(PREVIEW_WIDTHS.items(), key=lambda item: -item[1]):
        if pixels.width > width:
            height = max(1, round(pixels.height * width / pixels.width))
            pixels = pixels.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
        out = io.BytesIO()
        pixels.save(out, "WEBP", quality=WEBP_QUALITY[name], method=3)
        previews[name] = out.getvalue()
    return previews


def _save(name: str, data: bytes) -> str:
    saved = default_storage.save(name, ContentFile(data))
    try:
        path = default_storage.path(saved)
    except NotImplementedError:
        return saved  # an object store answers only when it has it
    # The row will say "stored": after a power cut that must still be true.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return saved
