"""What a member can choose from: the people, the collections and the tags of the team."""

from typing import Any

from django.db.models import CharField, Exists, F, OuterRef, QuerySet, Value
from django.db.models.functions import Coalesce, Concat, NullIf, Trim

from generations.models import Collection, Generation, Member, Tag

MOST_LISTED = 50  # of each


def menus() -> dict[str, list[tuple[int, str]]]:
    """Of each kind the first fifty by name, with their keys; in one statement."""
    full = NullIf(Trim(Concat("first_name", Value(" "), "last_name")), Value(""))
    made = Exists(Generation.objects.filter(owner=OuterRef("pk")))
    people = Member.objects.filter(made).annotate(label=Coalesce(full, F("username")))
    collections = Collection.objects.annotate(label=F("name"))
    tags = Tag.objects.annotate(label=F("name"))
    found: dict[str, list[tuple[int, str]]] = {"people": [], "collections": [], "tags": []}
    kinds = zip(found, (people, collections, tags), strict=True)
    lists: list[QuerySet[Any, Any]] = [
        rows.order_by().values_list(Value(kind, CharField()), "pk", "label") for kind, rows in kinds
    ]
    for kind, pk, label in lists[0].union(*lists[1:], all=True).order_by("label"):
        if len(found[kind]) < MOST_LISTED:
            found[kind].append((pk, label))
    return found
