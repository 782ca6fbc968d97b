"""Dates and times follow the reader's time zone."""

import csv
import io
import re
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone, translation
from pytest_django import Settings

from generations.models import Collection, Generation, Member, Notification, Status, UpstreamGate
from generations.web.middleware.time_zone import current_names, known_zones, valid_zone
from generations.web.zone_names import zone_label, zones_by_region
from tests.builders import make_generation
from tests.conftest import client_for

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 26, 17, 30, tzinfo=UTC)  # 18:30 in Berlin, 00:30 of the 27th in Vietnam
BERLIN, VIETNAM = "Europe/Berlin", "Asia/Ho_Chi_Minh"
PAGE_LOAD = {"Accept": "text/html,*/*;q=0.8"}


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)


def client_in(zone: str, member: Member) -> Client:
    client = client_for(member)
    client.cookies["time_zone"] = zone
    return client


def page_of(client: Client, url: str = "/") -> str:
    return client.get(url, headers=PAGE_LOAD).content.decode()


def stored_zone(member: Member) -> tuple[str, bool]:
    member.refresh_from_db()
    return member.time_zone, member.time_zone_is_automatic


# --- pages ---------------------------------------------------------------------------------------


def test_today_in_the_studio_follows_the_reader(owner: Member, stranger: Member) -> None:
    for member in (owner, stranger):
        for minutes in (20, 150):
            at = NOW - timedelta(minutes=minutes)
            make_generation(Status.SUCCEEDED, owner=member, created_at=at)
    vietnam, berlin = client_in(VIETNAM, owner), client_in(BERLIN, stranger)
    for _ in range(2):  # cached cards must not show the other reader's time
        page = page_of(vietnam)
        assert 'id="day-2026-11-27">Today' in page
        assert 'id="day-2026-11-26">26 November' in page
        page = page_of(berlin)
        assert 'id="day-2026-11-26">Today' in page
        assert "day-2026-11-27" not in page


