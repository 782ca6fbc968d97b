"""Column lists for `only()`: a column that a page reads but does not list costs a query per row.

Each page must run the same number of queries for few and for many rows. To prove that this finds a
missing column, the same pages are measured with one column taken off the list.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from generations.models import Member, Picture, Status
from tests.builders import make_generation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media_root")]

PROMPT = "A small red lighthouse on a quiet island"


def get(url: str) -> Callable[[Client], Any]:
    return lambda client: client.get(url)


def download(client: Client) -> Any:
    keys = list(Picture.objects.values_list("pk", flat=True))
    response = client.post("/pictures/download", {"picture": keys})
    response.getvalue()
    return response


def compare(client: Client) -> Any:
    keys = Picture.objects.order_by("-pk").values_list("pk", flat=True)[:4]
    return client.get("/compare/", {"picture": list(keys)})


@dataclass(frozen=True)
class PageWithColumns:
    request: Callable[[Client], Any]
    module: str = ""
    list_name: str = ""
    used_column: str = ""


GALLERY = "generations.web.gallery.gallery"
DOWNLOAD = "generations.web.gallery.download"
HISTORY = "generations.web.studio.prompt_history"
SIMILAR = "generations.web.studio.similar"
SIMILAR_URL = f"/similar?aspect_ratio=3:2&prompt={PROMPT}"
PAGES = {
    "gallery": PageWithColumns(get("/gallery/"), GALLERY, "TILE_COLUMNS", "width"),
    "gallery rows": PageWithColumns(get("/gallery/"), GALLERY, "ROW_COLUMNS", "prompt"),
    "gallery by status": PageWithColumns(
        get("/gallery/?state=failed"), GALLERY, "ROW_COLUMNS", "aspect_ratio"
    ),
    "prompt history": PageWithColumns(get("/history/"), HISTORY, "TILE_COLUMNS", "colour"),
    "similar": PageWithColumns(get(SIMILAR_URL), SIMILAR, "TILE_COLUMNS", "size_bytes"),
    "download": PageWithColumns(download, DOWNLOAD, "CSV_COLUMNS", "generation__image_fidelity"),
    "comparison": PageWithColumns(compare),
}
WITH_LISTS = [name for name, page in PAGES.items() if page.list_name]


def count_queries(page: PageWithColumns, client: Client) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert page.request(client).status_code == 200
    return len(queries)


def make_rows(owner: Member, count: int) -> None:
    for _index in range(count):
        make_generation(Status.SUCCEEDED, owner=owner, prompt=PROMPT)
        make_generation(Status.FAILED, owner=owner, prompt=f"{PROMPT}, failed")


@pytest.mark.parametrize("name", PAGES)
def test_number_of_queries_does_not_grow_with_the_rows(
    owner_client: Client, owner: Member, name: str
) -> None:
    make_rows(owner, 2)
    few = count_queries(PAGES[name], owner_client)
    make_rows(owner, 2)
    assert count_queries(PAGES[name], owner_client) == few


@pytest.mark.parametrize("name", WITH_LISTS)
def test_unlisted_column_adds_queries(
    owner_client: Client, owner: Member, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    page = PAGES[name]
    make_rows(owner, 2)
    listed = count_queries(page, owner_client)
    columns = getattr(__import__(page.module, fromlist=[""]), page.list_name)
    assert page.used_column in columns
    fewer = tuple(column for column in columns if column != page.used_column)
    monkeypatch.setattr(f"{page.module}.{page.list_name}", fewer)
    assert count_queries(page, owner_client) > listed
