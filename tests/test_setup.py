"""The first start: every page leads to the set-up page, which creates the owner and the team."""

import logging
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from generations.models import ApiKey, Member, Team
from generations.models.money import Limit, Price, Window
from generations.permissions import Role
from generations.setup import api_key, team
from generations.setup import code as setup_code
from generations.setup.team import TeamSetup
from generations.web.setup.forms import FirstStartForm
from klingweb import data_folder
from tests.builders import PASSWORD, make_admin, make_member
from tests.conftest import client_for
from tests.forms import HTMX
from tests.scripted_server import ScriptedServer, reply, trickle
from tests.simulator import Simulator

pytestmark = pytest.mark.django_db

URL, OWN_URL = "/setup/", "/settings/team/"
KEY = "sk-a-key-that-nobody-may-see"


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> None:
    monkeypatch.setattr(team.Cache, "person_exists", False)
    settings.DATA_DIR = tmp_path


@pytest.fixture
def code() -> str:
    return setup_code.renew()


def data(code: str = "", **fields: Any) -> dict[str, Any]:
    """The fields of a form that is right, for an install without a key."""
    return {
        "code": code,
        "username": "lan",
        "password": PASSWORD,
        "team_name": "Pear & Sons",
        "time_zone": "Asia/Ho_Chi_Minh",
        "api_key": "",
        "without_key": "on",
        "currency": "USD",
        "budget": "250.50",
    } | fields


def error_beside(page: str, field: str) -> str:
    return page.partition(f'id="{field}-error">')[2].partition("</p>")[0]


def stored_key() -> str:
    """The key that is used from the next start on; "" if there is none."""
    row = ApiKey.objects.active().first()
    return row.decrypt() if row else ""


# --- the page ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["/", "/gallery/", "/accounts/login/", "/admin/", "/files/1/original", "/setup/restart/"]
)
def test_without_a_person_every_page_leads_to_the_set_up_page(client: Client, url: str) -> None:
    for response in (client.get(url), client.post(url), client.get(url, headers=HTMX)):
        assert (response.status_code, response["Location"]) == (302, URL)


def test_health_check_and_icon_stay(client: Client) -> None:
    assert client.get("/healthz").headers["Content-Type"] == "application/json"
    assert client.get("/favicon.ico")["Location"].endswith(".svg")


def test_with_a_person_the_page_is_closed(client: Client, code: str) -> None:
    assert client.get(URL).status_code == 200
    make_member("first")
    for response in (client.get(f"{URL}?code={code}"), client.post(URL, data(code))):
        assert response.status_code == 404
        assert "klingweb is already set up." in response.content.decode()
    assert client.get("/")["Location"].startswith("/accounts/login/")
    assert Member.objects.count() == 1


def test_a_disabled_person_counts(client: Client) -> None:
    make_member("first", is_active=False)
    assert client.get(URL).status_code == 404


