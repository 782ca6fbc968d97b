"""Turns any image that a browser or a phone gives into one that the engine takes.

The result is upright, 8-bit sRGB, flattened on white, scaled under the engine's limits, and written
anew: no metadata and no foreign bytes of the file reach colleagues or the gateway.
"""

import ctypes
import io
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import IO, Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from PIL import Image

from generations.displayed import as_displayed, flattened, is_srgb
from generations.engines.offer import ReferenceRules

# Ours, not the engine's: what one web thread may read and decode.
MAX_BYTES = 50 * 1024 * 1024
MAX_PIXELS = 50_000_000
MAX_JPEG_PIXELS = 250_000_000  # decoded at a smaller scale, unless it is progressive
MAX_WEBP_PIXELS = 25_000_000  # its decoder holds four copies
MAX_SCANNED_PIXELS = 4_000_000_000  # of a progressive JPEG, over all of its scans
# Pillow's own limit is below the photos of large phone cameras. Each caller of `Image.open` checks
# the number of pixels before it decodes.
Image.MAX_IMAGE_PIXELS = MAX_JPEG_PIXELS

# Pillow's names, and how pages call them. Pillow opens MPO (a JPEG with several images) as JPEG.
FORMATS = {
    "JPEG": "JPEG",
    "MPO": "JPEG",
    "PNG": "PNG",
    "WEBP": "WebP",
    "AVIF": "AVIF",
    "HEIF": "HEIC",
    "GIF": "GIF",
    "BMP": "BMP",
    "TIFF": "TIFF",
}
LOSSLESS = ("PNG", "GIF", "BMP", "TIFF")
# For the file dialog. Many browsers know no type for the files with these extensions.
ACCEPT = (
    "image/jpeg,image/png,image/webp,image/avif,image/heic,image/heif,image/gif,image/bmp"
    ",image/tiff,.heic,.heif,.avif,.tif,.tiff"
)
JPEG_QUALITIES = (92, 80, 60)  # the next one if a file is too large
SCALABLE_MODES = ("RGB", "RGBA", "L", "LA", "CMYK")  # before their colors are converted
_ORIENTATION, _GPS_IFD = 0x0112, 0x8825
_METADATA = ("xmp", "photoshop", "comment", "XML:com.adobe.xmp")
# Browsers send large images from several tabs at once: one at a time bounds the memory.
_decoding = threading.Lock()


class Unreadable(Exception):
    """The bytes are not a complete image of a known format."""


class TooManyPixels(Exception):
    """More than `limit` pixels: not decoded."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} pixels")
        self.limit = limit


class TooSmall(Exception):
    """A side has less than the minimum: `side` pixels."""

    def __init__(self, side: int) -> None:
        super().__init__(f"{side} px")
        self.side = side


class TooLong(Exception):
    """Wider or taller than the engine's ratio."""


class TooLarge(Exception):
    """Above the engine's number of bytes, even with the lowest quality."""


@dataclass(frozen=True)
class NormalizedImage:
    content: bytes
    content_type: str
    width: int
    height: int
    changes: str  # a sentence for the member; empty if nothing noticeable was changed

    @property
    def extension(self) -> str:
        return self.content_type.removeprefix("image/")


def normalize(file: IO[bytes], rules: ReferenceRules) -> NormalizedImage:
    """Decode the file, whatever its name and declared type are. Raises the errors of this module.

    The engine's limits are checked at the end, so that a large photo is scaled, not refused.
    """
    with _decoding:
        try:
            return _normalize(file, rules)
        finally:
            _return_memory()


def _normalize(file: IO[bytes], rules: ReferenceRules) -> NormalizedImage:
    try:
        with _open(file) as image:
            source, changes = str(image.format), _lost(image)
            size = image.size
            pixels = as_displayed(_decode(image, rules.max_side))
    except TooManyPixels:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on hostile bytes
        raise Unreadable from error
    if max(size) > rules.max_ratio * min(size):
        raise TooLong
    if pixels.mode == "RGBA":
        changes.append(_("transparency filled with white"))
    pixels = flattened(_scaled(pixels, rules.max_side))
    if min(pixels.size) < rules.min_side:
        raise TooSmall(min(pixels.size))
    form, content = _encode(pixels, source, rules)
    if max(pixels.size) < max(size):
        scaled = _("scaled to %(width)d × %(height)d px")
        changes.insert(0, scaled % {"width": pixels.width, "height": pixels.height})
    if FORMATS[source] != form:
        changes.insert(0, _("converted from %(format)s") % {"format": FORMATS[source]})
    sentence = capfirst(", ".join(changes)) + "." if changes else ""
    return NormalizedImage(content, rules.types[form], *pixels.size, sentence)


