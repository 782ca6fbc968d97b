"""Row counts as pages show them, capped so that a count does not slow down with the table."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generations.models.counting import count_up_to

MAX_COUNT = 1000  # larger counts are shown as "1,000+"


@dataclass(frozen=True)
class Count:
    """A number of rows, counted up to `MAX_COUNT` + 1."""

    number: int

    @property
    def is_more(self) -> bool:
        return self.number > MAX_COUNT

    @property
    def label(self) -> int:
        return min(self.number, MAX_COUNT)

    @property
    def images(self) -> str:
        """The count of a collection: "3 images", "1,000+ images" or "Empty"."""
        if not self.number:
            return _("Empty")
        n = number_format(self.label)
        if self.is_more:
            return _("%(n)s+ images") % {"n": n}
        return ngettext("%(n)s image", "%(n)s images", self.number) % {"n": n}


def counts_of(querysets: Iterable[QuerySet[Any]]) -> list[Count]:
    """Count the rows of each queryset, all in one statement."""
    return [Count(number) for number in count_up_to(MAX_COUNT + 1, list(querysets))]