def test_later_requests_do_not_ask_the_database(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_member("first")
    with django_assert_num_queries(1):
        client.get("/accounts/login/")
    with django_assert_num_queries(0):
        client.get("/accounts/login/")


def test_page_preselects_the_zone_of_the_browser_and_fills_in_the_code(client: Client) -> None:
    page = client.get(f"{URL}?code=abc%22%3E").content.decode()
    assert 'value="abc&quot;&gt;"' in page
    assert "data-ask-again" in page
    client.cookies["time_zone"] = "Asia/Saigon"  # the old name
    page = client.get(URL).content.decode()
    assert '<option value="Asia/Ho_Chi_Minh" selected>' in page
    assert "data-ask-again" not in page


def test_page_without_a_code_says_where_to_get_one(client: Client) -> None:
    assert "none is valid now" in client.get(URL).content.decode()
    response = client.post(URL, data("anything"))
    assert "Restart klingweb" in error_beside(response.content.decode(), "code")


def test_page_has_nothing_inline(client: Client) -> None:
    for fragment in (b" style=", b"<style", b"javascript:", b" onclick", b"<script>"):
        assert fragment not in client.get(URL).content


# --- success -------------------------------------------------------------------------------------


def test_form_creates_owner_team_and_budget_and_signs_in(client: Client, code: str) -> None:
    response = client.post(URL, data(code), follow=True)
    assert response.redirect_chain == [("/", 303)]
    page = response.content.decode()
    assert "Your team is set up." in page
    owner = Member.objects.get()
    assert (owner.username, owner.role, owner.is_staff) == ("lan", Role.OWNER, True)
    assert owner.check_password(PASSWORD)
    saved = Team.objects.get()
    assert (saved.name, saved.time_zone) == ("Pear & Sons", "Asia/Ho_Chi_Minh")
    assert saved.currency == "USD"
    limit = Limit.objects.get()
    assert (limit.scope, limit.window, limit.money_e4) == ("team", "month", 2_505_000)
    assert not setup_code.exists()
    assert response.context["request"].user == owner


def test_empty_budget_is_no_limit_and_a_currency_may_be_a_word(client: Client, code: str) -> None:
    assert client.post(URL, data(code, budget="", currency="credits")).status_code == 303
    assert not Limit.objects.exists()
    assert Team.objects.get().currency == "credits"


@pytest.mark.parametrize(("is_demo", "upstream"), [(False, "live"), (True, "simulator")])
def test_price_is_for_the_upstream_that_follows(
    client: Client, code: str, settings: Settings, is_demo: bool, upstream: str
) -> None:
    settings.DEMO = is_demo
    client.post(URL, data(code, price="0,03"))
    price = Price.objects.get()
    assert (price.upstream, price.model, price.amount_e4) == (upstream, "*", 300)


def test_empty_price_sets_none(client: Client, code: str) -> None:
    client.post(URL, data(code))
    assert not Price.objects.exists()


def test_budget_of_zero_is_a_limit(client: Client, code: str) -> None:
    client.post(URL, data(code, budget="0"))
    assert Limit.objects.get().money_e4 == 0


def test_existing_settings_of_the_team_are_kept(client: Client, code: str) -> None:
    Team.objects.create(currency="EUR", unpriced="free", time_zone="Europe/Paris")
    Limit.objects.put(Limit.Scope.TEAM, Window.MONTH, money_e4=5_0000, images=100)
    page = client.get(URL).content.decode()
    assert 'value="EUR"' in page
    assert 'value="5"' in page
    client.post(URL, data(code, budget=""))
    assert Team.objects.get().unpriced == "free"
    assert Limit.objects.get().images == 100


# --- the code ------------------------------------------------------------------------------------


def test_code_is_stored_as_a_hash_in_a_private_file(settings: Settings, code: str) -> None:
    [path] = settings.DATA_DIR.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    stored = path.read_text()
    assert code not in stored
    assert code.replace("-", "") not in stored


def test_code_works_as_people_type_it(client: Client, code: str) -> None:
    typed = f" {code.upper().replace('-', ' ')} "
    assert client.post(URL, data(typed)).status_code == 303


def test_each_start_ends_the_code_before(code: str) -> None:
    assert setup_code.matches(code)
    assert setup_code.matches(setup_code.renew())
    assert not setup_code.matches(code)


@pytest.mark.parametrize("wrong", ["aaaa-bbbb-cccc-dddd", "\u00e4", "\ud800", "x" * 99, "-"])
def test_wrong_code_creates_nobody_and_tests_no_key(
    client: Client, settings: Settings, code: str, wrong: str
) -> None:
    settings.GATEWAY_URL = "http://127.0.0.1:1"  # an attempt would be an error beside the key
    sent = data(wrong.encode(errors="replace").decode(), api_key=KEY, without_key="")
    response = client.post(URL, sent)
    page = response.content.decode()
    assert response.status_code == 422
    assert "This is not the code" in error_beside(page, "code")
    assert error_beside(page, "api_key") == ""
    assert not Member.objects.exists()


@pytest.mark.parametrize("wrong", ["", "x" * 2000, "a\x00b"])
def test_unusable_code_is_an_error_beside_it(client: Client, code: str, wrong: str) -> None:
    response = client.post(URL, data(wrong))
    assert response.status_code == 422
    assert error_beside(response.content.decode(), "code")


def test_wrong_codes_are_limited_and_the_right_one_is_refused_meanwhile(
    client: Client, code: str
) -> None:
    statuses = [client.post(URL, data("wrong")).status_code for _ in range(5)]
    refused = client.post(URL, data(code))
    assert [*statuses, refused.status_code] == [422] * 5 + [429]
    assert 1 <= int(refused["Retry-After"]) <= 60
    page = refused.content.decode()
    assert "Too many wrong codes. Try again in 1 minute." in error_beside(page, "code")
    assert 'value="Pear &amp; Sons"' in page
    assert PASSWORD not in page
    assert not Member.objects.exists()
    assert Client(REMOTE_ADDR="203.0.113.9").post(URL, data(code)).status_code == 303


def test_errors_beside_other_fields_are_no_wrong_codes(client: Client, code: str) -> None:
    wrong = data(code, team_name="")
    assert [client.post(URL, wrong).status_code for _ in range(7)] == [422] * 7
    assert client.post(URL, data(code)).status_code == 303


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("username", "", "Enter a user name."),
        ("username", "lan nguyen", "valid username"),
        ("username", "x" * 151, "at most 150"),
        ("password", "", "Enter a password."),
        ("password", "short", "too short"),
        ("password", "password", "too common"),
        ("password", "lan-lan-lan", ""),
        ("password", "a\x00bcdefghijk", "Null characters"),
        ("team_name", "", "Enter a name"),
        ("team_name", "\u200b", "Enter a name"),
        ("team_name", "x" * 81, "at most 80"),
        ("time_zone", "", "Choose a time zone."),
        ("time_zone", "Mars/Base", "from the list"),
        ("currency", "", "Enter a currency"),
        ("currency", "x" * 13, "at most 12"),
        ("budget", "1,000.50", "without thousands separators"),
        ("budget", "-1", "negative"),
        ("budget", "0.00001", "decimal places"),
        ("budget", "9" * 20, "too large"),
        ("without_key", "", ""),
    ],
)
def test_error_is_beside_its_field_and_nothing_typed_is_lost(
    client: Client, code: str, field: str, value: str, error: str
) -> None:
    sent = data(code, username="pear-lover", password="lan-lan-lan-lan") | {field: value}
    if (field, value) == ("password", "lan-lan-lan"):
        sent["username"] = value
    response = client.post(URL, sent)
    page = response.content.decode()
    assert response.status_code == 422
    beside = error_beside(page, "api_key" if field == "without_key" else field)
    assert beside
    assert error in beside
    for name in {"code", "username", "budget", "currency"} - {field}:
        assert f'value="{sent[name]}"' in page
    assert ("Asia/Ho_Chi_Minh" not in sent["time_zone"]) or (
        '<option value="Asia/Ho_Chi_Minh" selected>' in page
    )
    for secret in ("lan-lan-lan-lan", 'password"', "a\x00bcdefghijk"):
        assert f'value="{secret}' not in page
    assert not Member.objects.exists()
    assert not Team.objects.exists()
    assert setup_code.exists()


