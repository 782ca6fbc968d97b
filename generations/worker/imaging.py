"""Checks a downloaded image, and computes its previews and mean color. No rows, no storage."""

import io
from dataclasses import dataclass

from PIL import Image

from generations.displayed import as_displayed, flattened
from generations.preview_widths import PREVIEW_WIDTH, THUMBNAIL_WIDTH

MAX_PIXELS = 80_000_000
TYPES = {
    "PNG": ("image/png", "png"),
    "JPEG": ("image/jpeg", "jpg"),
    "MPO": ("image/jpeg", "jpg"),  # a JPEG that contains several images
    "WEBP": ("image/webp", "webp"),
}
PREVIEW_WIDTHS = {"thumbnail": THUMBNAIL_WIDTH, "preview": PREVIEW_WIDTH}
WEBP_QUALITY = {"thumbnail": 74, "preview": 80}
WEBP_METHOD = 2  # effort: 3 takes a third more processor time for nearly the same size


class InvalidImage(Exception):
    """The bytes are not a complete PNG, JPEG or WebP within the size limit."""


@dataclass(frozen=True)
class ProcessedImage:
    """A checked image with its previews, in memory. Width and height are those on a page."""

    original: bytes
    extension: str
    content_type: str
    width: int
    height: int
    colour: str
    previews: dict[str, bytes]


def process(original: bytes) -> ProcessedImage:
    """Decode every pixel, so that truncated or forged files are found. Raises `InvalidImage`."""
    try:
        with Image.open(io.BytesIO(original), formats=["PNG", "JPEG", "WEBP"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InvalidImage(f"too large: {image.width} x {image.height} pixels")
            content_type, extension = TYPES[image.format or ""]
            image.load()
            is_plain = not any(name in image.info for name in ("exif", "icc_profile", "xmp"))
            pixels = as_displayed(image)
    except InvalidImage:
        raise
    except Image.DecompressionBombError as error:
        raise InvalidImage("too large: far too many pixels") from error
    except Exception as error:  # Pillow's decoders raise many types on hostile bytes
        raise InvalidImage(f"not a complete image: {type(error).__name__}") from error
    return ProcessedImage(
        original=original,
        extension=extension,
        content_type=content_type,
        width=pixels.width,
        height=pixels.height,
        colour="#{:02x}{:02x}{:02x}".format(*_mean_color(flattened(pixels))),
        previews=_previews(pixels, original if extension == "webp" and is_plain else None),
    )


def _mean_color(pixels: Image.Image) -> tuple[int, int, int]:
    mean = pixels.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(mean, tuple)
    return int(mean[0]), int(mean[1]), int(mean[2])


def _previews(pixels: Image.Image, webp: bytes | None) -> dict[str, bytes]:
    """Scale the small preview from the large one, which halves the work.

    `webp` is the original if it is WebP without metadata: where it is small enough it is its own
    preview.
    """
    previews = {}
    for name, width in sorted(PREVIEW_WIDTHS.items(), key=lambda item: -item[1]):
        if pixels.width > width:
            height = max(1, round(pixels.height * width / pixels.width))
            pixels = pixels.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
            webp = None
        previews[name] = webp or _encode_webp(pixels, WEBP_QUALITY[name])
    return previews


def _encode_webp(pixels: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    pixels.save(out, "WEBP", quality=quality, method=WEBP_METHOD)
    return out.getvalue()
