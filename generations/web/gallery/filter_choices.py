"""What a member can choose from: the people, the collections and the tags of the team."""

from functools import cache
from typing import Any

from django.db import connection
from django.db.models import CharField, Exists, F, OuterRef, QuerySet, Value
from django.db.models.functions import Coalesce, Concat, NullIf, Trim

from generations.models import Collection, Generation, Member, Tag

MAX_LISTED = 50  # of each
KINDS = ("people", "collections", "tags")


def filter_choices() -> dict[str, list[tuple[int, str]]]:
    """Of each kind the first fifty by name, with their keys; in one statement."""
    found: dict[str, list[tuple[int, str]]] = {kind: [] for kind in KINDS}
    with connection.cursor() as cursor:
        cursor.execute(*_statement())
        for kind, pk, label in cursor:
            if len(found[kind]) < MAX_LISTED:
                found[kind].append((pk, label))
    return found


@cache
def _statement() -> tuple[str, tuple[Any, ...]]:
    """It is the same for everybody, and takes longer to write than to answer."""
    full = NullIf(Trim(Concat("first_name", Value(" "), "last_name")), Value(""))
    made = Exists(Generation.objects.filter(owner=OuterRef("pk")))
    people = Member.objects.filter(made).annotate(label=Coalesce(full, F("username")))
    collections = Collection.objects.annotate(label=F("name"))
    tags = Tag.objects.annotate(label=F("name"))
    lists: list[QuerySet[Any, Any]] = [
        rows.order_by().values_list(Value(kind, CharField()), "pk", "label")
        for kind, rows in zip(KINDS, (people, collections, tags), strict=True)
    ]
    whole = lists[0].union(*lists[1:], all=True).order_by("label")
    sql, params = whole.query.sql_with_params()
    return sql, tuple(params)