def _return_memory() -> None:
    """Give freed memory back to the system; glibc keeps hundreds of megabytes of a large HEIC."""
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


# --- reading -------------------------------------------------------------------------------------


def _open(file: IO[bytes]) -> Image.Image:
    file.seek(0)
    # AVIF and HEIF have the same container. The library for HEIF is loaded for such files only.
    if file.read(12)[4:8] == b"ftyp":
        _register_heif()
        formats = ["AVIF", "HEIF"]
    else:
        formats = [name for name in FORMATS if name not in ("MPO", "AVIF", "HEIF")]
    file.seek(0)
    image = Image.open(file, formats=formats)
    _check_pixels(image, file)
    return image


@cache
def _register_heif() -> None:
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)


def _check_pixels(image: Image.Image, file: IO[bytes]) -> None:
    """Refuse what would take much memory or time to decode."""
    pixels = image.width * image.height
    is_progressive = bool(image.info.get("progressive"))
    is_jpeg = image.format in ("JPEG", "MPO")
    limit = MAX_JPEG_PIXELS if is_jpeg and not is_progressive else MAX_PIXELS
    if image.format == "WEBP":
        limit = MAX_WEBP_PIXELS
    if pixels > limit:
        raise TooManyPixels(limit)
    if is_jpeg and is_progressive:
        # Each scan goes over all pixels, and a few bytes are enough for one.
        position = file.tell()
        file.seek(0)
        scans = file.read().count(b"\xff\xda")
        file.seek(position)
        if pixels * scans > MAX_SCANNED_PIXELS:
            raise Unreadable


def _decode(image: Image.Image, max_side: int) -> Image.Image:
    """Decode the whole first frame, scaled down as early as possible to save memory.

    The whole one, because a truncated file has a valid header.
    """
    image.draft(None, _size_below(max_side, image.size))  # JPEG: a half, quarter or eighth
    image.load()
    return _scaled(image, max_side) if image.mode in SCALABLE_MODES else image


def _scaled(image: Image.Image, max_side: int) -> Image.Image:
    size = _size_below(max_side, image.size)
    if size == image.size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _size_below(max_side: int, size: tuple[int, int]) -> tuple[int, int]:
    """Scale the long side down to the limit. The short one is rounded up, to keep the ratio's."""
    if max(size) <= max_side:
        return size
    width, height = (-(-side * max_side // max(size)) for side in size)
    return width, height


def _orientation(image: Image.Image) -> int:
    """Return 1 to 8 (EXIF)."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged metadata
        return 1


def _lost(image: Image.Image) -> list[str]:
    """What of the file is not in the result, as parts of the sentence."""
    lost = []
    if getattr(image, "is_animated", False) and image.format != "MPO":
        lost.append(_("first frame used"))
    if _orientation(image) != 1:
        lost.append(_("turned upright"))
    if image.mode == "CMYK" or not is_srgb(image):
        lost.append(_("colors converted to sRGB"))
    if _has_location(image):
        lost.append(_("location removed"))
    elif _has_metadata(image):
        lost.append(_("metadata removed"))
    return lost


def _has_metadata(image: Image.Image) -> bool:
    """Whether there is any besides the orientation, which has a sentence of its own."""
    try:
        # The tags of a TIFF file itself say how its pixels are stored.
        tags = set(image.getexif()) - {_ORIENTATION} if "exif" in image.info else set()
    except Exception:  # damaged metadata
        return True
    return bool(tags) or any(image.info.get(name) for name in _METADATA)


def _has_location(image: Image.Image) -> bool:
    try:
        xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        is_in_xmp = (b"GPS" if isinstance(xmp, bytes) else "GPS") in xmp
        return is_in_xmp or bool(image.getexif().get_ifd(_GPS_IFD))
    except Exception:  # damaged metadata
        return False


# --- writing -------------------------------------------------------------------------------------


def _encode(pixels: Image.Image, source: str, rules: ReferenceRules) -> tuple[str, bytes]:
    """Return the format and the file: PNG for a lossless source if it is small enough."""
    attempts: list[tuple[str, dict[str, Any]]] = [
        ("JPEG", {"quality": q, "subsampling": "4:4:4"}) for q in JPEG_QUALITIES
    ]
    if source in LOSSLESS:
        attempts.insert(0, ("PNG", {"compress_level": 3}))
    for form, options in attempts:
        out = io.BytesIO()
        pixels.save(out, form, **options)
        if form in rules.types and out.tell() <= rules.max_bytes:
            return form, out.getvalue()
    raise TooLarge
