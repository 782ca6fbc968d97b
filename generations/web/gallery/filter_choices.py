"""The choices of the gallery's filter: members, collections and tags."""

from functools import cache
from typing import Any

from django.core.cache import caches
from django.db import connection
from django.db.models import CharField, Exists, F, OuterRef, QuerySet, Value
from django.db.models.functions import Coalesce, Concat, NullIf, Trim
from django.utils.translation import gettext

from generations.engines.registry import all_offers
from generations.models import Collection, Generation, Member, Tag
from generations.offered_models import offered_models

from .filters import Filter

MAX_CHOICES = 50  # of each kind
FIRST_CHOICES = 4  # shown at once; the others unfold
MODELS_SECONDS = 300  # how long it is known whether images of several models exist
KINDS = ("people", "collections", "tags")


def filter_choices() -> dict[str, list[tuple[int, str]]]:
    """Return (id, name) pairs of each kind, the first fifty by name, in one statement."""
    found: dict[str, list[tuple[int, str]]] = {kind: [] for kind in KINDS}
    with connection.cursor() as cursor:
        cursor.execute(*_statement())
        for kind, pk, label in cursor:
            if len(found[kind]) < MAX_CHOICES:
                found[kind].append((pk, label))
    return found


def model_choices(filter: Filter) -> list[tuple[str, str]]:
    """Key and label of each model; empty if there is only one, and no other is in use."""
    if len(offered_models()) < 2 and "model" not in filter.values and not _has_other_models():
        return []
    return [(offer.key, gettext(offer.label)) for offer in all_offers()]


def _has_other_models() -> bool:
    """Whether some image is of another model than the one offered. Cached: it rarely changes."""
    only = offered_models()[0].model

    def read() -> bool:
        rows = Generation.objects.order_by()
        return rows.filter(model__lt=only).exists() or rows.filter(model__gt=only).exists()

    return bool(caches["local"].get_or_set(f"other-models-{only}", read, MODELS_SECONDS))


def filter_bar(choices: dict[str, list[tuple[int, str]]], filter: Filter) -> dict[str, Any]:
    """Return people and collections as the filter shows them: a few, and the others.

    Chosen ones come first, then the viewer, then the others by name.
    """
    chosen = filter.values.get("collection")
    people = _first_and_more(choices["people"], filter.selected_members, filter.member.pk)
    collections = _first_and_more(choices["collections"], {chosen.pk} if chosen else set())
    return {
        "first_people": people[0],
        "more_people": people[1],
        "first_collections": collections[0],
        "more_collections": collections[1],
    }


def _first_and_more(
    pairs: list[tuple[int, str]], chosen: set[int], viewer: int = 0
) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    ordered = sorted(pairs, key=lambda pair: (pair[0] not in chosen, pair[0] != viewer))
    return ordered[:FIRST_CHOICES], ordered[FIRST_CHOICES:]


@cache
def _statement() -> tuple[str, tuple[Any, ...]]:
    """Return SQL and parameters. Cached: compiling takes longer than running it."""
    full_name = NullIf(Trim(Concat("first_name", Value(" "), "last_name")), Value(""))
    has_generations = Exists(Generation.objects.filter(owner=OuterRef("pk")))
    people = Member.objects.filter(has_generations).annotate(
        label=Coalesce(full_name, F("username"))
    )
    collections = Collection.objects.annotate(label=F("name"))
    tags = Tag.objects.annotate(label=F("name"))
    lists: list[QuerySet[Any, Any]] = [
        rows.order_by().values_list(Value(kind, CharField()), "pk", "label")
        for kind, rows in zip(KINDS, (people, collections, tags), strict=True)
    ]
    union = lists[0].union(*lists[1:], all=True).order_by("label")
    sql, params = union.query.sql_with_params()
    return sql, tuple(params)