def test_similar_password_is_refused(client: Client, code: str) -> None:
    response = client.post(URL, data(code, username="pear-lover", password="pear-lover1"))
    assert "too similar" in error_beside(response.content.decode(), "password")


def test_other_fields_cannot_be_set(client: Client, code: str) -> None:
    client.post(URL, data(code, role="viewer", is_active="", pk="7"))
    assert Member.objects.get().role == Role.OWNER


# --- two at once ---------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_several_at_once_exactly_one_wins(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """None creates the owner before all have passed every check."""
    all_checked = threading.Barrier(5, timeout=60)
    hash_password = FirstStartForm.owner

    def owner(form: FirstStartForm) -> Member:
        all_checked.wait()
        return hash_password(form)

    monkeypatch.setattr(FirstStartForm, "owner", owner)

    def one(number: int) -> int:
        try:
            return Client().post(URL, data(code, username=f"person-{number}")).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as threads:
        statuses = list(threads.map(one, range(5)))
    assert sorted(statuses) == [303] + [404] * 4
    assert Member.objects.count() == Team.objects.count() == Limit.objects.count() == 1
    assert Member.objects.get().role == Role.OWNER
    cache.clear()


def test_code_that_ends_during_a_try_closes_the_page(
    client: Client, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def matches(_typed: str) -> bool:
        make_member("first")  # by another process
        setup_code.discard()
        return False

    monkeypatch.setattr(setup_code, "matches", matches)
    assert client.post(URL, data(code)).status_code == 404


def test_the_second_changes_nothing(settings: Settings) -> None:
    """Also when its page passed every check before the first had finished."""
    team.create_owner(Member(username="first"), TeamSetup("First", "UTC", "USD", None))
    with pytest.raises(team.AlreadySetUp):
        team.create_owner(
            Member(username="second"), TeamSetup("Second", "UTC", "EUR", 1, api_key=KEY)
        )
    assert Member.objects.get().username == "first"
    assert Team.objects.get().name == "First"
    assert not Limit.objects.exists()
    assert not stored_key()


# --- the API key ---------------------------------------------------------------------------------


@pytest.fixture
def gateway(simulator: Simulator, settings: Settings) -> Simulator:
    settings.GATEWAY_URL = simulator.url
    simulator.settings(key=KEY)
    return simulator


def with_key(code: str, key: str = KEY) -> dict[str, Any]:
    return data(code, api_key=key, without_key="")


@pytest.mark.django_db(transaction=True)
def test_key_is_tested_by_a_free_query_and_stored_privately(
    client: Client,
    code: str,
    gateway: Simulator,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    response = client.post(URL, with_key(code, f" {KEY} "), follow=True)
    assert response.redirect_chain == [("/setup/restart/", 303)]
    assert "klingweb restarts to use the key" in response.content.decode()
    assert [each["kind"] for each in gateway.requests()] == ["query"]
    assert stored_key() == KEY
    assert KEY not in ApiKey.objects.get().encrypted
    for path in settings.DATA_DIR.iterdir():
        assert KEY.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEY not in caplog.text
    assert KEY not in response.content.decode()
    settings.DEMO = False  # as after the restart
    assert client.get("/setup/restart/")["Location"] == "/"


def test_refused_key_is_said_beside_the_field_and_not_sent_back(
    client: Client, code: str, gateway: Simulator, settings: Settings
) -> None:
    response = client.post(URL, with_key(code, "sk-another-key"))
    page = response.content.decode()
    assert response.status_code == 422
    assert "The gateway refused this key." in error_beside(page, "api_key")
    assert "sk-another-key" not in page
    assert "Enter the key again" in page
    assert not stored_key()
    assert not Member.objects.exists()


def test_gateway_that_is_not_there_is_said(client: Client, code: str, settings: Settings) -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but not listening
        settings.GATEWAY_URL = f"http://127.0.0.1:{unused.getsockname()[1]}"
        response = client.post(URL, with_key(code))
    error = error_beside(response.content.decode(), "api_key")
    assert "could not be reached, so the key was not tested" in error
    assert "127.0.0.1" not in error


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"error": {"message": f"Invalid token {KEY}"}}, "refused this key"),
        (403, {"error": {"message": "No access to the group"}}, "may not use"),
        (403, {}, "IP address"),
        (429, {"error": {"message": "Slow down"}}, "busy"),
        (502, {}, "(HTTP 502) could not be read"),
        (200, {"message": KEY}, "(HTTP 200) could not be read"),
    ],
)
def test_each_answer_of_the_gateway_has_clear_words(
    client: Client, code: str, settings: Settings, status: int, body: dict[str, Any], error: str
) -> None:
    with ScriptedServer(reply(status, body or b"<html></html>")) as server:
        settings.GATEWAY_URL = server.url
        response = client.post(URL, with_key(code))
    page = response.content.decode()
    assert response.status_code == 422
    assert error in error_beside(page, "api_key")
    assert KEY not in page
    assert not stored_key()


