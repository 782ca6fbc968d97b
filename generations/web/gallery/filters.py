"""What of the gallery one wants to see. It stands in the address, so that it can be sent on."""

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
from generations.models.generation_queryset import GenerationQuerySet
from generations.models.picture import PictureQuerySet
from generations.search import MAX_SEARCH_LENGTH, search

DONE = "made"
STATES = (
    (DONE, _("Made")),
    (Status.RUNNING, _("Being made")),
    (Status.UNCONFIRMED, _("Sent, no answer")),
    (Status.FAILED, _("Not made")),
    (Status.CANCELED, _("Canceled")),
    (Status.ABANDONED, _("Given up")),
)
MAX_ID_DIGITS = 18  # of a key; the database knows no longer ones
DAYS = (MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2999, 12, 31)))


class PeopleField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # not at run time
    """Several people by their keys; what is no key is nobody."""

    def clean(self, value: Any) -> Any:
        keys = [word for word in value or () if word.isdecimal() and len(word) <= MAX_ID_DIGITS]
        return super().clean(keys)


class Filter(forms.Form):
    """Bound to the address. What it cannot read it tells beside the field, and leaves out."""

    q = forms.CharField(
        label=_("the words"), required=False, max_length=MAX_SEARCH_LENGTH, strip=True
    )
    by = PeopleField(Member.objects.all(), label=_("the person"), required=False)
    shape = forms.MultipleChoiceField(
        label=_("the shape"),
        choices=[(ratio.value, ratio.label) for ratio in offer_for().aspect_ratios],
        required=False,
    )
    collection = forms.ModelChoiceField(
        Collection.objects.all(), label=_("the collection"), required=False
    )
    tag = forms.ModelChoiceField(Tag.objects.all(), label=_("the tag"), required=False)
    favourite = forms.BooleanField(label=_("“favourites”"), required=False)
    reference = forms.ChoiceField(
        label=_("the reference"),
        choices=[("", _("With or without")), ("with", _("With one")), ("without", _("Without"))],
        required=False,
    )
    state = forms.ChoiceField(label=_("the state"), choices=STATES, required=False)
    private = forms.BooleanField(label=_("“private”"), required=False)
    since = forms.DateField(label=_("the first day"), required=False, validators=DAYS)
    until = forms.DateField(label=_("the last day"), required=False, validators=DAYS)

    def __init__(self, data: QueryDict, member: Member) -> None:
        super().__init__(data)
        self.member = member

    @cached_property
    def values(self) -> dict[str, Any]:
        """What was understood of the address, without what says nothing."""
        self.full_clean()
        return {name: value for name, value in self.cleaned_data.items() if value}

    # --- what is seen ----------------------------------------------------------------------------

    @cached_property
    def shows_pictures(self) -> bool:
        """Else the wishes of another state, most of which have none."""
        return bool(self.values.get("state", DONE) == DONE)

    def rows(self) -> GenerationQuerySet:
        """The generations of the gallery under this filter, newest first."""
        rows = self._matching
        if self.shows_pictures and not self.filters_single_pictures:
            rows = rows.having_pictures()
        return rows.order_by("-created_at", "-pk")

    @cached_property
    def _matching(self) -> GenerationQuerySet:
        """The same, though all of their pictures may be gone. What is few is looked up once."""
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
        if "shape" in values:
            rows = rows.filter(aspect_ratio__in=values["shape"])
        if "private" in values:
            rows = rows.filter(is_private=True)
        if "reference" in values:
            without = Q(reference=None, reference_url="")
            rows = rows.filter(without if values["reference"] == "without" else ~without)
        if "since" in values:
            rows = rows.filter(created_at__gte=_midnight(values["since"]))
        if "until" in values:
            rows = rows.filter(created_at__lt=_midnight(values["until"] + timedelta(days=1)))
        if "q" in values:
            rows = search(rows, values["q"])
        return rows

    @property
    def filters_single_pictures(self) -> bool:
        """It may show one picture of a generation and not another."""
        return bool({"favourite", "tag", "collection"} & set(self.values))

    def filter_pictures(self, pictures: PictureQuerySet) -> PictureQuerySet:
        """Of these pictures those that the filter means themselves, not their generation."""
        return pictures.filter(**self._of_picture(""))

    def _of_picture(self, prefix: str) -> dict[str, Any]:
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
        """The same as pictures."""
        return self.filter_pictures(Picture.objects.visible_to(self.member)).filter(
            generation__in=self.rows().order_by()
        )

    def counted(self) -> QuerySet[Any]:
        """What its counts are counts of: a row for each picture, or for each wish without one.

        Asked from the generation's side: so the database goes by time, and stops early.
        """
        rows = self._matching
        if not self.shows_pictures:
            return rows
        here = {"pictures__state": Picture.State.STORED, "pictures__trashed_at": None}
        return rows.filter(**here, **self._of_picture("pictures__"))

    # --- its address -----------------------------------------------------------------------------

    @property
    def query_string(self) -> str:
        """As it belongs behind a question mark; empty when everything is shown."""
        return self.without()

    def without(self, *names: str) -> str:
        pairs = [
            (name, word)
            for name, value in self.values.items()
            if name not in names
            for word in _words(value)
        ]
        return urlencode(pairs)

    @cached_property
    def chosen_people(self) -> set[int]:
        return {member.pk for member in self.values.get("by", ())}

    @property
    def is_active(self) -> bool:
        return bool(self.values)

    @property
    def hidden_behind_more(self) -> int:
        """How many of the fields in "More" say something."""
        rare = ("tag", "reference", "state", "private", "since", "until")
        return sum(name in self.values for name in rare)


def _words(value: Any) -> list[str]:
    """How one value stands in an address."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, date):
        return [value.isoformat()]
    if value is True:
        return ["1"]
    if hasattr(value, "pk"):
        return [str(value.pk)]
    return [word for part in value for word in _words(part)]


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
