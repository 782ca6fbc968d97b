"""The page of a batch and its card in the studio, for its owner and others."""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import batches
from generations.models import Batch, Failure, Generation, Member, Picture, Status, UpstreamGate
from generations.models.money import Price
from generations.permissions import Role
from generations.requests import GenerationRequest
from tests.builders import make_generation, make_member, store_picture
from tests.conftest import client_for
from tests.forms import HTMX

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media_root")]


def start(owner: Member, count: int = 4, title: str = "Spring", **columns: Any) -> Batch:
    rows = [GenerationRequest(f"Pear {number}", "1:1", **columns) for number in range(1, count + 1)]
    return batches.start(owner, title, rows, str(uuid4()))


def set_status(batch: Batch, number: int, status: Status, **columns: Any) -> Generation:
    """Bring a row to this status, as the worker would."""
    now = timezone.now()
    row = batch.rows.get(batch_row=number)
    is_final = status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELED)
    values = {
        "status": status, "status_at": now, "version": row.version + 1,
        "finished_at": now if is_final else None, "accepted_at": now, "submitted_at": now,
        "upstream_task_id": f"task-{row.pk}",
    }  # fmt: skip
    Generation.objects.filter(pk=row.pk).update(**(values | columns))
    if status == Status.SUCCEEDED:
        for index in range(row.n):
            store_picture(Picture.objects.create(generation=row, index=index))
    row.refresh_from_db()
    return row


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def page_of(client: Client, batch: Batch, query: str = "") -> str:
    response = client.get(f"/batches/{batch.pk}/{query}")
    assert response.status_code == 200
    return words(response)


def refresh(client: Client, page: str, batch: Batch, address: str = "changes") -> Any:
    """What the page asks for a few seconds later."""
    rows = re.findall(r'id="row-(\d+)" class="batch-row" data-open-row data-stamp="([^"]*)"', page)
    stamp = re.search(rf'id="batch-{batch.pk}"[^>]*data-stamp="([^"]*)"', page)
    poller = re.search(r'data-page-stamp="([^"]*)"', page)
    assert stamp and poller
    query = {
        "rows": ",".join(f"{pk}.{each}" for pk, each in rows),
        "k": f"batch-{batch.pk}.{stamp[1]}",
        "p": poller[1],
    }
    address = f"/batches/{batch.pk}/changes" if address == "changes" else address
    return client.get(address, query, headers=HTMX)


# --- the page ------------------------------------------------------------------------------------


def test_the_bar_says_what_is_done_in_words_and_money(owner: Member, owner_client: Client) -> None:
    Price.objects.create(engine="kling", model="*", amount_e4=1200)
    batch = start(owner, 4, n=2)
    set_status(batch, 1, Status.SUCCEEDED, charged_e4=2400)
    set_status(batch, 2, Status.RUNNING)
    set_status(batch, 3, Status.FAILED, failure=Failure.POLICY, charged_e4=0)
    page = page_of(owner_client, batch)
    assert "4 prompts, 8 images" in page
    assert re.findall(r'aria-hidden="true"></span>(\d [a-z ]+)</li>', page) == [
        "1 done", "1 in progress", "1 queued", "1 failed",
    ]  # fmt: skip
    assert "$0.24 of $0.96 spent" in page
    assert "Cancel the remaining 1" in page and "Pause" in page


def test_a_failed_row_says_why_and_can_be_tried_again(owner: Member, owner_client: Client) -> None:
    batch = start(owner, 2)
    row = set_status(batch, 1, Status.FAILED, failure=Failure.POLICY)
    page = page_of(owner_client, batch)
    assert "Rejected by the content check" in page
    assert f'href="/?remix={row.pk}">Edit and try again' in page


def test_the_page_of_a_row_leads_to_its_batch(owner: Member, owner_client: Client) -> None:
    batch = start(owner, 2)
    page = words(owner_client.get(f"/generations/{batch.rows.get(batch_row=2).pk}/"))
    assert f'href="/batches/{batch.pk}/"> Number 2 of a batch</a>' in page


def test_tabs_and_long_batches(owner: Member, owner_client: Client) -> None:
    batch = start(owner, 120)
    set_status(batch, 110, Status.FAILED, failure=Failure.POLICY)
    page = page_of(owner_client, batch)
    assert "All 120" in page and "Without images 1" in page and "Queued 119" in page
    assert page.count('class="batch-row"') == 100
    assert "from=101" in page
    assert page_of(owner_client, batch, "?from=101").count('class="batch-row"') == 20
    failed = page_of(owner_client, batch, "?show=failed")
    assert failed.count('class="batch-row"') == 1 and "Pear 110" in failed
    assert owner_client.get(f"/batches/{batch.pk}/?show=x").status_code == 404


