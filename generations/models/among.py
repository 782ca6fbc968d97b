"""`IN` for lists of values that is always answered by the index of the column."""

import json
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Lookup

# What SQLite assumes of a subquery. A shorter list is better counted.
MAX_LISTED = 25


class Among(Lookup):
    """A condition: the expression has one of these numbers or texts.

    SQLite compares the length of an `IN` list with the rows that the table had when statistics were
    last collected, and for some hundred values may read the whole table, which has since grown. It
    takes a subquery for short, and its text stays short, too.
    """

    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        values = list(self.rhs)
        if not values:
            raise EmptyResultSet
        sql, parameters = self.process_lhs(compiler, connection)
        if connection.vendor == "postgresql":
            return f"{sql} = ANY(%s)", (*parameters, values)
        if len(values) <= MAX_LISTED:
            return f"{sql} IN ({', '.join(['%s'] * len(values))})", (*parameters, *values)
        subquery = "SELECT value FROM json_each(%s)"
        return f"{sql} IN ({subquery})", (*parameters, json.dumps(values))
