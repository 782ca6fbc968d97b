"""The choices of the gallery's filter: members, collections and tags."""

from functools import cache
from typing import Any

from django.db import connection
from django.db.models import CharField, Exists, F, OuterRef, QuerySet, Value
from django.db.models.functions import Coalesce, Concat, NullIf, Trim

from generations.models import Collection, Generation, Member, Tag

MAX_CHOICES = 50  # of each kind
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
