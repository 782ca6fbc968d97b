"""The admin: who may open it, and which rows are read-only."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from generations.models import Generation, Member, Quote, Status, UpstreamGate
from generations.models.money import LedgerEntry, Price
from tests.builders import make_generation

pytestmark = pytest.mark.django_db

LISTS = (
    "generations/generation",
    "generations/picture",
    "generations/upstreamgate",
    "django_q/schedule",
    "django_q/ormq",
    "django_q/success",
    "django_q/failure",
)


@pytest.mark.parametrize("page", LISTS)
def test_lists_are_open_to_admins_and_closed_to_members(
    admin_client: Client, stranger_client: Client, page: str
) -> None:
    make_generation(Status.SUCCEEDED)
    UpstreamGate.for_engine()
    assert admin_client.get(f"/admin/{page}/").status_code == 200
    assert stranger_client.get(f"/admin/{page}/").status_code == 302


@pytest.mark.parametrize(
    "page", ["django_q/schedule", "django_q/ormq", "generations/generation", "generations/picture"]
)
def test_rows_of_the_worker_cannot_be_added(admin_client: Client, page: str) -> None:
    assert admin_client.get(f"/admin/{page}/add/").status_code == 403


def test_generation_page_shows_the_last_response_and_is_read_only(admin_client: Client) -> None:
    row = make_generation(Status.FAILED, last_response='{"task_status_msg": "Image pixel"}')
    address = f"/admin/generations/generation/{row.pk}/change/"
    assert b"Image pixel" in admin_client.get(address).content
    assert admin_client.post(address, {"status": "succeeded"}).status_code == 403


def test_resume_ends_a_hold_and_a_silence(admin_client: Client) -> None:
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY, "no")
    UpstreamGate.for_engine().stay_silent(3600)
    page = admin_client.get("/admin/generations/upstreamgate/").content.decode()
    assert str(UpstreamGate.HoldReason.KEY.label) in page
    admin_client.post("/admin/queue/resume")
    gate = UpstreamGate.for_engine()
    assert not gate.is_held
    assert gate.silent_until is None or gate.silent_until < timezone.now()


def test_price_saved_twice_is_an_error_beside_its_field(admin_client: Client) -> None:
    data = {
        "engine": "kling",
        "model": "kling-v1",
        "option": "",
        "amount_e4": "0.03",
        "valid_from": "2026-11-28T12:00:00",
    }
    url = "/admin/generations/price/add/"
    assert [admin_client.post(url, data).status_code for _press in range(2)] == [302, 200]
    assert Price.objects.get().amount_e4 == 300
    assert admin_client.post(url, data | {"amount_e4": "-1"}).status_code == 200


def test_detail_pages_show_amounts_as_money(admin_client: Client, owner: Member) -> None:
    price = Price.objects.create(engine="kling", model="*", amount_e4=1200)
    quote = Quote("kling", "kling-v1", "", 1200, 4)
    row, _is_new = Generation.objects.request(
        owner=owner, key="k", quote=quote, prompt="A pear", aspect_ratio="1:1"
    )
    entry = LedgerEntry.objects.filter(generation_id=row.pk)[0]
    shown = {
        f"generation/{row.pk}": "$0.12",
        f"price/{price.pk}": "$0.12",
        f"ledgerentry/{entry.pk}": "+$0.48",
    }
    for path, amount in shown.items():
        page = admin_client.get(f"/admin/generations/{path}/change/").content.decode()
        assert amount in page, path
        assert not re.search(r">\s*(1200|4800)\s*<", page), path


@pytest.mark.parametrize("page", ["change", "history"])
@pytest.mark.parametrize(
    "model",
    [
        "generations/generation",
        "generations/picture",
        "generations/ledgerentry",
        "generations/price",
        "generations/upstreamgate",
        "django_q/schedule",
        "django_q/success",
    ],
)
def test_row_that_does_not_exist_is_not_found(admin_client: Client, model: str, page: str) -> None:
    response = admin_client.get(f"/admin/{model}/99999/{page}/")
    assert response.status_code == 404
    assert 'class="side-list"' in response.content.decode()


@pytest.mark.parametrize("model", ["generation", "picture"])
def test_no_heading_without_a_row_below_it(
    admin_client: Client, media_root: object, model: str
) -> None:
    row = make_generation(Status.SUCCEEDED)
    pk = row.pk if model == "generation" else row.pictures.all()[0].pk
    page = admin_client.get(f"/admin/generations/{model}/{pk}/change/").content.decode()
    fieldsets = re.findall(r"<fieldset.*?</fieldset>", page, re.S)
    assert len(fieldsets) > 2
    assert all("form-row" in each for each in fieldsets), fieldsets[-1]
