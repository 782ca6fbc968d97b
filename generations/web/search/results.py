"""What a search finds, in groups. Everything in it is what this member may see."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generations.joining import join_facts
from generations.models import (
    Collection,
    CollectionItem,
    Generation,
    Member,
    Picture,
    SmartCollection,
    Tag,
)
from generations.models.counting import count_up_to
from generations.permissions import Action
from generations.search import Phrase
from generations.web.counts import Count, counts_of
from generations.web.gallery.filters import Filter
from generations.web.picture_views import file_urls, picture_url

from .highlight import highlight, normal_form
from .places import places

MAX_IMAGES = 3
MAX_NAMES = 3  # collections, people, tags
MAX_PLACES = 4
MAX_COMPARED = 1000  # names of each kind, the newest ones
MAX_COUNTED = 100  # images of a collection or tag
COLUMNS = ("prompt", "owner", "created_at", "aspect_ratio")


@dataclass(frozen=True)
class Option:
    """One line that can be opened."""

    title: SafeString | str
    url: str
    kind: str
    fact: str = ""
    thumbnail: str = ""
    initials: str = ""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    slug: str
    label: str
    options: list[Option]
    count: str = ""


@dataclass(frozen=True)
class Suggestion:
    """A search that finds something, for one that does not."""

    text: str
    url: str
    images: str


@dataclass
class Results:
    """The groups that have an option, in their order on the page."""

    text: str
    groups: list[Group] = field(default_factory=list)
    images: Count = field(default_factory=lambda: Count(0))
    all_images_url: str = ""
    ignored: str = ""
    is_corrected: bool = False
    suggestion: Suggestion | None = None

    @property
    def all_images(self) -> str:
        return all_images(self.images)

    @property
    def status(self) -> str:
        """What a screen reader says: "38 images, 2 other results"."""
        others = sum(
            len(group.options) for group in self.groups if group.slug not in ("images", "actions")
        )
        if not others:
            return image_count(self.images)
        more = ngettext("%(n)s other result", "%(n)s other results", others)
        return join_facts((image_count(self.images), more % {"n": number_format(others)}))


def find(text: str, member: Member) -> Results:
    """Search for a text that is not empty."""
    query = QueryDict(mutable=True)
    query["q"] = text
    filter = Filter(query, member)
    phrases = filter.search.phrases
    rows = _rows(filter)
    # Rows that were read end the count.
    images = counts_of([filter.counted()])[0] if rows else Count(0)
    results = Results(
        text,
        images=images,
        all_images_url=f"{reverse('gallery')}?{urlencode({'q': text})}",
        ignored=filter.ignored,
        is_corrected=filter.is_corrected,
    )
    options = [_image(row, phrases) for row in rows]
    named = _collections(member, phrases), _people(phrases), _tags(member, phrases)
    results.groups = [
        group
        for group in (
            Group("images", _("Images"), options, _number(images) if rows else ""),
            Group("collections", _("Collections"), named[0]),
            Group("people", _("People"), named[1]),
            Group("tags", _("Tags"), named[2]),
            Group("pages", _("Pages"), _places(member, phrases)),
            Group("actions", _("Actions"), _actions(text, member)),
        )
        if group.options
    ]
    if not rows:
        results.suggestion = _suggestion(text, member)
    return results


def _number(count: Count) -> str:
    return number_format(count.label) + ("+" if count.is_more else "")


def image_count(count: Count) -> str:
    n = number_format(count.label)
    if count.is_more:
        return _("%(n)s+ images") % {"n": n}
    return ngettext("%(n)s image", "%(n)s images", count.number) % {"n": n}


def all_images(count: Count) -> str:
    n = number_format(count.label)
    if count.is_more:
        return _("All %(n)s+ images") % {"n": n}
    return ngettext("All images (%(n)s)", "All %(n)s images", count.number) % {"n": n}


# --- images --------------------------------------------------------------------------------------


def _rows(filter: Filter) -> list[Generation]:
    pictures = filter.filter_pictures(Picture.objects.available()).only("generation", "index")
    rows = filter.rows().only(*COLUMNS).select_related(None).prefetch_related("owner")
    return list(rows.with_pictures_of(pictures.order_by("index"))[:MAX_IMAGES])


def _image(row: Generation, phrases: Sequence[Phrase]) -> Option:
    picture = row.shown_pictures[0]
    return Option(
        highlight(row.prompt, phrases),
        picture_url(picture.pk),
        "image",
        fact=join_facts((row.owner.name, _day(row))),
        thumbnail=file_urls(picture.pk)[2],
    )


def _day(row: Generation) -> str:
    day = timezone.localdate(row.created_at)
    is_this_year = day.year == timezone.localdate().year
    return date_format(day, "SHORT_DATE_FORMAT" if is_this_year else "DATE_FORMAT")


# --- names ---------------------------------------------------------------------------------------


def _best(names: Iterable[tuple[Any, str]], phrases: Sequence[Phrase]) -> list[tuple[Any, str]]:
    """The names that have most of the words, at least one, in the order given."""
    scored = []
    for row, name in names:
        if score := sum(_is_in(phrase, normal_form(name)) for phrase in phrases):
            scored.append((score, row, name))
    scored.sort(key=lambda each: -each[0])
    return [(row, name) for _score, row, name in scored[:MAX_NAMES]]


def _is_in(phrase: Phrase, normal: str) -> bool:
    own = str(phrase)
    return own in normal if len(own) >= 3 and not phrase.is_whole else f" {own}" in f" {normal}"


def _collections(member: Member, phrases: Sequence[Phrase]) -> list[Option]:
    """Collections and smart collections."""
    newest = Collection.objects.order_by("-updated_at", "-pk").values_list("pk", "name")
    smart = SmartCollection.objects.visible_to(member).order_by("-pk")
    smart_names = smart.values_list("pk", "name", "query")[:MAX_COMPARED]
    names: list[tuple[tuple[int, str | None], str]] = []
    names += [((pk, None), name) for pk, name in newest[:MAX_COMPARED]]
    names += [((pk, query), name) for pk, name, query in smart_names]
    found = _best(names, phrases)
    items = CollectionItem.objects.visible_to(member)
    of_collections = [pk for (pk, query), _name in found if query is None]
    counts = _counts([items.filter(collection=pk) for pk in of_collections], of_collections)
    return [
        Option(highlight(name, phrases), _smart_url(pk, query), "smart", fact=_("Smart collection"))
        if query is not None
        else Option(
            highlight(name, phrases),
            reverse("collection", args=(pk,)),
            "collection",
            fact=counts[pk],
        )
        for (pk, query), name in found
    ]


def _smart_url(pk: int, query: str) -> str:
    return f"{reverse('gallery')}?{query}&{urlencode({'smart': pk})}"


def _people(phrases: Sequence[Phrase]) -> list[Option]:
    rows = Member.objects.filter(is_active=True).order_by("pk")
    columns = rows.only("username", "first_name", "last_name", "role")[:MAX_COMPARED]
    return [
        Option(
            highlight(name, phrases),
            f"{reverse('gallery')}?{urlencode({'by': person.pk})}",
            "person",
            fact=person.get_role_display(),
            initials=person.initials,
        )
        for person, name in _best(((row, row.name) for row in columns), phrases)
    ]


def _tags(member: Member, phrases: Sequence[Phrase]) -> list[Option]:
    """Tags of images that the member may see."""
    condition = Q()
    for phrase in phrases:
        condition |= Q(normalized__contains=str(phrase))
    rows = Tag.objects.filter(condition).order_by("normalized").values_list("pk", "name")
    found = _best(rows[:MAX_COMPARED], phrases)
    visible = Picture.objects.visible_to(member)
    counts = _counts([visible.filter(tags=pk) for pk, _name in found], [pk for pk, _ in found])
    return [
        Option(
            highlight(name, phrases),
            f"{reverse('gallery')}?{urlencode({'tag': pk})}",
            "tag",
            fact=counts[pk],
        )
        for pk, name in found
        if counts[pk]
    ]


def _counts(querysets: Sequence[Any], keys: Sequence[int]) -> dict[int, str]:
    """The number of images by key, as text; empty for none. Counts up to `MAX_COUNTED`."""
    return {
        key: _images(number)
        for key, number in zip(keys, count_up_to(MAX_COUNTED + 1, querysets), strict=True)
    }


def _images(number: int) -> str:
    if number > MAX_COUNTED:
        return _("%(n)s+ images") % {"n": number_format(MAX_COUNTED)}
    if not number:
        return ""
    return ngettext("%(n)s image", "%(n)s images", number) % {"n": number_format(number)}


# --- pages and actions ---------------------------------------------------------------------------


def _places(member: Member, phrases: Sequence[Phrase]) -> list[Option]:
    named = ((place, str(place.label)) for place in places(member))
    return [
        Option(highlight(name, phrases), reverse(place.url_name), "page")
        for place, name in _best(named, phrases)[:MAX_PLACES]
    ]


def _actions(text: str, member: Member) -> list[Option]:
    options = []
    if member.may(Action.GENERATE):
        options.append(
            Option(
                conditional_escape(_("Generate with this prompt")),
                f"{reverse('studio')}?{urlencode({'text': text})}",
                "action",
                keys=("Ctrl", "Enter"),
            )
        )
    if member.may(Action.ORGANIZE):
        options.append(
            Option(
                conditional_escape(_("Save search as smart collection")),
                f"{reverse('new-smart-collection')}?{urlencode({'q': text})}",
                "smart",
            )
        )
    return options


# --- nothing found -------------------------------------------------------------------------------


def _suggestion(text: str, member: Member) -> Suggestion | None:
    """The first of some shorter searches that finds images, else all images."""
    for shorter in _shorter(text):
        query = QueryDict(mutable=True)
        query["q"] = shorter
        filter = Filter(query, member)
        if filter.search.phrases or filter.search.ratios:
            [count] = counts_of([filter.counted()])
            if count.number:
                url = f"{reverse('gallery')}?{urlencode({'q': shorter})}"
                return Suggestion(shorter, url, image_count(count))
    [count] = counts_of([Filter(QueryDict(), member).counted()])
    return Suggestion("", reverse("gallery"), image_count(count)) if count.number else None


def _shorter(text: str) -> list[str]:
    """Without one of the first words, or with the beginning of the only one."""
    words = text.split()[:5]
    if len(words) > 1:
        return [
            " ".join(words[:index] + words[index + 1 :]) for index in reversed(range(len(words)))
        ]
    lengths = (len(text) * 3 // 4, len(text) // 2)
    return [text[:length] for length in lengths if length >= 3]
