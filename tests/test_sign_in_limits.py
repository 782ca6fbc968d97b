"""Failing sign-ins are limited by user name and address, and never lock a person out elsewhere."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings

from generations.models import Member
from tests.builders import PASSWORD, make_member
from tests.conftest import client_for

pytestmark = pytest.mark.django_db

HOME, AWAY = "203.0.113.5", "198.51.100.7"


def sign_in(name: str, password: str, address: str = HOME, **headers: str) -> Any:
    data = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address).post("/accounts/login/", data, headers=headers)


def fail(name: str, times: int, address: str = HOME) -> list[int]:
    return [sign_in(name, "wrong", address).status_code for _ in range(times)]


def test_sixth_failure_in_a_minute_is_refused_with_the_time_to_wait(owner: Member) -> None:
    assert fail("owner", 6) == [200] * 5 + [429]
    refused: HttpResponse = sign_in("owner", PASSWORD)
    page = refused.content.decode()
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert "Too many failed sign-ins. Try again in 1 minute." in page
    assert 'value="owner"' in page
    assert PASSWORD not in page
    assert "sessionid" not in refused.cookies


def test_time_to_wait_follows_the_longer_limit(owner: Member, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {
        "sign_in_here": "5/m/key,5/h/key"
    }
    fail("owner", 5)
    refused = sign_in("owner", "wrong")
    assert 3590 <= int(refused["Retry-After"]) <= 3600
    assert "Try again in 60 minutes." in refused.content.decode()


def test_right_password_works_elsewhere_and_other_names_work_here(owner: Member) -> None:
    make_member("colleague")
    fail("owner", 6)
    assert sign_in("owner", PASSWORD, AWAY).status_code == 302
    assert sign_in("colleague", PASSWORD, HOME).status_code == 302


def test_successful_sign_ins_are_not_counted(owner: Member) -> None:
    assert [sign_in("owner", PASSWORD).status_code for _ in range(8)] == [302] * 8
    fail("owner", 4)
    assert sign_in("owner", PASSWORD).status_code == 302
    assert fail("owner", 2) == [200, 429]  # a success does not forget failures


@pytest.mark.parametrize("name", ["OWNER", " owner ", "\uff4fwner"])
def test_other_spellings_of_a_name_share_its_limit(owner: Member, name: str) -> None:
    fail("owner", 5)
    assert fail(name, 1) == [429]


def test_unknown_names_get_the_same_answers(owner: Member) -> None:
    assert fail("nobody", 6) == fail("owner", 6)


def test_one_address_cannot_try_many_names(settings: Settings, owner: Member) -> None:
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"sign_in_address": "4/10m/ip"}
    assert [fail(f"name-{i}", 1)[0] for i in range(5)] == [200] * 4 + [429]
    assert fail("owner", 1, AWAY) == [200]


def test_many_addresses_cannot_try_one_name_but_its_owner_can_sign_in(
    settings: Settings, owner: Member
) -> None:
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"sign_in_name": "4/h/key"}
    assert sign_in("owner", PASSWORD, HOME).status_code == 302
    assert [fail("owner", 1, f"198.51.100.{i}")[0] for i in range(5)] == [200] * 4 + [429]
    assert sign_in("owner", PASSWORD, AWAY).status_code == 429
    assert sign_in("owner", PASSWORD, HOME).status_code == 302


def test_addresses_of_one_ipv6_network_share_a_limit(owner: Member) -> None:
    fail("owner", 5, "2001:db8::1")
    assert fail("owner", 1, "2001:db8::2") == [429]
    assert fail("owner", 1, "2001:db8:0:1::2") == [200]


def test_forwarded_address_counts_only_behind_a_configured_proxy(
    settings: Settings, owner: Member
) -> None:
    fail("owner", 5)
    assert sign_in("owner", "x", **{"X-Forwarded-For": AWAY}).status_code == 429
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert sign_in("owner", "x", **{"X-Forwarded-For": AWAY}).status_code == 200
    # What the client sent itself stands before what the proxy appended.
    assert sign_in("owner", "x", **{"X-Forwarded-For": f"{AWAY}, {HOME}"}).status_code == 429


@pytest.mark.parametrize("header", ["nonsense", ",", "1.2.3.4", "\xff"])
def test_broken_forwarded_header_is_no_server_error(
    settings: Settings, owner: Member, header: str
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 2
    assert sign_in("owner", "x", **{"X-Forwarded-For": header}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_limit_is_exact_over_parallel_tries() -> None:
    make_member("owner")

    def one(_number: int) -> int:
        try:
            return fail("owner", 1)[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        statuses = list(threads.map(one, range(10)))
    assert sorted(statuses) == [200] * 5 + [429] * 5
    cache.clear()


def test_admin_has_no_sign_in_page_of_its_own(
    client: Client, admin: Member, owner_client: Client
) -> None:
    response = client.get("/admin/login/?next=/admin/generations/tag/", follow=True)
    assert response.templates[0].name == "account/login.html"
    data = {
        "username": admin.username,
        "password": PASSWORD,
        "next": response.context["redirect_field_value"],
    }
    signed_in = client.post("/accounts/login/", data, follow=True)
    assert signed_in.redirect_chain[-1] == ("/admin/generations/tag/", 302)
    assert owner_client.get("/admin/login/").status_code == 403
    assert client_for(admin).get("/admin/login/?next=//evil.example/")["Location"] == "/admin/"


@pytest.mark.parametrize(
    "url", ["signup/", "email/", "password/reset/", "password/set/", "reauthenticate/", "3rdparty/"]
)
def test_other_pages_of_the_library_do_not_exist(owner_client: Client, url: str) -> None:
    assert owner_client.get(f"/accounts/{url}").status_code == 404


def test_only_signing_in_reads_the_shared_cache(
    client: Client, owner_client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert client.get("/accounts/login/").status_code == 200
        assert client.get("/").status_code == 302
    with CaptureQueriesContext(connection) as queries:
        for url in ("/", "/gallery/", "/settings/", "/settings/password/"):
            assert owner_client.get(url).status_code == 200
    assert not [query["sql"] for query in queries if "generations_cache" in query["sql"]]
    with CaptureQueriesContext(connection) as queries:
        fail("owner", 1)
    assert [query["sql"] for query in queries if "generations_cache" in query["sql"]]
