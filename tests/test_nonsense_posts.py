"""No POST, whatever it contains, ends in an error of the server.

Each URL of test_url_permissions.py, and each page of the admin area, gets nonsense in all fields
that its view reads. Which these are, the views say themselves: `Fields` notes what they ask for.
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.http import QueryDict
from django.test import Client

from generations.models import Member
from tests.conftest import client_for
from tests.test_url_permissions import VISITS, admin_urls, ids  # noqa: F401 (fixture)

pytestmark = pytest.mark.django_db

HUGE = 10**30
PEOPLE = ("", "member", "owner")  # the first that a page is for; "" is not signed in
# Texts are percent-encoded UTF-8; bytes are sent as they are. Each is sent in every field.
NONSENSE: dict[str, list[bytes]] = {
    "null": [b"a\0b"],
    "huge": [str(HUGE).encode()],
    "negative": [b"-1"],
    "not a number": [b"NaN"],
    "many digits": [b"9" * 5000],
    "superscript": ["²".encode()],  # isdigit, but no int
    "long": ["🌿 %s {a|b} \"'<".encode() * 500],
    "lists": [b"1", b"2", b"[]", b'{"a": [1]}'],
    "not UTF-8": [b"\xff\xfe\xed\xa0\x80"],
    "date": [b"0001-01-01"],
    "late date": [b"9999-12-31T23:59:59"],
}

DEEP = ("null", "huge", "long", "not UTF-8")  # in one field of a form that is valid else


class Fields:
    """The names of the fields that views have asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: set[str] = set()
        for method in ("__getitem__", "getlist", "__contains__"):
            monkeypatch.setattr(QueryDict, method, self._noting(getattr(QueryDict, method)))

    def _noting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def noting(data: QueryDict, key: Any, *arguments: Any) -> Any:
            if isinstance(key, str):
                self.names.add(key)
            return method(data, key, *arguments)

        return noting


@pytest.fixture
def fields(monkeypatch: pytest.MonkeyPatch) -> Fields:
    return Fields(monkeypatch)


def encoded(values: dict[str, list[bytes]]) -> str:
    return "&".join(
        f"{quote_from_bytes(name.encode())}={quote_from_bytes(value)}"
        for name, texts in values.items()
        for value in texts
    )


def client_of(name: str) -> Client:
    client = client_for(Member.objects.get(username=name)) if name else Client()
    client.raise_request_exception = False
    return client


def errors_of(client: Client, url: str, data: Any, **options: Any) -> Iterator[str]:
    """Post and take back what it did. Yield what the server could not deal with."""
    with transaction.atomic():
        response = client.post(url, data, **options)
        transaction.set_rollback(True)
    if response.status_code >= 500:
        error = getattr(response, "exc_info", None)
        yield f"{url}: {response.status_code} {error and repr(error[1])[:200]}"


def nonsense(client: Client, url: str, known: dict[str, list[bytes]], fields: Fields) -> list[str]:
    """Post nonsense in all fields at once, then in one field while the others are as `known`."""
    form = {"content_type": "application/x-www-form-urlencoded"}
    fields.names = set(known)
    found = [*errors_of(client, url, "", **form), *errors_of(client, url, encoded(known), **form)]
    if not fields.names:  # the button is all
        return found
    for name, texts in NONSENSE.items():
        body = encoded(dict.fromkeys(sorted(fields.names), texts))
        found += [f"{name} in all: {error}" for error in errors_of(client, url, body, **form)]
    for field in known:
        for name in DEEP:
            body = encoded(known | {field: NONSENSE[name]})
            found += [
                f"{name} in {field}: {error}" for error in errors_of(client, url, body, **form)
            ]
    files = {name: SimpleUploadedFile("\u202ex\0.csv", b"\xff\0\xfe") for name in fields.names}
    return found + [f"files: {error}" for error in errors_of(client, url, files)]


def test_nonsense_is_no_error_of_the_server(ids: dict[str, int], fields: Fields) -> None:  # noqa: F811
    clients = {name: client_of(name) for name in ("", "member", "owner")}
    found = []
    for visit in (visit for visits in VISITS.values() for visit in visits):
        person = next(
            name for name in PEOPLE if (name or "anonymous") in visit.allowed or name == "owner"
        )
        client = clients[person]
        known = {
            name: [str(value).format(**ids).encode()] if isinstance(value, str | int) else [b""]
            for name, value in visit.data.items()
        }
        if visit.method == "post":
            found += nonsense(client, visit.url.format(**ids), known, fields)
        if "{" in visit.url:
            for key in (0, HUGE):
                url = visit.url.format(**dict.fromkeys(ids, key))
                found += errors_of(client, url, {"version": "x"})
    assert not found, "\n".join(found)


def test_nonsense_in_the_admin_area_is_no_error_of_the_server(
    ids: dict[str, int],  # noqa: F811
    fields: Fields,
) -> None:
    client, found = client_of("owner"), []
    for url in admin_urls():
        with transaction.atomic():
            is_form = client.post(url).status_code not in (403, 404, 405)
            transaction.set_rollback(True)
        if is_form:
            found += nonsense(client, url, {"action": [b"delete_selected"]}, fields)
    assert not found, "\n".join(found)
