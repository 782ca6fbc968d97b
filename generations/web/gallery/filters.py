"""The gallery's filter. Its state is the query string, so that a filtered page can be shared."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Exists, OuterRef, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.engines.registry import offer_for
from generations.models import (
    Collection,
    CollectionItem,
    Favourite,
    Generation,
    Member,
    Picture,
    Status,
    Tag,
)
from generations.models.counting import fewest_keys
from generations.models.generation import GenerationQuerySet
from generations.models.generation_base import HAS_REFERENCE
from generations.models.picture import PictureQuerySet
from generations.search import SearchQuery
from generations.web.ids import parse_id
from generations.web.text_fields import VisibleTextField

DONE = "done"
STATES = (
    (DONE, _("Done")),
    (Status.RUNNING, _("In progress")),
    (Status.UNCONFIRMED, _("Unconfirmed")),
    (Status.FAILED, _("Failed")),
    (Status.CANCELED, _("Canceled")),
    (Status.ABANDONED, _("Dismissed")),
)
FORMER_NAMES = {"shape": "ratio"}  # of parameters, in older links
FORMER_VALUES = {("state", "made"): DONE}
DATE_VALIDATORS = (MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2999, 12, 31)))


def with_current_names(data: QueryDict) -> QueryDict:
    """Return the parameters with former names and values replaced, so that old links work."""
    current = QueryDict(mutable=True)
    for name, values in data.lists():
        name = FORMER_NAMES.get(name, name)
        for value in values:
            current.appendlist(name, FORMER_VALUES.get((name, str(value)), value))
    return current


class MembersField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # not at run time
    """Members by id. Values that are not ids are ignored."""

    def clean(self, value: Any) -> Any:
        return super().clean([text for text in value or () if parse_id(text) is not None])


class Filter(forms.Form):
    """Form bound to the query string. Invalid values show an error and are ignored."""

    q = VisibleTextField(label=_("search"), required=False)
    by = MembersField(Member.objects.all(), label=_("creator"), required=False)
    ratio = forms.MultipleChoiceField(
        label=_("aspect ratio"),
        choices=[(ratio.value, ratio.label) for ratio in offer_for().aspect_ratios],
        required=False,
    )
    collection = forms.ModelChoiceField(
        Collection.objects.all(), label=_("collection"), required=False
    )
    tag = forms.ModelChoiceField(Tag.objects.all(), label=_("tag"), required=False)
    favourite = forms.BooleanField(label=_("favourites"), required=False)
    reference = forms.ChoiceField(
        label=_("reference image"),
        choices=[("", _("Any")), ("with", _("With")), ("without", _("Without"))],
        required=False,
    )
    state = forms.ChoiceField(label=_("status"), choices=STATES, required=False)
    private = forms.BooleanField(label=_("private"), required=False)
    since = forms.DateField(label=_("first day"), required=False, validators=DATE_VALIDATORS)
    until = forms.DateField(label=_("last day"), required=False, validators=DATE_VALIDATORS)

    def __init__(self, data: QueryDict, member: Member) -> None:
        super().__init__(with_current_names(data))
        self.member = member

    @cached_property
    def values(self) -> dict[str, Any]:
        """The valid values, without empty ones."""
        self.full_clean()
        return {name: value for name, value in self.cleaned_data.items() if value}

    @property
    def ignored(self) -> str:
        """The part of the search text that is not searched for."""
        return self._search.ignored

    # --- querysets -------------------------------------------------------------------------------

    @cached_property
    def shows_pictures(self) -> bool:
        """False for states other than done: then rows are generations, most without pictures."""
        return bool(self.values.get("state", DONE) == DONE)

    def rows(self) -> GenerationQuerySet:
        """Return the matching generations, newest first."""
        rows = self._conditions()
        if self.shows_pictures or self._of_pictures:
            rows = rows.containing(self.filter_pictures(Picture.objects.available()))
        return self._read_by_key_if_few(rows).order_by("-created_at", "-pk")

    def _read_by_key_if_few(self, rows: GenerationQuerySet) -> GenerationQuerySet:
        """If many rows match each condition, reading in date order soon finds enough."""
        if self._found_keys is None:
            rows = self._search.filter(rows)
        return rows if self._few_keys is None else rows.with_keys(self._few_keys)

    @property
    def _search(self) -> SearchQuery:
        return SearchQuery.parse(self.values.get("q", ""))

    @cached_property
    def _found_keys(self) -> list[int] | None:
        """The keys that the search has found; None if they are too many, or without a search."""
        return self._search.few_keys() if "q" in self.values else None

    @cached_property
    def _few_keys(self) -> list[int] | None:
        """The keys of the generations that meet one of the conditions, if they are few."""
        if self._found_keys is not None:
            return self._found_keys
        marked = [marks.values_list("picture", flat=True) for marks in self._of_pictures]
        fewest = fewest_keys([*marked, *self._generations()])
        if fewest is None:
            return None
        index, keys = fewest
        if index >= len(marked):
            return keys
        # Without a join, which SQLite might begin at the pictures.
        return list(Picture.objects.filter(pk__in=keys).values_list("generation", flat=True))

    def _conditions(self) -> GenerationQuerySet:
        values = self.values
        status = Status.SUCCEEDED if self.shows_pictures else values["state"]
        rows = Generation.objects.visible_to(self.member).filter(status=status)
        if "by" in values:
            rows = rows.filter(owner__in=list(values["by"]))
        if "ratio" in values:
            rows = rows.filter(aspect_ratio__in=values["ratio"])
        if "private" in values:
            rows = rows.filter(is_private=True)
        if "reference" in values:
            rows = rows.filter(HAS_REFERENCE if values["reference"] == "with" else ~HAS_REFERENCE)
        if "since" in values:
            rows = rows.filter(created_at__gte=start_of_day(values["since"]))
        if "until" in values:
            rows = rows.filter(created_at__lt=start_of_day(values["until"] + timedelta(days=1)))
        return rows

    def _generations(self) -> Iterator[QuerySet[Any, Any]]:
        """The keys of the generations that meet a condition, for each that has an index."""
        values = self.values
        keys = Generation.objects.values_list("pk", flat=True)
        if "private" in values:
            yield keys.filter(owner=self.member, is_private=True)
        if "ratio" in values:
            yield keys.filter(aspect_ratio__in=values["ratio"])
        if "by" in values:
            yield keys.filter(owner__in=list(values["by"]))
        if values.get("reference") == "with":
            yield keys.filter(HAS_REFERENCE)

    @cached_property
    def _of_pictures(self) -> list[QuerySet[Any]]:
        """The conditions that can hold for some pictures of a generation and not for others.

        Each is a queryset of rows with a column `picture`.
        """
        values = self.values
        conditions: list[QuerySet[Any]] = []
        if "favourite" in values:
            conditions.append(Favourite.objects.filter(member=self.member))
        if "tag" in values:
            conditions.append(Picture.tags.through.objects.filter(tag=values["tag"]))
        if "collection" in values:
            conditions.append(CollectionItem.objects.filter(collection=values["collection"]))
        return conditions

    def filter_pictures(self, pictures: PictureQuerySet) -> PictureQuerySet:
        """Apply the conditions that hold for pictures, not for their generation.

        Looks up each picture: few are read at a time.
        """
        return pictures.filter(*self._of_picture("pk"))

    def _of_picture(self, path: str) -> list[Exists]:
        """The conditions for the picture whose key is at this path."""
        return [Exists(marks.filter(picture=OuterRef(path))) for marks in self._of_pictures]

    def pictures(self) -> PictureQuerySet:
        """Return the matching pictures."""
        return self.filter_pictures(Picture.objects.visible_to(self.member)).filter(
            generation__in=self.rows().order_by()
        )

    def counted(self) -> QuerySet[Any]:
        """Return what the page counts: a row for each picture, or for each other generation.

        Starts at the generation, so that the database reads by date and can stop at the limit.
        """
        if not self.shows_pictures:
            return self.rows()
        return self._read_by_key_if_few(self._conditions()).filter(
            *self._of_picture("pictures"),
            pictures__state=Picture.State.STORED,
            pictures__trashed_at=None,
        )

    # --- the query string ------------------------------------------------------------------------

    @property
    def query_string(self) -> str:
        """Without the question mark; empty if no filter is set."""
        return self.without()

    def without(self, *names: str) -> str:
        """Return the query string without these parameters."""
        pairs = [
            (name, text)
            for name, value in self.values.items()
            if name not in names
            for text in _parameters(value)
        ]
        return urlencode(pairs)

    @cached_property
    def selected_members(self) -> set[int]:
        return {member.pk for member in self.values.get("by", ())}

    @property
    def is_active(self) -> bool:
        return bool(self.values)

    @property
    def more_count(self) -> int:
        """How many of the fields in the "More" menu are set."""
        fields = ("tag", "reference", "state", "private", "since", "until")
        return sum(name in self.values for name in fields)


def _parameters(value: Any) -> list[str]:
    """Return a value as query parameters."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, date):
        return [value.isoformat()]
    if value is True:
        return ["1"]
    if hasattr(value, "pk"):
        return [str(value.pk)]
    return [text for part in value for text in _parameters(part)]


def start_of_day(day: date) -> datetime:
    """Return midnight in the current time zone."""
    return timezone.make_aware(datetime.combine(day, time.min))
