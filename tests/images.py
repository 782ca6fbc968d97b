"""Encoded images of every kind for tests."""

import io
from typing import Any

from PIL import Image, ImageCms

RED, GREEN = (200, 60, 40), (20, 160, 60)
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# A profile with red and green swapped: whoever ignores it shows the wrong color.
SWAPPED_PROFILE = (
    _SRGB.replace(b"rXYZ", b"tXYZ").replace(b"gXYZ", b"rXYZ").replace(b"tXYZ", b"gXYZ")
)
ORIENTATION, GPS = 0x0112, 0x8825


def encode(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def halves(width: int = 640, height: int = 480) -> Image.Image:
    """Green on the left, red on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (0, 0, width // 2, height))
    return image


def rotated() -> Image.Exif:
    """Left of the stored pixels is the top of the picture."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return exif


def with_location() -> Image.Exif:
    exif = Image.Exif()
    exif[GPS] = {1: "N", 2: (48.0, 51.0, 29.9), 3: "E", 4: (2.0, 17.0, 40.2)}
    return exif