def test_months_of_the_gallery_follow_the_reader(
    owner: Member, stranger: Member, settings: Settings, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    at = datetime(2026, 10, 31, 18, tzinfo=UTC)
    make_generation(Status.SUCCEEDED, owner=owner, created_at=at)
    vietnam, berlin = client_in(VIETNAM, owner), client_in(BERLIN, stranger)
    for _ in range(2):
        page = page_of(vietnam, "/gallery/")
        assert 'id="month-2026-11"' in page
        assert 'id="month-2026-10"' not in page
        page = page_of(berlin, "/gallery/")
        assert 'id="month-2026-10"' in page
        assert 'id="month-2026-11"' not in page
    since = "/gallery/?since=2026-11-01"
    assert 'id="month-2026-11"' in page_of(vietnam, since)
    assert 'id="month-' not in page_of(berlin, since)


def test_times_on_a_page_follow_the_reader(owner: Member, stranger: Member) -> None:
    at = NOW - timedelta(hours=2)
    row = make_generation(Status.SUCCEEDED, owner=owner, created_at=at)
    url = f"/generations/{row.pk}/"
    assert "26 Nov 2026, 22:30" in page_of(client_in(VIETNAM, owner), url)
    assert "26 Nov 2026, 16:30" in page_of(client_in(BERLIN, stranger), url)


def test_cached_card_shows_the_time_of_each_reader(owner: Member) -> None:
    at = NOW - timedelta(hours=3)
    make_generation(Status.SUCCEEDED, owner=owner, created_at=at)
    client = client_in(VIETNAM, owner)
    for _ in range(2):
        client.cookies["time_zone"] = VIETNAM
        assert "26 Nov, 21:30" in page_of(client)
        client.cookies["time_zone"] = BERLIN
        page = page_of(client)
        assert "15:30" in page
        assert "21:30" not in page


def test_one_clock_for_today_and_earlier_days(owner: Member) -> None:
    for hours in (3, 30):
        at = NOW - timedelta(hours=hours)
        make_generation(Status.SUCCEEDED, owner=owner, created_at=at)
    page = page_of(client_in(BERLIN, owner))
    assert "15:30" in page
    assert "25 Nov, 12:30" in page
    assert "p.m." not in page


def test_chosen_clock_is_used_on_every_page_and_kept_apart(
    owner: Member, stranger: Member, media_root: object
) -> None:
    Member.objects.filter(pk=owner.pk).update(clock=Member.Clock.HOURS_12)
    row = make_generation(Status.SUCCEEDED, owner=owner, created_at=NOW - timedelta(hours=3))
    Notification.objects.create(
        member=owner, kind="generation", generation=row, at=NOW - timedelta(hours=2)
    )
    client = client_in(BERLIN, owner)
    for _time in range(2):  # the second time from the cache
        assert "3:30 PM" in page_of(client)
        assert "26 Nov 2026, 3:30 PM CET" in page_of(client)
    assert "4:30 PM" in page_of(client, "/notifications/")
    assert "26 Nov 2026, 3:30 PM" in page_of(client, f"/generations/{row.pk}/")
    assert "26 Nov 2026, 15:30" in page_of(client_in(BERLIN, stranger), f"/generations/{row.pk}/")


def test_downloads_keep_the_iso_format_whatever_the_clock(
    owner: Member, media_root: object
) -> None:
    Member.objects.filter(pk=owner.pk).update(clock=Member.Clock.HOURS_12)
    row = make_generation(Status.SUCCEEDED, owner=owner, created_at=NOW)
    keys = [picture.pk for picture in row.pictures.all()]
    response = client_in(VIETNAM, owner).post("/pictures/download", {"picture": keys})
    archive = zipfile.ZipFile(io.BytesIO(response.getvalue()))
    assert "2026-11-27 00:30:00+07:00" in archive.read("images.csv").decode("utf-8-sig")


@pytest.mark.parametrize(
    ("now", "created", "is_today"),
    [
        # 25 October 2026 has 25 hours in Berlin, 29 March 23.
        ("2026-10-25T22:30", "2026-10-24T22:10", True),
        ("2026-10-25T22:30", "2026-10-24T21:50", False),
        ("2026-03-29T21:30", "2026-03-28T23:10", True),
        ("2026-03-29T21:30", "2026-03-28T22:50", False),
    ],
)
def test_today_begins_at_midnight_when_the_clocks_change(
    now: str, created: str, is_today: bool, owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime.fromisoformat(f"{now}+00:00")
    monkeypatch.setattr(timezone, "now", lambda: moment)
    at = datetime.fromisoformat(f"{created}+00:00")
    make_generation(Status.SUCCEEDED, owner=owner, created_at=at, finished_at=at)
    page = page_of(client_in(BERLIN, owner))
    assert ("1 done" in page) == is_today


def test_downloads_use_the_zone_of_the_reader(
    owner: Member, settings: Settings, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    row = make_generation(Status.SUCCEEDED, owner=owner, created_at=NOW)
    keys = [picture.pk for picture in row.pictures.all()]
    response = client_in(VIETNAM, owner).post("/pictures/download", {"picture": keys})
    archive = zipfile.ZipFile(io.BytesIO(response.getvalue()))
    assert any(name.startswith("2026-11-27 ") for name in archive.namelist())
    table = archive.read("images.csv").decode("utf-8-sig")
    assert any("2026-11-27 00:30:00+07:00" in line for line in csv.reader(io.StringIO(table)))
    assert timezone.get_current_timezone_name() == settings.TIME_ZONE


# --- which zone ----------------------------------------------------------------------------------


def shown_time(client: Client, row: Generation) -> str:
    page = page_of(client, f"/generations/{row.pk}/")
    [shown] = {time for time in ("17:30", "18:30", "00:30", "02:30") if f", {time}<" in page}
    return shown


@pytest.fixture
def row(owner: Member) -> Generation:
    return make_generation(Status.SUCCEEDED, owner=owner, created_at=NOW)


@pytest.mark.parametrize(
    ("columns", "cookie", "expected"),
    [
        ({}, "", "17:30"),
        ({}, BERLIN, "18:30"),
        ({}, "Asia/Saigon", "00:30"),
        ({"time_zone": VIETNAM}, "", "00:30"),
        ({"time_zone": VIETNAM}, BERLIN, "18:30"),
        ({"time_zone": "Asia/Tokyo", "time_zone_is_automatic": False}, BERLIN, "02:30"),
        ({"time_zone": "No/Where", "time_zone_is_automatic": False}, BERLIN, "18:30"),
        ({"time_zone": "No/Where"}, "", "17:30"),
    ],
)
def test_chosen_zone_wins_over_the_browser_and_the_site(
    owner: Member, row: Generation, columns: dict[str, object], cookie: str, expected: str
) -> None:
    Member.objects.filter(pk=owner.pk).update(**columns)
    assert shown_time(client_in(cookie, owner), row) == expected


def test_every_shown_time_has_a_title_with_its_zone(
    owner: Member, admin: Member, row: Generation
) -> None:
    Collection.objects.create(name="Spring", created_by=owner)
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY)
    row.pictures.all().trash(owner)
    client = client_in(BERLIN, admin)
    urls = ("/admin/queue/", f"/generations/{row.pk}/", "/collections/", "/trash/")
    for url in urls:
        times = re.findall(r"<time [^>]*>", page_of(client, url))
        assert times, url
        assert all(re.search(r' title="[^"]+ CET"', each) for each in times), url


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "../../etc/passwd", "localtime", "Factory", "x" * 5000, "\x00"]
)
def test_invalid_cookie_is_ignored(owner: Member, row: Generation, name: str) -> None:
    assert shown_time(client_in(name, owner), row) == "17:30"
    assert stored_zone(owner) == ("", True)