def test_the_page_costs_the_same_for_few_and_many(owner: Member, owner_client: Client) -> None:
    few, many = start(owner, 2), start(owner, 60)
    counts = []
    for batch in (few, many):
        page_of(owner_client, batch)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page_of(owner_client, batch)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_batch_without_a_title_has_its_first_prompt(owner: Member, owner_client: Client) -> None:
    assert "<h1" in page_of(owner_client, start(owner, title="")).split("Pear 1</h1>")[0]


# --- the refresh ---------------------------------------------------------------------------------


def test_an_unchanged_page_gets_nothing(owner: Member, owner_client: Client) -> None:
    batch = start(owner)
    assert refresh(owner_client, page_of(owner_client, batch), batch).status_code == 204


def test_only_what_changed_is_sent(owner: Member, owner_client: Client) -> None:
    batch = start(owner)
    set_status(batch, 1, Status.RUNNING)
    page = page_of(owner_client, batch)
    row = set_status(batch, 1, Status.SUCCEEDED)
    answer = words(refresh(owner_client, page, batch))
    assert re.findall(r'id="row-(\d+)" class', answer) == [str(row.pk)]
    assert "1 done" in answer and 'data-hx-swap-oob="true"' in answer
    assert answer.count('id="poller"') == 0  # the interval goes on


def test_the_refresh_ends_with_the_batch(owner: Member, owner_client: Client) -> None:
    batch = start(owner, 1)
    page = page_of(owner_client, batch)
    set_status(batch, 1, Status.SUCCEEDED)
    answer = words(refresh(owner_client, page, batch))
    assert 'id="poller"' in answer and "data-hx-get" not in answer
    assert "Spring has ended: 1 done" in answer


def test_a_refresh_is_a_few_statements(owner: Member, owner_client: Client) -> None:
    batch = start(owner, 50)
    page = page_of(owner_client, batch)
    refresh(owner_client, page, batch)  # wakes up the poll loop
    with CaptureQueriesContext(connection) as queries:
        assert refresh(owner_client, page, batch).status_code == 204
    assert len(queries) <= 14


# --- pause, resume, cancel -----------------------------------------------------------------------


def test_pause_resume_and_cancel(owner: Member, owner_client: Client) -> None:
    batch = start(owner)
    page = words(owner_client.post(f"/batches/{batch.pk}/pause", follow=True))
    assert "Resume" in page and "paused" in page and "Paused" in page
    assert not Generation.objects.in_queue_order().exists()
    page = words(owner_client.post(f"/batches/{batch.pk}/resume", follow=True))
    assert "Pause" in page
    set_status(batch, 1, Status.RUNNING)
    page = words(owner_client.post(f"/batches/{batch.pk}/cancel", follow=True))
    assert "3 requests were canceled. They cost nothing." in page
    assert "1 in progress" in page and "3 canceled" in page
    assert owner_client.post(f"/batches/{batch.pk}/dance").status_code == 404


def test_a_hold_is_told_instead_of_a_time(owner: Member, owner_client: Client) -> None:
    batch = start(owner)
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.ACCOUNT)
    assert "generation is on hold" in page_of(owner_client, batch)


def test_what_gave_no_images_can_be_tried_again_at_once(
    owner: Member, owner_client: Client
) -> None:
    batch = start(owner, 2)
    owner_client.post(f"/batches/{batch.pk}/cancel")
    assert f'href="/batches/new/?batch={batch.pk}"> Try 2 again' in page_of(owner_client, batch)


# --- others --------------------------------------------------------------------------------------


def test_others_see_a_batch_but_change_nothing(
    owner: Member, stranger_client: Client, admin_client: Client
) -> None:
    batch = start(owner)
    page = page_of(stranger_client, batch)
    assert "Pear 1" in page and "Cancel the remaining" not in page
    for action in ("pause", "cancel"):
        assert stranger_client.post(f"/batches/{batch.pk}/{action}").status_code == 403
    assert batch.rows.filter(status=Status.QUEUED).count() == 4
    assert "Cancel the remaining 4" in page_of(admin_client, batch)
    viewer = client_for(make_member(role=Role.VIEWER))
    assert "Pear 1" in page_of(viewer, batch)
    assert viewer.post(f"/batches/{batch.pk}/cancel").status_code == 403


