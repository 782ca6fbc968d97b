"""Sessions: the list, ending them elsewhere, and the limits of age and idle time."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generations.models import Member
from generations.web.account.sessions import device_name
from generations.web.middleware import session_limits
from tests.builders import PASSWORD
from tests.one_time_codes import credentials

pytestmark = pytest.mark.django_db

URL = "/settings/sessions/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)


def sign_in(member: Member, user_agent: str = FIREFOX, address: str = "203.0.113.5") -> Client:
    client = Client(headers={"user-agent": user_agent}, REMOTE_ADDR=address)
    response = client.post("/accounts/login/", credentials(member, PASSWORD))
    assert response["Location"] == "/"
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/gallery/").status_code == 200


# --- the list --------------------------------------------------------------------------------


def test_list_names_browser_and_address_of_each_session(owner: Member, stranger: Member) -> None:
    sign_in(stranger, address="192.0.2.9")
    sign_in(owner, CHROME, "198.51.100.7")
    page = sign_in(owner).get(URL).content.decode()
    for text in ("Firefox on Linux", "203.0.113.5", "Chrome on Windows", "198.51.100.7"):
        assert page.count(text) >= 1
    assert page.count("This session") == 1
    assert "192.0.2.9" not in page


def test_one_session_is_ended_elsewhere(owner: Member) -> None:
    here, there, third = sign_in(owner), sign_in(owner, CHROME), sign_in(owner)
    row = UserSession.objects.get(session_key=there.session.session_key)
    response = here.post(URL, {"session": row.pk})
    assert (response.status_code, response["Location"]) == (303, URL)
    assert "Signed out there." in here.get(URL).content.decode()
    assert [is_signed_in(each) for each in (here, there, third)] == [True, False, True]


def test_all_others_are_ended(owner: Member, stranger: Member) -> None:
    here, there, other = sign_in(owner), sign_in(owner), sign_in(stranger)
    here.post(URL, {"others": "1"})
    assert [is_signed_in(each) for each in (here, there, other)] == [True, False, True]
    assert "Sign out everywhere else" not in here.get(URL).content.decode()


@pytest.mark.parametrize("value", ["x", "", "0", "9" * 50, "1\x00"])
def test_unknown_session_ends_nothing(owner: Member, value: str) -> None:
    here, there = sign_in(owner), sign_in(owner)
    assert here.post(URL, {"session": value}).status_code == 303
    assert "This session had ended." in here.get(URL).content.decode()
    assert is_signed_in(there)


def test_nobody_ends_sessions_of_others_or_their_current_one(
    owner: Member, stranger: Member
) -> None:
    here, other = sign_in(owner), sign_in(stranger)
    for client in (here, other):
        row = UserSession.objects.get(session_key=client.session.session_key)
        here.post(URL, {"session": row.pk})
        assert is_signed_in(client)


def test_sessions_of_before_the_list_are_recorded_when_used(owner: Member) -> None:
    client = Client()
    client.force_login(owner)
    assert is_signed_in(client)
    assert "This session" in client.get(URL).content.decode()


def test_list_is_off_without_the_setting(owner_client: Client, settings: Settings) -> None:
    settings.SESSION_LIST = False
    assert owner_client.get(URL).status_code == 404
    assert URL not in owner_client.get("/settings/").content.decode()


def test_password_change_keeps_this_session_in_the_list_alone(owner: Member) -> None:
    here, _there = sign_in(owner), sign_in(owner)
    new = "an even longer sentence"
    data = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    here.post("/settings/password/", data)
    page = here.get(URL).content.decode()
    assert (page.count("This session"), page.count("Last used")) == (1, 0)


@pytest.mark.parametrize("address", ["", "unknown", "fe80::1%eth0", "/run/socket"])
def test_unusual_addresses_are_no_server_error(owner: Member, address: str) -> None:
    assert sign_in(owner, address=address).get(URL).status_code == 200


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (CHROME, "Chrome on Windows"),
        (f"{CHROME} Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1", "Safari on iPhone"),
        ("curl/8.0", "Unknown browser"),
        ("", "Unknown browser"),
        ("<b>Firefox/1", "Firefox"),
    ],
)
def test_device_name(user_agent: str, name: str) -> None:
    assert device_name(user_agent) == name


# --- limits ----------------------------------------------------------------------------------


def later(*, age: timedelta = timedelta(0), idle: timedelta = timedelta(0)) -> None:
    """Make all sessions older, or used longer ago."""
    now = timezone.now()
    UserSession.objects.update(created_at=now - age, last_seen_at=now - idle)
    session_limits.forget_checks()


def test_session_ends_so_many_days_after_the_sign_in(owner: Member, settings: Settings) -> None:
    settings.SESSION_DAYS = 3
    client = sign_in(owner)
    later(age=timedelta(days=2, hours=23))
    assert is_signed_in(client)
    later(age=timedelta(days=3, hours=1))
    response = client.get("/gallery/")
    assert response["Location"] == "/accounts/login/?next=/gallery/"
    assert "sessionid" not in client.cookies or not client.cookies["sessionid"].value


def test_session_ends_so_many_hours_after_the_last_page(owner: Member, settings: Settings) -> None:
    settings.SESSION_IDLE_HOURS = 2
    client = sign_in(owner)
    later(idle=timedelta(hours=1))
    assert is_signed_in(client)
    assert UserSession.objects.get().last_seen_at > timezone.now() - timedelta(minutes=1)
    later(idle=timedelta(hours=3))
    assert not is_signed_in(client)
    assert not is_signed_in(client)


def test_polling_of_an_open_page_is_no_use(owner: Member, settings: Settings) -> None:
    client = sign_in(owner)
    later(idle=timedelta(hours=1))
    client.get("/cards/changes")
    assert UserSession.objects.get().last_seen_at < timezone.now() - timedelta(minutes=50)


def test_polling_ends_with_the_session(owner: Member, settings: Settings) -> None:
    settings.SESSION_IDLE_HOURS = 2
    client = sign_in(owner)
    later(idle=timedelta(hours=3))
    assert client.get("/cards/changes").status_code == 302


def test_database_that_cannot_be_written_ends_no_session(
    owner: Member, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_args: object) -> None:
        raise OperationalError("database is locked")

    client = sign_in(owner)
    session_limits.forget_checks()
    monkeypatch.setattr(session_limits, "_is_over", fail)
    assert is_signed_in(client)
    assert "Could not record the use of a session" in caplog.text


def test_zero_means_no_limit(owner: Member, settings: Settings) -> None:
    settings.SESSION_DAYS = settings.SESSION_IDLE_HOURS = 0
    client = sign_in(owner)
    later(age=timedelta(days=1000), idle=timedelta(days=999))
    assert is_signed_in(client)


def test_cookie_lasts_as_long_as_the_session(owner: Member) -> None:
    assert sign_in(owner).cookies["sessionid"]["max-age"] == 14 * 24 * 3600
