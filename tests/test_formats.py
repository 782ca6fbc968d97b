"""Durations, dates and times on pages."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from unittest import mock

import pytest
from django.utils import timezone, translation

from generations.templatetags.times import time_ago, timestamp
from generations.web.formats import (
    duration_patterns,
    format_datetime,
    format_datetime_with_zone,
    format_day,
    format_duration,
    format_ordinal,
    format_time_ago,
    use_clock,
)
from tests.installation import ROOT

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
        assert ">27 Nov, 14:03:00</time>" in timestamp(NOW, "SHORT_DATETIME_WITH_SECONDS")


def test_time_ago_element_is_updated_by_the_page() -> None:
    with mock.patch.object(timezone, "now", return_value=NOW + timedelta(minutes=4)):
        assert time_ago(NOW) == (
            '<time datetime="2026-11-27T13:03:00+00:00" title="27 Nov 2026, 13:03 UTC" data-time>'
            "4 min ago</time>"
        )


# --- one clock -----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    yield
    use_clock("")


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("TIME_FORMAT", "2:03 PM"),
        ("TIME_WITH_SECONDS", "2:03:00 PM"),
        ("SHORT_DATETIME_FORMAT", "27 Nov, 2:03 PM"),
        ("DATETIME_WITH_SECONDS", "27 Nov 2026, 2:03:00 PM"),
        ("DATE_FORMAT", "27 Nov 2026"),
    ],
)
def test_twelve_hours_for_those_who_chose_them(format: str, text: str) -> None:
    use_clock("12")
    with timezone.override("Europe/Paris"):
        assert format_datetime(NOW, format) == text
        assert "27 Nov 2026, 2:03 PM CET" in timestamp(NOW, format), "in the title too"


@pytest.mark.parametrize(
    ("language", "clock", "text"),
    [("en", "", "13:03"), ("en-us", "24", "13:03"), ("vi", "", "13:03"), ("zh-hans", "", "13:03"),
     ("vi", "12", "1:03 chiều")],
)  # fmt: skip
def test_clock_is_that_of_the_language_unless_chosen(language: str, clock: str, text: str) -> None:
    use_clock(clock)
    with translation.override(language):
        assert format_datetime(NOW, "TIME_FORMAT") == text


@pytest.mark.parametrize(
    ("language", "format", "clock", "text"),
    [
        ("vi", "DATETIME_FORMAT", "", "13:03, 27/11/2026"),
        ("vi", "SHORT_DATETIME_WITH_SECONDS", "", "13:03:00, 27/11"),
        ("vi", "YEAR_MONTH_FORMAT", "", "Tháng 11/2026"),
        ("vi", "MONTH_DAY_FORMAT", "", "27 tháng 11"),
        ("zh-hans", "DATETIME_FORMAT", "", "2026年11月27日 13:03"),
        ("zh-hans", "SHORT_DATETIME_FORMAT", "12", "11月27日 PM1:03"),
        ("zh-hans", "YEAR_MONTH_FORMAT", "", "2026年11月"),
        ("zh-hans", "MONTH_DAY_FORMAT", "", "11月27日"),
    ],
)
def test_dates_are_those_of_the_language(language: str, format: str, clock: str, text: str) -> None:
    use_clock(clock)
    with translation.override(language):
        shown = format_datetime(NOW, format)
    assert shown.replace("下午", "PM") == text


def test_scripts_get_the_formats_of_durations() -> None:
    assert duration_patterns() == {
        "hours": "{h} h {m} min",
        "minutes": "{m} min {s} s",
        "seconds": "{s} s",
    }


@pytest.mark.parametrize(("language", "text"), [("en", "3rd"), ("vi", "3"), ("zh-hans", "第3")])
def test_position_in_the_queue(language: str, text: str) -> None:
    with translation.override(language):
        assert format_ordinal(3) == text


def test_hour_that_occurs_twice_is_told_apart_by_its_zone() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    with timezone.override("Europe/Berlin"):
        assert format_datetime_with_zone(first) == "25 Oct 2026, 02:30 CEST"
        assert format_datetime_with_zone(first + timedelta(hours=1)) == "25 Oct 2026, 02:30 CET"


def test_day_has_a_year_unless_it_is_the_current_one() -> None:
    with mock.patch.object(timezone, "now", return_value=NOW):
        assert format_day(date(2026, 3, 9)) == "9 March"
        assert format_day(date(2024, 3, 9)) == "9 Mar 2024"


LITERAL_TIME = re.compile(r"""["'][^"'\n%]*\b[GgHh]:i[^"'\n]*["']|\|time\b""")


def test_no_page_has_a_time_format_of_its_own() -> None:
    files = [*(ROOT / "templates").rglob("*.*"), *(ROOT / "generations").rglob("*.py")]
    found = {
        str(path): literals
        for path in files
        if path.name != "formats.py" and (literals := LITERAL_TIME.findall(path.read_text("utf-8")))
    }
    assert not found
