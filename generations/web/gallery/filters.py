"""The gallery's filter. Its state is the query string, so that a filtered page can be shared."""

from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.engines.registry import offer_for
from generations.models import Collection, Generation, Member, Picture, Status, Tag
from generations.models.generation import GenerationQuerySet
from generations.models.picture import PictureQuerySet
from generations.search import SearchQuery, search
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
        return SearchQuery.parse(self.values.get("q", "")).ignored

    # --- querysets -------------------------------------------------------------------------------

    @cached_property
    def shows_pictures(self) -> bool:
        """False for states other than done: then rows are generations, most without pictures."""
        return bool(self.values.get("state", DONE) == DONE)

    def rows(self) -> GenerationQuerySet:
        """Return the matching generations, newest first."""
        rows = self._matching
        if self.shows_pictures and not self.filters_single_pictures:
            rows = rows.having_pictures()
        return rows.order_by("-created_at", "-pk")

    @cached_property
    def _matching(self) -> GenerationQuerySet:
        """The same, including generations whose pictures are all gone.

        Cached because `containing` may run a query.
        """
        rows = self._of_state()
        if self.filters_single_pictures:
            rows = rows.containing(self.filter_pictures(Picture.objects.available()))
        return rows

    def _of_state(self) -> GenerationQuerySet:
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
            without = Q(reference=None, reference_url="")
            rows = rows.filter(without if values["reference"] == "without" else ~without)
        if "since" in values:
            rows = rows.filter(created_at__gte=start_of_day(values["since"]))
        if "until" in values:
            rows = rows.filter(created_at__lt=start_of_day(values["until"] + timedelta(days=1)))
        if "q" in values:
            rows = search(rows, values["q"])
        return rows

    @property
    def filters_single_pictures(self) -> bool:
        """Whether it can match some pictures of a generation and not others."""
        return bool({"favourite", "tag", "collection"} & set(self.values))

    def filter_pictures(self, pictures: PictureQuerySet) -> PictureQuerySet:
        """Apply the conditions that hold for pictures, not for their generation."""
        return pictures.filter(**self._picture_conditions(""))

    def _picture_conditions(self, prefix: str) -> dict[str, Any]:
        values = self.values
        conditions: dict[str, Any] = {}
        if "favourite" in values:
            conditions[f"{prefix}favourites__member"] = self.member
        if "tag" in values:
            conditions[f"{prefix}tags"] = values["tag"]
        if "collection" in values:
            conditions[f"{prefix}items__collection"] = values["collection"]
        return conditions

    def pictures(self) -> PictureQuerySet:
        """Return the matching pictures."""
        return self.filter_pictures(Picture.objects.visible_to(self.member)).filter(
            generation__in=self.rows().order_by()
        )

    def counted(self) -> QuerySet[Any]:
        """Return what the page counts: a row for each picture, or for each other generation.

        Starts at the generation, so that the database reads by date and can stop at the limit.
        """
        rows = self._matching
        if not self.shows_pictures:
            return rows
        available = {"pictures__state": Picture.State.STORED, "pictures__trashed_at": None}
        return rows.filter(**available, **self._picture_conditions("pictures__"))

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
