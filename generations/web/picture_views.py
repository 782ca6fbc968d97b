"""One picture as a card shows it, with the URLs of its files."""

from dataclasses import dataclass
from functools import lru_cache

from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from generations.models import Picture
from generations.preview_widths import PREVIEW_WIDTH, THUMBNAIL_WIDTH

MAX_ALT_LENGTH = 120  # characters of the prompt


@dataclass(frozen=True)
class PictureView:
    """One requested picture. Without an `id` it has not been stored."""

    number: int
    alt: str
    pk: int | None = None
    id: str = ""
    url: str = ""
    original: str = ""
    preview: str = ""
    srcset: str = ""
    width: int = 0
    height: int = 0
    colour: str = ""
    is_favourite: bool = False

    @classmethod
    def of(cls, picture: Picture, number: int, alt: str) -> "PictureView":
        original, preview, _thumbnail, srcset = file_urls(picture.pk)
        return cls(
            number=number,
            alt=alt,
            pk=picture.pk,
            id=f"picture-{picture.pk}",
            url=picture_url(picture.pk),
            original=original,
            preview=preview,
            srcset=srcset,
            width=picture.width or 0,
            height=picture.height or 0,
            colour=picture.colour,
            is_favourite=getattr(picture, "is_favourite", False),
        )


def alt_text(prompt: str, number: int, n: int) -> str:
    """Return the start of the prompt and, if there are several images, the number of this one."""
    start = prompt_start(prompt)
    if n == 1:
        return start
    return _("%(prompt)s, image %(number)d of %(n)d") % {"prompt": start, "number": number, "n": n}


def prompt_start(prompt: str) -> str:
    """Return at most `MAX_ALT_LENGTH` characters of the prompt."""
    return prompt if len(prompt) <= MAX_ALT_LENGTH else Truncator(prompt).chars(MAX_ALT_LENGTH)


@lru_cache(maxsize=4096)
def file_urls(pk: int) -> tuple[str, str, str, str]:
    """Return the URLs of original, preview and thumbnail, and a `srcset` of the latter two.

    Cached: called for every picture on every page, and URLs are stable.
    """
    original, preview, thumbnail = (
        reverse("file", args=(pk, variant)) for variant in ("original", "preview", "thumbnail")
    )
    srcset = f"{thumbnail} {THUMBNAIL_WIDTH}w, {preview} {PREVIEW_WIDTH}w"
    return original, preview, thumbnail, srcset


@lru_cache(maxsize=4096)
def picture_url(pk: int) -> str:
    return reverse("picture", args=(pk,))