def test_key_of_an_empty_account_is_stored(client: Client, code: str, settings: Settings) -> None:
    answer = reply(401, {"error": {"message": "quota exhausted"}})
    with ScriptedServer(answer) as server:
        settings.GATEWAY_URL = server.url
        assert client.post(URL, with_key(code)).status_code == 303
    assert stored_key() == KEY


def test_gateway_that_never_ends_its_answer_is_given_up(
    client: Client, code: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_key, "QUERY_SECONDS", 0.3)

    drip = trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n")
    with ScriptedServer(drip) as server:
        settings.GATEWAY_URL = server.url
        response = client.post(URL, with_key(code))
    assert "could not be reached" in error_beside(response.content.decode(), "api_key")


@pytest.mark.parametrize("key", ["two words", "quo'te", "accént", "a\nb", "x" * 501, "a\x00b"])
def test_text_that_is_no_key_is_not_sent(
    client: Client, code: str, gateway: Simulator, key: str
) -> None:
    response = client.post(URL, with_key(code, key))
    assert response.status_code == 422
    assert error_beside(response.content.decode(), "api_key")
    assert gateway.requests() == []


def test_key_is_not_tested_while_other_fields_have_errors(
    client: Client, code: str, gateway: Simulator
) -> None:
    client.post(URL, with_key(code) | {"team_name": ""})
    assert gateway.requests() == []


