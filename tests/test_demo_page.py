"""The page about the demo: its faults as prompts, and the removal of the demo data."""

import re

import pytest
from django.test import Client
from pytest_django import Settings

from generations.engines.registry import ENGINES, offer_for
from generations.models import AuditAction, AuditEntry, Generation, Member
from generations.models.money import Price
from generations.operations import demo_data
from generations.web.demo import FAULTS
from klingweb.simulator.scenarios import scenario_in_prompt
from tests.builders import make_generation

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("is_demo", "status"), [(True, 200), (False, 404)])
def test_demo_exists_only_without_an_api_key(
    owner_client: Client, settings: Settings, is_demo: bool, status: int
) -> None:
    settings.DEMO = is_demo
    assert owner_client.get("/demo/").status_code == status
    assert (b'class="demo-mark"' in owner_client.get("/").content) is is_demo
    assert owner_client.get("/?fault=html-502").content.count(b"simulate: html 502") is is_demo + 0


def test_each_fault_is_a_scenario_of_the_simulator(owner_client: Client) -> None:
    page = owner_client.get("/demo/").content.decode()
    prompts = re.findall(r"<code>(simulate: [^<]+)</code>", page)
    assert prompts == [fault.prompt for fault in FAULTS]
    assert "normal" not in [scenario_in_prompt(prompt) for prompt in prompts]


def test_unknown_fault_fills_in_nothing(owner_client: Client) -> None:
    assert b"simulate:" not in owner_client.get("/?fault=no-such").content


def test_admin_removes_the_demo_data_and_nothing_else(admin_client: Client, admin: Member) -> None:
    own = make_generation(owner=admin)
    demo_data.add()
    assert "Remove the demo data" in admin_client.get("/demo/").content.decode()
    response = admin_client.post("/demo/remove", follow=True)
    assert "Demo data removed." in response.content.decode()
    assert "Remove the demo data" not in response.content.decode()
    assert [row.pk for row in Generation.objects.all()] == [own.pk]
    entry = AuditEntry.objects.filter(action=AuditAction.DEMO_CHANGED).latest("pk")
    assert entry.by == admin


def test_member_cannot_remove_the_demo_data(owner_client: Client) -> None:
    demo_data.add()
    assert "Remove the demo data" not in owner_client.get("/demo/").content.decode()
    assert owner_client.post("/demo/remove").status_code == 403
    assert Generation.objects.exists()


def test_demo_data_stays_outside_the_demo(admin_client: Client, settings: Settings) -> None:
    demo_data.add()
    settings.DEMO = False
    assert admin_client.post("/demo/remove").status_code == 404
    assert Generation.objects.exists()


def test_demo_has_prices_and_images_of_every_engine(admin: Member) -> None:
    demo_data.add_price()
    demo_data.add()
    assert {row.engine for row in Price.objects.all()} == set(ENGINES)
    assert {row.engine for row in Generation.objects.all()} == set(ENGINES)
    for row in Generation.objects.all():
        offer = offer_for(row.engine, row.model)
        assert offer.aspect_ratio(row.aspect_ratio)
        assert row.params.keys() <= {field.name for field in offer.fields}
        assert offer.negative_prompt_limit or not row.negative_prompt
    before = Price.objects.count()
    demo_data.add_price()
    assert Price.objects.count() == before
