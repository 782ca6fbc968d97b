"""Counts and keys up to a limit, so that the cost does not grow with the table."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

# Up to this many rows are read by key and sorted. More are found quickly by reading in date order.
MAX_SORTED_ROWS = 5000


def count_up_to(limit: int, querysets: Sequence[QuerySet[Any]]) -> list[int]:
    """Count the rows of each queryset, up to `limit` each, in one SQL statement."""
    subqueries, values = [], list[Any]()
    for queryset in querysets:
        limited = queryset.order_by().values("pk")[:limit]
        try:
            sql, parameters = limited.query.sql_with_params()
        except EmptyResultSet:  # Django knows without a query that no row matches
            sql, parameters = "SELECT 1 WHERE 1 = 0", ()
        subqueries.append(f"(SELECT count(*) FROM ({sql}) AS counted)")  # noqa: S608
        values.extend(parameters)
    if not subqueries:
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(subqueries)}", values)
        return list(cursor.fetchone())


def fewest_keys(
    querysets: Sequence[QuerySet[Any, Any]], limit: int | None = None
) -> tuple[int, list[int]] | None:
    """Return the index of the queryset with the fewest rows, and its values.

    None if all have more than the limit (`MAX_SORTED_ROWS`). Each queryset has one column.
    """
    limit = limit or MAX_SORTED_ROWS
    counts = count_up_to(limit + 1, querysets)
    if not counts or (fewest := min(counts)) > limit:
        return None
    index = counts.index(fewest)
    return index, list(querysets[index].order_by())


def newest_keys(querysets: Sequence[QuerySet[Any]], limit: int) -> list[int]:
    """Return the `limit` highest keys of all querysets together, each once, in one SQL statement.

    Reads up to `limit` keys of each queryset: fast if an index has the columns of its filter and
    then the key, and nothing else is compared.
    """
    subqueries, values = [], list[Any]()
    for queryset in querysets:
        newest = queryset.order_by("-pk").values_list("pk")[:limit]
        try:
            sql, parameters = newest.query.sql_with_params()
        except EmptyResultSet:  # Django knows without a query that no row matches
            continue
        subqueries.append(f"SELECT * FROM ({sql}) AS newest")  # noqa: S608
        values.extend(parameters)
    if not subqueries:
        return []
    with connection.cursor() as cursor:
        cursor.execute(" UNION ".join(subqueries), values)
        return sorted((pk for (pk,) in cursor.fetchall()), reverse=True)[:limit]
