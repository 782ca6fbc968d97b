"""From bytes to a picture we may keep: type, full decode under a cap, previews, mean colour.

Plain library: it knows neither rows nor storage.
"""

import io
from dataclasses import dataclass

from PIL import Image

from generations.models.picture import PREVIEW_WIDTH, THUMBNAIL_WIDTH

MAX_PIXELS = 80_000_000
TYPES = {
    "PNG": ("image/png", "png"),
    "JPEG": ("image/jpeg", "jpg"),
    "MPO": ("image/jpeg", "jpg"),  # a JPEG that holds several pictures
    "WEBP": ("image/webp", "webp"),
}
PREVIEW_WIDTHS = {"thumbnail": THUMBNAIL_WIDTH, "preview": PREVIEW_WIDTH}
WEBP_QUALITY = {"thumbnail": 74, "preview": 80}


class InvalidImage(Exception):
    """The bytes are not a whole PNG, JPEG or WebP of a sane size; says which in plain words."""


@dataclass(frozen=True)
class ProcessedImage:
    """A checked picture with its previews, still in memory."""

    original: bytes
    extension: str
    content_type: str
    width: int
    height: int
    colour: str
    previews: dict[str, bytes]


def process(original: bytes) -> ProcessedImage:
    """Decode every pixel, so that a truncated or forged file is found before it is kept."""
    try:
        with Image.open(io.BytesIO(original), formats=["PNG", "JPEG", "WEBP"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InvalidImage(f"too large: {image.width} x {image.height} pixels")
            content_type, extension = TYPES[image.format or ""]
            image.load()
            pixels = image.convert("RGB")
    except InvalidImage:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on hostile bytes
        raise InvalidImage(f"not a whole picture: {type(error).__name__}") from error
    return ProcessedImage(
        original=original,
        extension=extension,
        content_type=content_type,
        width=pixels.width,
        height=pixels.height,
        colour="#{:02x}{:02x}{:02x}".format(*_mean_colour(pixels)),
        previews=_previews(pixels, original if extension == "webp" else None),
    )


def _mean_colour(pixels: Image.Image) -> tuple[int, int, int]:
    mean = pixels.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(mean, tuple)
    return int(mean[0]), int(mean[1]), int(mean[2])


def _previews(pixels: Image.Image, ready: bytes | None) -> dict[str, bytes]:
    """The large one first, then the small one from the large one: half the work.

    `ready` is an original that is WebP already: where it is small enough it is its own preview.
    """
    previews = {}
    for name, width in sorted(PREVIEW_WIDTHS.items(), key=lambda item: -item[1]):
        if pixels.width > width:
            height = max(1, round(pixels.height * width / pixels.width))
            pixels = pixels.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
            ready = None
        previews[name] = ready or _webp(pixels, WEBP_QUALITY[name])
    return previews


def _webp(pixels: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    pixels.save(out, "WEBP", quality=quality, method=3)
    return out.getvalue()