def test_zone_is_deactivated_after_each_request(owner: Member, settings: Settings) -> None:
    page_of(client_in(VIETNAM, owner))
    assert timezone.get_current_timezone_name() == settings.TIME_ZONE
    page_of(client_in(VIETNAM, owner), "/generations/999/")
    assert timezone.get_current_timezone_name() == settings.TIME_ZONE


def test_sign_in_page_needs_no_member(client: Client) -> None:
    client.cookies["time_zone"] = VIETNAM
    assert client.get("/accounts/login/").status_code == 200


def test_current_names_are_all_known() -> None:
    assert set(current_names().values()) <= known_zones()
    assert not current_names().keys() & known_zones()
    assert max(map(len, known_zones())) <= 40
    assert valid_zone("Asia/Saigon") == VIETNAM
    assert valid_zone("UTC") == "UTC"


# --- the profile ---------------------------------------------------------------------------------


def test_zone_of_the_browser_is_stored_on_a_page_load(owner: Member) -> None:
    client = client_in(VIETNAM, owner)
    client.get("/")  # not a page load: an image or a poll
    assert stored_zone(owner) == ("", True)
    page_of(client)
    assert stored_zone(owner) == (VIETNAM, True)
    client.cookies["time_zone"] = BERLIN
    page_of(client)
    assert stored_zone(owner) == (BERLIN, True)


def test_chosen_zone_is_not_overwritten_by_the_browser(owner: Member) -> None:
    client = client_in(BERLIN, owner)
    client.post("/settings/", {"time_zone": VIETNAM})
    assert stored_zone(owner) == (VIETNAM, False)
    page = page_of(client, "/settings/")
    assert stored_zone(owner) == (VIETNAM, False)
    assert f'<option value="{VIETNAM}" selected>Ho Chi Minh City</option>' in page
    assert '<option value="">Automatic (Berlin)</option>' in page


def test_automatic_can_be_chosen_again(owner: Member) -> None:
    columns = {"time_zone": VIETNAM, "time_zone_is_automatic": False}
    Member.objects.filter(pk=owner.pk).update(**columns)
    client = client_in(BERLIN, owner)
    client.post("/settings/", {"time_zone": ""})
    assert stored_zone(owner) == (BERLIN, True)
    assert '<option value="" selected>Automatic (Berlin)' in page_of(client, "/settings/")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "localtime", "x" * 5000])
def test_invalid_zone_shows_a_field_error(owner_client: Client, owner: Member, zone: str) -> None:
    response = owner_client.post("/settings/", {"time_zone": zone, "notification_sound": "on"})
    assert response.status_code == 422
    page = response.content.decode()
    assert 'id="id_time_zone_error">Choose a time zone from the list.</p>' in page
    assert 'aria-describedby="id_time_zone_helptext id_time_zone_error"' in page
    assert stored_zone(owner) == ("", True)
    assert not owner.notification_sound


def test_zones_are_named_by_their_city_in_the_language_of_the_reader() -> None:
    cities = {}
    for language in ("en", "vi", "zh-hans"):
        with translation.override(language):
            cities[language] = [zone_label(zone) for zone in (VIETNAM, BERLIN, "Etc/GMT+7", "UTC")]
    assert cities == {
        "en": ["Ho Chi Minh City", "Berlin", "Etc/GMT+7", "UTC"],
        "vi": ["TP Hồ Chí Minh", "Berlin", "Etc/GMT+7", "UTC"],
        "zh-hans": ["胡志明市", "柏林", "Etc/GMT+7", "UTC"],
    }


def test_each_zone_is_listed_once_in_its_region_by_its_city() -> None:
    with translation.override("vi"):
        regions = dict(zones_by_region(known_zones()))
    assert (VIETNAM, "TP Hồ Chí Minh") in regions["Châu Á"]
    listed = [zone for zones in regions.values() for zone, _label in zones]
    assert sorted(listed) == sorted(known_zones())
    labels = [label for zones in regions.values() for _zone, label in zones]
    assert len(labels) == len(set(labels))