def test_private_rows_of_others_leak_nowhere(
    owner: Member, owner_client: Client, stranger_client: Client, admin_client: Client
) -> None:
    batch = start(owner, title="", is_private=True)
    set_status(batch, 1, Status.SUCCEEDED)
    for client in (stranger_client, admin_client):
        for address in ("", "changes", "csv"):
            assert client.get(f"/batches/{batch.pk}/{address}").status_code == 404
        assert client.post(f"/batches/{batch.pk}/cancel").status_code == 404
        assert "Pear" not in words(client.get(f"/gallery/?batch={batch.pk}"))
        answer = client.get("/cards/changes", {"k": f"batch-{batch.pk}.0"}, headers=HTMX)
        assert b"Pear" not in answer.content
    assert "Pear 1" in words(owner_client.get(f"/gallery/?batch={batch.pk}"))


def test_a_row_that_becomes_private_is_not_counted_for_others(
    owner: Member, stranger_client: Client
) -> None:
    batch = start(owner, 3, title="")
    batch.rows.filter(batch_row=1).update(is_private=True)
    page = page_of(stranger_client, batch)
    assert "Pear 1" not in page and "2 prompts" in page and "Pear 2" in page
    assert "Pear 1" not in stranger_client.get(f"/batches/{batch.pk}/csv").getvalue().decode()


# --- gallery, CSV, studio ------------------------------------------------------------------------


def test_the_gallery_shows_a_batch_and_downloads_it(owner: Member, owner_client: Client) -> None:
    make_generation(Status.SUCCEEDED, owner=owner, prompt="Another")
    batch = start(owner, 2)
    set_status(batch, 1, Status.SUCCEEDED)
    page = words(owner_client.get(f"/gallery/?batch={batch.pk}"))
    assert "Pear 1" in page and "Another" not in page
    response = owner_client.post("/pictures/download", {"select_all": f"batch={batch.pk}"})
    assert response["Content-Type"] == "application/zip"
    assert b"pear-1" in response.getvalue()


def test_csv_has_each_row(owner: Member, owner_client: Client) -> None:
    batch = start(owner, 2)
    set_status(batch, 2, Status.FAILED, failure=Failure.POLICY, failure_message="=no")
    lines = owner_client.get(f"/batches/{batch.pk}/csv").getvalue().decode().splitlines()
    assert lines[0].startswith("\ufeffnumber,prompt")
    assert lines[1].startswith("1,Pear 1,,1:1,1,Queued")
    assert "Failed,'=no" in lines[2]


def test_in_the_studio_a_batch_is_one_card_with_its_bar(
    owner: Member, owner_client: Client
) -> None:
    make_generation(owner=owner, prompt="Before")
    batch = start(owner, 30)
    make_generation(owner=owner, prompt="After")
    page = words(owner_client.get("/"))
    assert page.count('class="batch-card"') == 1 and page.count('class="card') == 2 + 1  # "cards"
    assert page.index("After") < page.index("Spring") < page.index("Before")
    assert refresh(owner_client, page, batch, "/cards/changes").status_code in (200, 204)
    set_status(batch, 1, Status.RUNNING)
    answer = words(refresh(owner_client, page, batch, "/cards/changes"))
    assert f'id="batch-{batch.pk}"' in answer and "1 in progress" in answer


def test_a_page_of_the_studio_has_ten_cards_however_long_the_batches_are(
    owner: Member, owner_client: Client
) -> None:
    for number in range(11):
        start(owner, 15, title=f"Batch {number}")
    page = words(owner_client.get("/"))
    assert page.count('class="batch-card"') == 10
    older = re.search(r"\?before=([\d-]+)", page)
    assert older
    assert "Batch 0" in words(owner_client.get(f"/?before={older[1]}"))


@pytest.mark.parametrize("key", ["0{}", "٠{}"])
def test_a_stamp_with_an_unusual_number_is_no_error(
    owner: Member, owner_client: Client, key: str
) -> None:
    batch = start(owner)
    row = batch.rows.get(batch_row=1)
    stamps = f"{key.format(row.pk)}.1-1"
    assert owner_client.get(f"/batches/{batch.pk}/changes?rows={stamps}").status_code == 200
    stamps = f"batch-{key.format(batch.pk)}.a1"
    assert owner_client.get(f"/cards/changes?k={stamps}").status_code == 200
