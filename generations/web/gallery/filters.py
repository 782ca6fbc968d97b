"""The gallery's filter. Its state is the query string, so that a filtered page can be shared."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.engines.offer import AspectRatio
from generations.engines.registry import all_aspect_ratios, all_offers
from generations.joining import join_facts
from generations.models import (
    Batch,
    Collection,
    CollectionItem,
    Favourite,
    Generation,
    Member,
    Picture,
    PictureTag,
    Status,
    Tag,
    counting,
)
from generations.models.among import Among
from generations.models.generation import GenerationQuerySet
from generations.models.generation_base import HAS_REFERENCE
from generations.models.picture import PictureQuerySet
from generations.search import SearchQuery, for_member, keys_like
from generations.web import counts
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
# Groups of aspect ratios: value and label.
RATIO_GROUPS = (("wide", _("Wide")), ("square", _("Square")), ("tall", _("Tall")))
FORMER_NAMES = {"shape": "ratio"}  # of parameters, in older links
FORMER_VALUES = {("state", "made"): DONE}
COUNTED_KEYS = 4  # times as many as are sorted
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
        choices=lambda: [
            *RATIO_GROUPS,
            *((ratio.value, ratio.label) for ratio in all_aspect_ratios()),
        ],
        required=False,
    )
    model = forms.ChoiceField(
        label=_("model"),
        choices=lambda: [(offer.key, offer.label) for offer in all_offers()],
        required=False,
    )
    collection = forms.ModelChoiceField(
        Collection.objects.all(), label=_("collection"), required=False
    )
    tag = forms.ModelChoiceField(Tag.objects.all(), label=_("tag"), required=False)
    batch = forms.ModelChoiceField(Batch.objects.none(), label=_("batch"), required=False)
    favourite = forms.BooleanField(label=_("favourites"), required=False)
    reference = forms.ChoiceField(
        label=_("reference image"),
        choices=[("", _("Any")), ("with", _("With")), ("without", _("Without"))],
        required=False,
    )
    state = forms.ChoiceField(label=_("status"), choices=STATES, required=False)
    private = forms.BooleanField(label=_("private"), required=False)
    like = forms.ModelChoiceField(Picture.objects.none(), label=_("more like this"), required=False)
    since = forms.DateField(label=_("first day"), required=False, validators=DATE_VALIDATORS)
    until = forms.DateField(label=_("last day"), required=False, validators=DATE_VALIDATORS)

    def __init__(self, data: QueryDict, member: Member) -> None:
        super().__init__(with_current_names(data))
        self.member = member
        if "batch" in data:
            batch: Any = self.fields["batch"]
            batch.queryset = Batch.objects.visible_to(member)
        like: Any = self.fields["like"]
        like.queryset = Picture.objects.visible_to(member).select_related("generation")

    @cached_property
    def values(self) -> dict[str, Any]:
        """The valid values, without empty ones."""
        self.full_clean()
        return {name: value for name, value in self.cleaned_data.items() if value}

    @property
    def is_corrected(self) -> bool:
        """Whether nothing has the words as they were typed, so that similar ones are found."""
        return self.search.is_corrected

    @property
    def ignored(self) -> str:
        """The part of the search text that is not searched for."""
        return self.search.ignored

    @property
    def unavailable(self) -> list[str]:
        """The labels of conditions on rows that were deleted, or that the member may not see."""
        names = ("by", "collection", "tag", "batch", "like")
        return [str(self.fields[name].label) for name in names if name in self.errors]

    # --- querysets -------------------------------------------------------------------------------

    @cached_property
    def shows_pictures(self) -> bool:
        """False for states other than done: then rows are generations, most without pictures."""
        return bool(self.values.get("state", DONE) == DONE)

    def rows(self, *conditions: Q) -> GenerationQuerySet:
        """Return the matching generations, newest first, those that meet more conditions."""
        if self._marks:
            marks = self._marked.filter(*map(_of_mark, conditions))
            marked = marks.order_by().values("generation")
            return Generation.objects.filter(pk__in=marked).order_by("-created_at", "-pk")
        rows = self._conditions().filter(*conditions)
        if self.shows_pictures:
            rows = rows.containing(self.filter_pictures(Picture.objects.available()))
        # If many rows match each condition, reading in date order soon finds enough.
        return self._read_by_key(rows, self._few_keys).order_by("-created_at", "-pk")

    def first_rows(self, limit: int, *conditions: Q) -> GenerationQuerySet:
        """Return the first of `rows`. The conditions are those of `first_keys`."""
        if self._marks:
            return rows_of(self.first_keys(limit, *conditions))
        return self.rows(*conditions)[:limit]

    def first_keys(self, limit: int, *conditions: Q, oldest_first: bool = False) -> list[int]:
        """Return the keys of the first of `rows`, that meet conditions of `created_at` and `pk`."""
        if not self._marks:
            rows = self.rows(*conditions)
            ordered = rows.reverse() if oldest_first else rows
            return list(ordered.values_list("pk", flat=True)[:limit])
        marked = self._first_marked(*conditions)
        ordered_marks = marked.reverse() if oldest_first else marked
        # Each generation once; with its time, because that orders them.
        places = ordered_marks.values_list("generation", "generation_created_at").distinct()
        return [pk for pk, _created_at in places[:limit]]

    def _read_by_key(self, rows: GenerationQuerySet, keys: list[int] | None) -> GenerationQuerySet:
        if self._search_keys is None:
            rows = self.search.filter(rows)
        return rows if keys is None else rows.with_keys(keys)

    @cached_property
    def search(self) -> SearchQuery:
        ratios = [ratio.value for ratio in all_aspect_ratios()]
        return for_member(self.values.get("q", ""), self.member, ratios)

    @cached_property
    def _found_keys(self) -> list[int] | None:
        """The keys of generations that have the words and are like the picture; None if many."""
        like: Picture | None = self.values.get("like")
        if like is None:
            return self._search_keys
        keys = keys_like(like.generation, self.member)
        if self._search_keys is None:
            return keys
        return list(set(keys) & set(self._search_keys))

    @cached_property
    def _search_keys(self) -> list[int] | None:
        """The keys that the search has found; None if they are too many, or without a search."""
        if "q" not in self.values or (self.search.ratios and not self.search.phrases):
            return None
        return self.search.few_keys()

    @cached_property
    def _few_keys(self) -> list[int] | None:
        """The keys of the generations that meet one of the conditions, if they are few."""
        if self._found_keys is not None:
            return self._found_keys
        fewest = counting.fewest_keys(list(self._generations()))
        return fewest[1] if fewest else None

    @cached_property
    def _keys_to_count(self) -> list[int] | None:
        """The same for counts, which read no rows and end early, so that more keys are worth it.

        A tag in the search, which few images have, is what reading in date order counts slowly.
        """
        if self._few_keys is not None:
            return self._few_keys
        if any(phrase.tags for phrase in self.search.phrases):
            return self.search.keys_up_to(COUNTED_KEYS * counting.MAX_SORTED_ROWS)
        return None

    def _conditions(self) -> GenerationQuerySet:
        values = self.values
        status = Status.SUCCEEDED if self.shows_pictures else values["state"]
        rows = Generation.objects.visible_to(self.member).filter(status=status)
        if "by" in values:
            rows = rows.filter(owner__in=list(values["by"]))
        if "ratio" in values:
            rows = rows.filter(aspect_ratio__in=self._ratios)
        if "model" in values:
            rows = rows.filter(self._of_model)
        if "batch" in values:
            rows = rows.filter(batch=values["batch"])
        if self.search.ratios:
            rows = rows.filter(aspect_ratio__in=self.search.ratios)
        if "private" in values:
            rows = rows.filter(is_private=True)
        if "reference" in values:
            rows = rows.filter(HAS_REFERENCE if values["reference"] == "with" else ~HAS_REFERENCE)
        return rows.filter(*self._days())

    def _days(self) -> Iterator[Q]:
        values = self.values
        if "since" in values:
            yield Q(created_at__gte=start_of_day(values["since"]))
        if "until" in values:
            yield Q(created_at__lt=start_of_day(values["until"] + timedelta(days=1)))

    def _generations(self) -> Iterator[QuerySet[Any, Any]]:
        """The keys of the generations that meet a condition, for each that has an index."""
        values = self.values
        keys = Generation.objects.values_list("pk", flat=True)
        if "batch" in values:
            yield keys.filter(batch=values["batch"])
        if "private" in values:
            yield keys.filter(owner=self.member, is_private=True)
        if "model" in values:
            yield keys.filter(self._of_model)
        if "ratio" in values:
            yield keys.filter(aspect_ratio__in=self._ratios)
        if self.search.ratios:
            yield keys.filter(aspect_ratio__in=self.search.ratios)
        if "by" in values:
            yield keys.filter(owner__in=list(values["by"]))
        if values.get("reference") == "with":
            yield keys.filter(HAS_REFERENCE)

    @property
    def _of_model(self) -> Q:
        engine, model = self.values["model"].split("/", 1)
        return Q(engine=engine, model=model)

    @property
    def _ratios(self) -> list[str]:
        """The chosen aspect ratios, with those of the chosen groups."""
        chosen = self.values["ratio"]
        return [
            ratio.value
            for ratio in all_aspect_ratios()
            if ratio.value in chosen or _group_of(ratio) in chosen
        ]

    @cached_property
    def _marks(self) -> list[QuerySet[Any]]:
        """The marks that a picture must have, of each kind: see `PictureMark`."""
        values = self.values
        marks: list[QuerySet[Any]] = []
        if "favourite" in values:
            marks.append(Favourite.objects.filter(member=self.member))
        if "tag" in values:
            marks.append(PictureTag.objects.filter(tag=values["tag"]))
        if "collection" in values:
            marks.append(CollectionItem.objects.filter(collection=values["collection"]))
        if len(marks) > 1:  # the fewest first, if any are few
            sizes = counting.count_up_to(counting.MAX_SORTED_ROWS, marks)
            marks = [marks[index] for index in sorted(range(len(marks)), key=sizes.__getitem__)]
        return marks

    @property
    def _marked(self) -> QuerySet[Any]:
        """A mark of each picture that matches, newest generation first.

        An index has the marks in this order. All else is looked up for each, so that the database
        cannot begin with it.
        """
        marks = self._marks[0]
        if self._limited_marks is not None:
            marks = _with_keys(marks, self._limited_marks)
        marks = marks.filter(*map(_of_mark, self._days()))
        rows = self._conditions()
        if self._search_keys is None:
            rows = self.search.filter(rows)
        return marks.filter(
            *self._of_picture("picture", "generation", self._marks[1:]),
            Exists(rows.filter(pk=OuterRef("generation"))),
            Exists(Picture.objects.available().filter(pk=OuterRef("picture"))),
        ).order_by("-generation_created_at", "-generation")

    @cached_property
    def _limited_marks(self) -> list[int] | None:
        """The keys of the marks of those generations that a search or a batch leaves, if it does.

        Looked up without an order, for which SQLite would read all marks.
        """
        keys: Iterable[int] | None = self._found_keys
        if keys is None and "batch" in self.values:
            rows = Generation.objects.filter(batch=self.values["batch"])
            keys = rows.values_list("pk", flat=True)
        if keys is None:
            return None
        pictures = Picture.objects.filter(Among(F("generation"), list(keys)))
        of_pictures = Among(F("picture"), list(pictures.values_list("pk", flat=True)))
        marks = self._marks[0].filter(of_pictures).order_by()
        return list(marks.values_list("pk", flat=True))

    def _first_marked(self, *conditions: Q) -> QuerySet[Any]:
        """Return `_marked` for a page or a count, which read no more than the first `MAX_COUNT`.

        Where another condition leaves few of the marks, finding these is what costs, so that they
        are found once for both.
        """
        if conditions or len(self.values) == 1:
            return self._marked.filter(*map(_of_mark, conditions))
        marks = _with_keys(self._marks[0], self._newest_marked)
        return marks.order_by("-generation_created_at", "-generation")

    @cached_property
    def _newest_marked(self) -> list[int]:
        return list(self._marked.values_list("pk", flat=True)[: counts.MAX_COUNT + 1])

    def filter_pictures(self, pictures: PictureQuerySet) -> PictureQuerySet:
        """Apply the conditions that can hold for some pictures of a generation and not for others.

        Looks up each picture: few are read at a time.
        """
        return pictures.filter(*self._of_picture("pk", "generation", self._marks))

    def _of_picture(
        self, picture: str, generation: str, marks: Iterable[QuerySet[Any]] = ()
    ) -> list[Exists | Q]:
        """The conditions for the picture whose key is at this path, and its generation's."""
        marked = [Exists(each.filter(picture=OuterRef(picture))) for each in marks]
        return [*marked, *self.search.of_picture(picture, generation)]

    def pictures(self) -> PictureQuerySet:
        """Return the matching pictures."""
        if self._marks:
            marked = self._marked.order_by().values("picture")
            return Picture.objects.filter(pk__in=marked)
        return self.filter_pictures(Picture.objects.visible_to(self.member)).filter(
            generation__in=self.rows().order_by()
        )

    def counted(self, *conditions: Q) -> QuerySet[Any]:
        """Return what the page counts: a row for each picture, or for each other generation.

        Starts at the generation, so that the database reads by date and can stop at the limit.
        More conditions for generations are given here: a filter of the result could make the
        database read by another index than the few keys.
        """
        if self._marks:
            return self._first_marked(*conditions)
        if not self.shows_pictures:
            return self.rows(*conditions)
        rows = self._read_by_key(self._conditions().filter(*conditions), self._keys_to_count)
        return rows.filter(
            *self._of_picture("pictures", "pk"),
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

    @property
    def ratio_label(self) -> str:
        """The chosen aspect ratios and groups, as text."""
        groups = dict(RATIO_GROUPS)
        return join_facts(groups.get(value, value) for value in self.values.get("ratio", ()))

    @property
    def has_exact_ratio(self) -> bool:
        return bool(set(self.values.get("ratio", ())) - dict(RATIO_GROUPS).keys())

    @property
    def without_like(self) -> str:
        return self.without("like")

    @cached_property
    def selected_members(self) -> set[int]:
        return {member.pk for member in self.values.get("by", ())}

    @property
    def search_string(self) -> str:
        """The query string of the search alone."""
        return self.without(*(self.values.keys() - {"q"}))

    @property
    def is_active(self) -> bool:
        return bool(self.values)

    @property
    def is_mine(self) -> bool:
        """Whether only the viewer's own images are shown."""
        return self.selected_members == {self.member.pk}

    @property
    def mine_query(self) -> str:
        """The query string, with its question mark, that turns "Mine" on or off."""
        others = self.without("by")
        own = "" if self.is_mine else urlencode({"by": self.member.pk})
        query = "&".join(filter(None, (others, own)))
        return f"?{query}" if query else ""

    @property
    def sheet_count(self) -> int:
        """How many filters are set in the sheet of phones: those beside it are named there."""
        return len(self.values.keys() - {"q", "like", "batch"})

    @property
    def more_count(self) -> int:
        """How many of the fields in the "More" menu are set."""
        fields = ("model", "tag", "reference", "state", "private", "since", "until")
        return sum(name in self.values for name in fields)


def rows_of(keys: Iterable[int]) -> GenerationQuerySet:
    """Return the generations with these keys, newest first."""
    return Generation.objects.filter(Among(F("pk"), keys)).order_by("-created_at", "-pk")


def _with_keys(marks: QuerySet[Any], keys: list[int]) -> QuerySet[Any]:
    """Return those of these marks that have the keys, all of which are among them.

    Without their condition, whose index in the order of the gallery SQLite would read instead.
    """
    all_marks: QuerySet[Any] = marks.model._default_manager.all()
    return all_marks.filter(Among(F("pk"), keys))


def _of_mark(condition: Q) -> Q:
    """Turn a condition of `created_at` and `pk` of a generation into one of its marks."""
    names = {"created_at": "generation_created_at", "pk": "generation"}

    def turned(child: Any) -> Any:
        if isinstance(child, Q):
            return _of_mark(child)
        path, value = child
        name, dash, lookup = path.partition("__")
        return f"{names[name]}{dash}{lookup}", value

    children = map(turned, condition.children)
    return Q(*children, _connector=condition.connector, _negated=condition.negated)


def _group_of(ratio: AspectRatio) -> str:
    """Return the value of the ratio's group in `RATIO_GROUPS`."""
    if ratio.width == ratio.height:
        return "square"
    return "wide" if ratio.width > ratio.height else "tall"


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
