"""Requests that Django cannot decode: 415 or 400 with a page, and never an error of the server."""

from io import BytesIO
from itertools import product
from typing import Any

import pytest
from django.core.signals import request_started
from django.db import close_old_connections
from django.test import Client
from django.urls import get_resolver

from generations.models import Collection, Member, Status
from klingweb.wsgi import application
from tests.builders import make_generation, picture_ids
from tests.forms import HTMX
from tests.test_access import EXAMPLES, all_urls

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"
# Django raises while it builds the request.
UNREADABLE_CHARSETS = [
    *("charset=base64", "charset=rot13", "charset=idna"),
    *("charset*=nonsense''x", "charset*=utf-8''%00"),
]
PAGES = ["/", "/settings/", "/admin/generations/tag/add/", "/accounts/login/", "/nowhere"]
BROKEN_MULTIPART = [
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=" + "b" * 300,
    "multipart/form-data; boundary=\xff",
]
UNUSUAL_PARTS = [
    b'Content-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=utf-16',
    b'Content-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=nonsense',
    b"Content-Disposition: form-data; name*=nonsense''prompt",
    b"Content-Disposition: form-data; name*=utf-8''%00",
    b"Content-Disposition: form-data; name=\"image\"; filename*=nonsense''x",
    b'Content-Disposition: form-data; name="image"; filename="\xff\x00"',
    b'Content-Disposition: form-data; name="prompt"\r\nContent-Transfer-Encoding: base64',
    b"Content-Disposition: \xff\xfe",
    b"no header",
]
# Values that parsers, number columns or PostgreSQL refuse: a null character, half a surrogate pair,
# numbers out of range.
NONSENSE = ["1%00", "%ed%a0%80", "9" * 5000, "-1", "nan"]


@pytest.fixture
def everyone(client: Client, owner_client: Client, admin_client: Client) -> list[Client]:
    clients = [client, owner_client, admin_client]
    for each in clients:
        each.raise_request_exception = False
    return clients


@pytest.mark.parametrize("charset", ["utf-16", "nonsense", "latin-1", "x" * 3000])
@pytest.mark.parametrize("form", [FORM, "multipart/form-data; boundary=b"])
def test_charset_other_than_utf8_is_refused_on_every_page(
    everyone: list[Client], charset: str, form: str
) -> None:
    for client, url, headers in product(everyone, PAGES, ({}, HTMX)):
        content_type = f"{form}; charset={charset}"
        response = client.generic("POST", f"{url}?a=%00", b"a=b", content_type, headers=headers)
        assert response.status_code == 415, url
        assert "is not supported." in response.content.decode()
        assert "Forms must be sent as UTF-8. Nothing was sent" in response.content.decode()


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "utf8", '"utf-8"', "us-ascii"])
def test_every_name_of_utf8_is_accepted(owner_client: Client, owner: Member, charset: str) -> None:
    content_type = f"{FORM}; charset={charset}"
    response = owner_client.generic("POST", "/settings/", b"color_scheme=dark", content_type)
    assert response.status_code == 303
    owner.refresh_from_db()
    assert owner.color_scheme == "dark"


@pytest.mark.parametrize("parameter", UNREADABLE_CHARSETS)
@pytest.mark.parametrize("form", [FORM, "multipart/form-data; boundary=b", "text/plain"])
def test_charset_that_django_cannot_parse_is_refused(
    client: Client, form: str, parameter: str
) -> None:
    status, page = ask(client, "POST", f"{form}; {parameter}", b"a=b")
    assert status == "415 Unsupported Media Type"
    assert b"is not supported." in page


@pytest.mark.parametrize("parameter", ["charset=utf-16", "charset=nonsense", *UNREADABLE_CHARSETS])
def test_charset_of_a_request_without_a_body_is_ignored(client: Client, parameter: str) -> None:
    assert (
        ask(client, "GET", f"text/plain; {parameter}", path="/healthz")[0]
        == "503 Service Unavailable"
    )
    assert ask(client, "GET", f"text/plain; {parameter}", path="/accounts/login/")[0] == "200 OK"


def test_too_many_parameters_with_a_charset_are_a_bad_request(client: Client) -> None:
    query = "a=b&" * 6001
    for method, charset in (("GET", "utf-8"), ("POST", "utf-8"), ("GET", "nonsense")):
        content_type = f"{FORM}; charset={charset}"
        assert ask(client, method, content_type, query=query)[0] == "400 Bad Request"


