"""Decoded images as a browser shows them: upright, in 8-bit sRGB."""

import io
from contextlib import suppress

from PIL import Image, ImageCms, ImageOps

SRGB = ImageCms.createProfile("sRGB")
WHITE = (255, 255, 255)
_DEEP_MODES = ("I", "F")  # and "I;16" in each byte order
_MAX_OF_DEPTH = (1.0, 255.0, 65535.0)


def as_displayed(image: Image.Image) -> Image.Image:
    """Return the pixels as RGB, or as RGBA if any of them is transparent."""
    # Damaged metadata must not make a complete image unusable: it is shown as a browser would.
    with suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    profile = image.info.get("icc_profile")
    pixels = _in_srgb(_eight_bit(image), profile)
    pixels.info = {}
    return pixels


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if not image.has_transparency_data:
        return _convert(image, profile)
    alpha = image.convert("RGBA").getchannel("A")
    colours = image if image.mode in ("RGB", "L") else image.convert(_without_alpha(image.mode))
    pixels = _convert(colours, profile)
    if alpha.getextrema() != (255, 255):
        pixels.putalpha(alpha)
    return pixels


def flattened(image: Image.Image) -> Image.Image:
    """Return the result of `as_displayed` on white, without transparency."""
    if image.mode == "RGB":
        return image
    background = Image.new("RGB", image.size, WHITE)
    background.paste(image, mask=image.getchannel("A"))
    return background


def is_srgb(image: Image.Image) -> bool:
    """Whether its profile is sRGB, or missing, which means the same."""
    profile = image.info.get("icc_profile")
    if not profile:
        return True
    try:
        description = ImageCms.getProfileDescription(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError):
        return True  # not used
    return "sRGB" in description


def _without_alpha(mode: str) -> str:
    return "L" if mode == "LA" else "RGB"


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale deep gray levels; Pillow's own conversion clips them at 255."""
    if not image.mode.startswith(_DEEP_MODES):
        return image
    image.info.pop("transparency", None)  # one deep level, which no gray of 8 bit equals
    if image.mode.startswith("I;16"):
        return image.convert("I").point(lambda level: level / 257 + 0.5).convert("L")
    highest = float(image.getextrema()[1])  # type: ignore[arg-type]  # one band: two numbers
    scale = 255 / next((most for most in _MAX_OF_DEPTH if highest <= most), highest)
    return image.convert("F").point(lambda level: level * scale + 0.5).convert("L")


def _convert(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert by the profile; plainly if there is none, or one of another color space."""
    if image.mode not in ("RGB", "L", "CMYK", "LAB"):
        image = image.convert("RGB")
    with suppress(ImageCms.PyCMSError, OSError):
        if profile or image.mode == "LAB":
            source = io.BytesIO(profile) if profile else ImageCms.createProfile("LAB")
            converted = ImageCms.profileToProfile(image, source, SRGB, outputMode="RGB")
            assert converted is not None  # not in place
            return converted
    image.info.pop("transparency", None)
    return image.convert("RGB")
