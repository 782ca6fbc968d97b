"""The example prompts of an empty studio."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from generations.web.layout import LAYOUTS, Layout


@dataclass(frozen=True)
class Example:
    """A prompt, with the number of its bundled image."""

    number: int
    aspect_ratio: str
    prompt: Promise

    @property
    def layout(self) -> Layout:
        return LAYOUTS[self.aspect_ratio]

    @property
    def image(self) -> str:
        return f"img/start-{self.number}.webp"


EXAMPLES = (
    Example(1, "3:4", _("Fern fronds as a cyanotype print, white on deep blue, rough paper edge")),
    Example(2, "16:9", _("White wall, blue arch, hard southern noon light")),
    Example(3, "1:1", _("Layered cut paper, coral to plum, soft shadows")),
)
