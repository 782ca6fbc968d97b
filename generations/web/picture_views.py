"""One picture as a page needs it: its addresses, its size, the colour that stands for it."""

from dataclasses import dataclass
from functools import lru_cache

from django.urls import reverse

from generations.models import Picture
from generations.models.picture import PREVIEW_WIDTH, THUMBNAIL_WIDTH


@dataclass(frozen=True)
class PictureView:
    """One picture that was asked for, as the page needs it; without an id it is not here."""

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


@lru_cache(maxsize=4096)
def file_urls(pk: int) -> tuple[str, str, str, str]:
    """Original, preview, thumbnail, and the `srcset` of the two small ones.

    Asked for by the dozen on every page; an address never changes.
    """
    original, preview, thumbnail = (
        reverse("file", args=(pk, variant)) for variant in ("original", "preview", "thumbnail")
    )
    srcset = f"{thumbnail} {THUMBNAIL_WIDTH}w, {preview} {PREVIEW_WIDTH}w"
    return original, preview, thumbnail, srcset


@lru_cache(maxsize=4096)
def picture_url(pk: int) -> str:
    return reverse("picture", args=(pk,))
