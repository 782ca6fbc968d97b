"""Durations, dates and times on pages."""

from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from django.utils import timezone

from generations.templatetags.times import time_ago, timestamp
from generations.web.formats import format_duration, format_time_ago

NOW = datetime(2026, 11, 27, 13, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "0 s"), (12, "12 s"), (160, "2 min 40 s"), (7260, "2 h 1 min")],
)
def test_duration_is_rounded_down_to_two_units(seconds: int | None, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 min ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=2), "11:03"),
        (timedelta(days=2), "25 Nov, 13:03"),
        (timedelta(days=365), "27 Nov 2025, 13:03"),
    ],
)
def test_time_ago_gives_minutes_then_the_time_then_the_date(age: timedelta, text: str) -> None:
    with mock.patch.object(timezone, "now", return_value=NOW):
        assert format_time_ago(NOW - age) == text


def test_timestamp_names_the_readers_time_zone() -> None:
    with timezone.override("Europe/Paris"):
        assert timestamp(NOW) == (
            '<time datetime="2026-11-27T14:03:00+01:00" title="27 Nov 2026, 14:03 CET">'
            "27 Nov 2026, 14:03</time>"
        )
        assert ">27 Nov, 14:03:00</time>" in timestamp(NOW, "j M, H:i:s")


def test_time_ago_element_is_updated_by_the_page() -> None:
    with mock.patch.object(timezone, "now", return_value=NOW + timedelta(minutes=4)):
        assert time_ago(NOW) == (
            '<time datetime="2026-11-27T13:03:00+00:00" title="27 Nov 2026, 13:03 UTC" data-time>'
            "4 min ago</time>"
        )