def test_without_a_key_none_is_stored(client: Client, code: str, settings: Settings) -> None:
    client.post(URL, data(code, api_key="ignored"))
    assert not stored_key()


def test_configured_key_is_neither_asked_for_nor_shown(
    client: Client, code: str, settings: Settings
) -> None:
    settings.DEMO, settings.UPSTREAM_KEY = False, KEY
    page = client.get(URL).content.decode()
    assert "api_key" not in page
    assert KEY not in page
    assert client.post(URL, data(code, api_key="sk-other")).status_code == 303
    assert not stored_key()


def test_key_that_cannot_be_stored_undoes_everything(
    client: Client, code: str, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(data_folder, "create_encryption_key", full)
    response = client.post(URL, with_key(code))
    assert response.status_code == 422
    assert "nothing was saved" in error_beside(response.content.decode(), "api_key")
    assert not Member.objects.exists()
    assert not Team.objects.exists()


# --- after the demo ------------------------------------------------------------------------------


@pytest.fixture
def demo_owner() -> Client:
    return client_for(make_member("admin", role=Role.OWNER))


@pytest.mark.django_db(transaction=True)
def test_owner_of_the_demo_sets_up_the_team_without_a_code(
    demo_owner: Client, gateway: Simulator, settings: Settings
) -> None:
    assert f'href="{OWN_URL}"' in demo_owner.get("/demo/").content.decode()
    page = demo_owner.get(OWN_URL).content.decode()
    assert 'name="code"' not in page
    assert 'name="password"' not in page
    response = demo_owner.post(OWN_URL, with_key(""))
    assert (response.status_code, response["Location"]) == (303, "/setup/restart/")
    assert stored_key() == KEY
    assert Team.objects.get().name == "Pear & Sons"
    assert Limit.objects.get().by == Member.objects.get()
    assert Member.objects.get().username == "admin"


def test_owner_form_shows_what_is_stored_and_keeps_the_demo(
    demo_owner: Client, settings: Settings
) -> None:
    response = demo_owner.post(OWN_URL, data(), follow=True)
    assert response.redirect_chain == [("/", 303)]
    page = demo_owner.get(OWN_URL).content.decode()
    for shown in ('value="Pear &amp; Sons"', 'value="250.5"', '"Asia/Ho_Chi_Minh" selected'):
        assert shown in page
    assert not stored_key()
    assert demo_owner.get("/setup/restart/")["Location"] == "/"


def test_owner_form_is_closed_outside_the_demo(demo_owner: Client, settings: Settings) -> None:
    settings.DEMO = False
    assert demo_owner.get(OWN_URL).status_code == 404


def test_only_owners_set_up_the_team() -> None:
    for member in (make_admin(), make_member()):
        client = client_for(member)
        for url in (OWN_URL, "/setup/restart/"):
            assert client.get(url).status_code == 403
        assert client.post(OWN_URL, data()).status_code == 403
        assert OWN_URL not in client.get("/").content.decode()
    assert not Team.objects.exists()
