"""Counting that cannot grow with the table: no further than a page tells it."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet


def count_up_to(most: int, questions: Sequence[QuerySet[Any]]) -> list[int]:
    """How many rows each of these has, at most `most`: one statement for them all."""
    parts, values = [], list[Any]()
    for question in questions:
        limited = question.order_by().values("pk")[:most]
        try:
            sql, parameters = limited.query.sql_with_params()
        except EmptyResultSet:  # Django sees that it can have none
            sql, parameters = "SELECT 1 WHERE 1 = 0", ()
        parts.append(f"(SELECT count(*) FROM ({sql}) AS counted)")  # noqa: S608
        values.extend(parameters)
    if not parts:
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", values)
        return list(cursor.fetchone())
