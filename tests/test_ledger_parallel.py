"""Fifty presses at once with money for ten: exactly ten pass, over HTTP and in real processes.

On SQLite one web server, on PostgreSQL two. LibreChat PR 15879, litellm 34732, open-saas 727 and
eliza 10857: there all parallel requests passed the same check of the balance.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
import requests  # noqa: TID251
from django.db import connection

from tests.installation import Installation, Visitor, wait_until

PEOPLE = ("ann", "bob", "cem", "dia", "eva")
PRESSES, MONEY_FOR = 50, 10
PRICE, LIMIT = "0.07", "0.70"
PRICE_E4 = 700
RETRIED = {502, 503}  # the server was too busy; nothing was written


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """A new database on the server of the test database; "" for SQLite."""
    if connection.vendor == "sqlite":
        yield ""
        return
    server = os.environ["KLINGWEB_DATABASE_URL"]  # noqa: TID251
    name = f"klingweb_parallel_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as database:
        database.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{server.rsplit('/', 1)[0]}/{name}"
        finally:
            database.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def servers(
    database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Installation]]:
    """Web servers on one database and one data folder, without a worker."""
    folder = tmp_path_factory.mktemp("parallel")
    settings = {"database_url": database_url} if database_url else {}
    with (
        Installation(folder, **settings).prepare() as first,
        Installation(folder, **settings) as second,
    ):
        _set_up(first)
        servers = [first, second] if database_url else [first]
        for server in servers:
            server.start("web")
        for server in servers:
            server.wait_for_web()
        yield servers


def _set_up(installation: Installation) -> None:
    installation.add_members(*PEOPLE)
    installation.manage("price", "set", "kling", "*", PRICE)
    # A zone in which it is about noon, so that no day ends during the test.
    zone = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
    installation.manage(
        "shell", "-c", f"from generations.models import Team; Team(time_zone={zone!r}).save()"
    )


@pytest.fixture(scope="module")
def visitors(servers: list[Installation]) -> dict[str, Visitor]:
    return {name: servers[0].sign_in(name) for name in PEOPLE}


def test_exactly_ten_pass_the_day_of_a_person(
    servers: list[Installation], visitors: dict[str, Visitor]
) -> None:
    servers[0].manage("limit", "set", "--member", "ann", "--day-money", LIMIT)
    _press_and_expect_ten(servers, visitors, ["ann"])
    assert _reserved(servers[0], "day", "ann") == MONEY_FOR * PRICE_E4
    warnings = servers[0].rows(
        """SELECT w.percent FROM generations_budgetwarning w
           JOIN generations_member m ON m.id = w.person_id WHERE m.username = 'ann' ORDER BY 1"""
    )
    assert [row["percent"] for row in warnings] == [50, 80, 95, 100], "each threshold, once"


def test_exactly_ten_pass_the_month_of_a_person(
    servers: list[Installation], visitors: dict[str, Visitor]
) -> None:
    servers[0].manage("limit", "set", "--member", "bob", "--month-money", LIMIT)
    _press_and_expect_ten(servers, visitors, ["bob"])
    assert _reserved(servers[0], "month", "bob") == MONEY_FOR * PRICE_E4


def test_exactly_ten_pass_the_month_of_the_team(
    servers: list[Installation], visitors: dict[str, Visitor]
) -> None:
    """Several people at once, who have no limits of their own."""
    used_e4 = _reserved(servers[0], "month")
    budget = f"{(used_e4 + MONEY_FOR * PRICE_E4) / 10_000:.4f}"
    servers[0].manage("limit", "set", "--team", "--month-money", budget)
    _press_and_expect_ten(servers, visitors, ["cem", "dia", "eva"])
    assert _reserved(servers[0], "month") == used_e4 + MONEY_FOR * PRICE_E4
    servers[0].manage("limit", "set", "--team", "--month-money", "none")


def _press_and_expect_ten(
    servers: Sequence[Installation], visitors: dict[str, Visitor], people: Sequence[str]
) -> None:
    before = _rows(servers[0])
    together = threading.Barrier(PRESSES)

    def press(number: int) -> requests.Response:
        server, name = servers[number % len(servers)], people[number % len(people)]
        visitor = _same_person(visitors[name], server.url)
        together.wait()
        return _press(visitor, f"a lighthouse of {name}, {number}")

    with ThreadPoolExecutor(PRESSES) as pool:
        responses = list(pool.map(press, range(PRESSES)))
    statuses = Counter(response.status_code for response in responses)
    assert _rows(servers[0]) - before == MONEY_FOR
    assert statuses == {200: MONEY_FOR, 422: PRESSES - MONEY_FOR}
    for number, response in enumerate(responses):
        if response.status_code == 422:
            assert "Nothing was sent or charged." in response.text
            assert f"{number}</textarea>" in response.text, "the form keeps the prompt"
    servers[0].manage("ledger", "check")


def _press(visitor: Visitor, prompt: str) -> requests.Response:
    """Send one form, and the same again while the server is too busy."""
    nonce, responses = uuid4(), list[requests.Response]()

    def is_answered() -> bool:
        try:
            responses.append(visitor.generate(prompt, nonce=nonce))
        except requests.ConnectionError:
            return False
        return responses[-1].status_code not in RETRIED

    wait_until(is_answered, 120, f"{prompt!r} is answered")
    return responses[-1]


def _same_person(visitor: Visitor, url: str) -> Visitor:
    """Another browser window of a signed-in person, at any of the servers."""
    other = Visitor(url)
    other.session.cookies.update(visitor.session.cookies)
    other.session.headers["HX-Request"] = "true"
    return other


def _rows(installation: Installation) -> int:
    [row] = installation.rows("SELECT count(*) AS n FROM generations_generation")
    return int(row["n"])


def _reserved(installation: Installation, window: str, name: str = "") -> int:
    """What is reserved in the only period of this person, or of the team."""
    rows = installation.rows(
        """SELECT p.reserved_e4 FROM generations_period p
           LEFT JOIN generations_member m ON m.id = p.member_id
           WHERE p."window" = ? AND coalesce(m.username, '') = ?""",
        window,
        name,
    )
    return sum(row["reserved_e4"] for row in rows)
