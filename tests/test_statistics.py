"""When the planner's statistics are collected."""

import logging
from typing import Any

import pytest
from django.db import OperationalError, connection

from generations.models import statistics
from tests.builders import make_generation

pytestmark = pytest.mark.django_db


def has_statistics() -> bool:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            sql = "SELECT reltuples FROM pg_class WHERE relname = 'generations_generation'"
        else:
            sql = "SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'generations_generation'"
        cursor.execute(sql)
        return bool(cursor.fetchone()[0] > 0)


@pytest.fixture(autouse=True)
def _none(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # of empty tables
        if connection.vendor == "sqlite":
            cursor.execute("DELETE FROM sqlite_stat1")
    make_generation()


def test_update_collects_them() -> None:
    statistics.update()
    assert has_statistics()


def test_migration_collects_them_and_a_flush_does_not() -> None:
    statistics.update_after_migration(using="default", plan=[])
    assert not has_statistics()
    statistics.update_after_migration(using="default", plan=["a migration"])
    assert has_statistics()


def test_busy_database_is_left_for_the_next_time(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        if sql == "ANALYZE":
            raise OperationalError("database is locked")
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse), caplog.at_level(logging.WARNING):
        statistics.update()
    assert "the database is busy" in caplog.text
    assert not has_statistics()
