"""Hashes of passwords: Argon2, upgraded at sign-in, and the same work for every name."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.test import Client
from pytest_django import Settings

from generations.models import Member
from klingweb import settings as real_settings
from klingweb.password_hashers import Argon2
from tests.builders import PASSWORD, make_member
from tests.one_time_codes import credentials

pytestmark = pytest.mark.django_db

ALGORITHMS = {"argon2", "pbkdf2_sha256"}


@pytest.fixture(autouse=True)
def _real_hashers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PASSWORD_HASHERS = real_settings.PASSWORD_HASHERS
    monkeypatch.setattr(hashers.PBKDF2PasswordHasher, "iterations", 1000)


def with_old_hash(name: str, **columns: Any) -> Member:
    member = make_member(name, **columns)
    member.password = hashers.PBKDF2PasswordHasher().encode(PASSWORD, "saltsaltsaltsalt")
    member.save()
    return member


def sign_in(name: str, password: str) -> Any:
    return Client().post("/accounts/login/", {"username": name, "password": password})


def test_new_hashes_are_argon2(owner: Member) -> None:
    assert owner.password.startswith("argon2$argon2id$v=19$m=47104,t=1,p=1$")
    assert sign_in("owner", PASSWORD)["Location"] == "/"


def test_two_hashes_at_once_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    running, finish = Semaphore(0), Event()

    def wait(*_args: Any) -> bool:
        running.release()
        return finish.wait(30)

    monkeypatch.setattr(hashers.Argon2PasswordHasher, "verify", wait)
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(Argon2().verify, PASSWORD, "") for _ in range(2)]
        for _thread in waiting:
            assert running.acquire(timeout=30)
        assert not Argon2.room.acquire(blocking=False)
        finish.set()
        assert all(each.result() for each in waiting)
    assert Argon2().verify(PASSWORD, "")


def test_old_hash_works_and_is_upgraded_at_sign_in() -> None:
    member = with_old_hash("owner")
    assert Client().post("/accounts/login/", credentials(member, PASSWORD))["Location"] == "/"
    member.refresh_from_db()
    assert member.password.startswith("argon2$")
    assert member.check_password(PASSWORD)


def test_wrong_password_upgrades_nothing() -> None:
    with_old_hash("owner")
    sign_in("owner", "wrong")
    assert Member.objects.get().password.startswith("pbkdf2_sha256$")


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The algorithms of all hashes that are computed."""
    found: list[str] = []
    for hasher in (hashers.Argon2PasswordHasher, hashers.PBKDF2PasswordHasher):
        for method in ("encode", "verify"):
            _count(monkeypatch, hasher, method, found)
    return found


def _count(monkeypatch: pytest.MonkeyPatch, hasher: Any, method: str, found: list[str]) -> None:
    original = getattr(hasher, method)

    def counted(self: Any, password: str, *args: Any) -> Any:
        # verify of PBKDF2 calls encode.
        if (self.algorithm, method) != ("pbkdf2_sha256", "verify"):
            found.append(self.algorithm)
        return original(self, password, *args)

    monkeypatch.setattr(hasher, method, counted)


@pytest.mark.parametrize("name", ["new-hash", "old-hash", "outside", "nobody"])
def test_every_name_costs_the_same_while_there_are_old_hashes(
    computed: list[str], name: str
) -> None:
    make_member("new-hash")
    with_old_hash("old-hash")
    make_member("outside")
    Member.objects.filter(username="outside").update(password="!unusable")
    computed.clear()
    response = sign_in(name, "wrong")
    assert "Wrong user name or password." in response.content.decode()
    assert sorted(computed) == sorted(ALGORITHMS)


@pytest.mark.parametrize("name", ["new-hash", "outside", "nobody"])
def test_every_name_costs_one_argon2_without_old_hashes(computed: list[str], name: str) -> None:
    make_member("new-hash")
    make_member("outside")
    Member.objects.filter(username="outside").update(password="!unusable")
    computed.clear()
    sign_in(name, "wrong")
    assert computed == ["argon2"]


def test_disabled_member_gets_the_same_answer_as_an_unknown_name() -> None:
    make_member("disabled", is_active=False)

    def answer(name: str) -> str:
        page: str = sign_in(name, PASSWORD).content.decode()
        return re.sub(r'name="csrf\w+" value="\w+"', "", page).replace(name, "")

    assert answer("disabled") == answer("nobody")


def test_hash_of_an_unknown_algorithm_is_no_server_error() -> None:
    Member.objects.filter(pk=make_member("imported").pk).update(password="bcrypt$$2b$12$x")
    assert sign_in("imported", "wrong").status_code == 200