@pytest.mark.parametrize("content_type", BROKEN_MULTIPART)
def test_broken_multipart_body_shows_the_400_page(owner_client: Client, content_type: str) -> None:
    owner_client.raise_request_exception = False
    response = owner_client.generic("POST", "/", b"x", content_type)
    assert response.status_code == 400
    assert "Nothing was sent or charged." in response.content.decode()


@pytest.mark.parametrize("part", UNUSUAL_PARTS)
def test_unusual_part_of_a_multipart_body_is_no_server_error(
    everyone: list[Client], part: bytes
) -> None:
    body = b"--b\r\n" + part + b"\r\n\r\n=\xff\x00\r\n--b--\r\n"
    for client, url in product(everyone, PAGES):
        for sent in (body, body[:-4], body[: len(body) // 2]):
            response = client.generic("POST", url, sent, "multipart/form-data; boundary=b")
            assert response.status_code < 500, f"{url}: {response.status_code}"


def ask(
    client: Client,
    method: str,
    content_type: str,
    body: bytes = b"",
    *,
    path: str = "/accounts/login/",
    query: str = "a=%00",
) -> tuple[str, bytes]:
    """Status and page of the WSGI application that the web server runs."""
    started: list[str] = []

    def start_response(status: str, _headers: Any, _error: Any = None) -> Any:
        started.append(status)

    environ = client._base_environ(  # type: ignore[attr-defined]
        REQUEST_METHOD=method,
        PATH_INFO=path,
        QUERY_STRING=query,
        CONTENT_TYPE=content_type,
        CONTENT_LENGTH=len(body),
    )
    environ["wsgi.input"] = BytesIO(body)
    request_started.disconnect(close_old_connections)  # it holds the transaction of the test
    try:
        page = b"".join(application(environ, start_response))
    finally:
        request_started.connect(close_old_connections)
    return started[0], page


@pytest.mark.parametrize("value", ['"abcdefghi\\000j"', "\xff" * 40, "x" * 5000])
def test_broken_session_cookie_means_signed_out(client: Client, value: str) -> None:
    response = client.get("/", headers={"cookie": f"sessionid={value}"})
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/")


PARAMETERS = [
    *("q", "by", "tag", "collection", "before", "after", "in", "k", "p", "seen", "remix", "n"),
    *("focus", "next", "example", "state", "reference", "again", "picture", "pk", "keys", "o", "e"),
    *("prompt", "nonce", "aspect_ratio", "version", "name", "action", "reason", "time_zone"),
    *("id__exact", "role__exact", "username", "password", "oldpassword", "password1", "password2"),
    *("code", "credential", "session", "new_password1", "new_password2", "process", "scope"),
    *("_changelist_filters", "_popup", "_to_field", "date_hierarchy", "_selected_action", "index"),
]


@pytest.fixture
def walked(admin: Member, media_root: object) -> list[str]:
    """Every URL, with the ids of rows that exist."""
    row = make_generation(Status.SUCCEEDED, owner=admin)
    picture = picture_ids(row)[0]
    Collection.objects.create(pk=row.pk, name="Pears", created_by=admin)
    urls = all_urls(get_resolver().url_patterns, examples=EXAMPLES | {"pk": "{pk}"})
    return sorted(
        url.format(pk=picture if "pictures" in url or "files" in url else row.pk)
        for url in set(urls)
        # Signing out would end the walk; /healthz answers 503 where no worker runs.
        if url not in ("/accounts/logout/", "/admin/logout/", "/healthz")
    )


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_nonsense_in_any_field_of_any_page_is_no_server_error(
    admin_client: Client, walked: list[str], nonsense: str
) -> None:
    admin_client.raise_request_exception = False
    fields = "&".join(f"{name}={nonsense}" for name in PARAMETERS)
    responses = [
        response
        for url in walked
        for response in (
            admin_client.get(f"{url}?{fields}"),
            admin_client.generic("POST", f"{url}?{fields}", fields.encode(), FORM),
        )
    ]
    assert admin_client.get("/").status_code == 200  # still signed in
    assert [r.request["PATH_INFO"] for r in responses if r.status_code >= 500] == []
