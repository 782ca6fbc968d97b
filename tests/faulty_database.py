"""A database that fails in the middle of a request."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from django.db import OperationalError, connection


@contextmanager
def failing_audit_entry(number: int) -> Iterator[None]:
    """Fail once, at the audit entry with this number, from 1, as a busy database does."""
    entries = count(1)

    def execute(original: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('INSERT INTO "generations_auditentry"') and next(entries) == number:
            raise OperationalError("database is locked")
        return original(sql, *rest)

    with connection.execute_wrapper(execute):
        yield
