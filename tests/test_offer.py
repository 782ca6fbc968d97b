"""The offer of an engine: its data, and pages that follow it without naming a field."""

import re
from html import unescape

import pytest
from django.test import Client
from pytest_django import Settings

from generations.engines import kling, registry
from generations.engines.base import ImageRequest
from generations.engines.kling import request_body
from generations.engines.offer import AspectRatio, Field, Offer
from generations.models import Generation, Member, Status
from generations.web.layout import LAYOUTS, layout_of
from generations.web.studio.forms import GenerationForm
from generations.worker.dispatch import _prepare
from tests.builders import make_generation, make_member
from tests.forms import form_data
from tests.test_variations import fields_of


def checked(page: str, name: str) -> str:
    """The value of the selected radio button."""
    found = re.search(rf'name="{name}" value="([^"]*)"[^>]* checked', page)
    return found[1] if found else ""


# --- the data ------------------------------------------------------------------------------------


@pytest.mark.parametrize("offer", registry.all_offers(), ids=lambda offer: offer.key)
def test_defaults_of_an_offer_are_among_its_choices(offer: Offer) -> None:
    assert offer.aspect_ratio(offer.default_aspect_ratio)
    for field in offer.fields:
        assert field.default in field.values


@pytest.mark.django_db
@pytest.mark.parametrize("offer", registry.all_offers(), ids=lambda offer: offer.key)
def test_field_names_of_an_offer_differ_from_those_of_the_form(offer: Offer) -> None:
    names = [field.name for field in offer.fields]
    assert len(set(names)) == len(names)
    assert not set(names) & set(GenerationForm.base_fields)
    assert not set(names) & {field.name for field in Generation._meta.get_fields()}


@pytest.mark.parametrize("value", ["16:9", "16x9"])
def test_aspect_ratio_reads_both_spellings(value: str) -> None:
    ratio = AspectRatio(value, "16 to 9")
    assert (ratio.width, ratio.height) == (16, 9)


def test_unknown_aspect_ratio_is_none() -> None:
    assert kling.OFFER.aspect_ratio("10:16") is None


def test_every_aspect_ratio_of_kling_has_a_layout() -> None:
    assert {ratio.value for ratio in kling.OFFER.aspect_ratios} <= set(LAYOUTS)


def test_aspect_ratio_without_a_layout_has_the_nearest() -> None:
    assert layout_of(Generation(aspect_ratio="10:16")).slug == "2-3"
    assert layout_of(Generation(aspect_ratio="1:3")).slug == "9-21"


# --- layout --------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("ratio", ["", "wide", "1x1"])
@pytest.mark.parametrize("status", [Status.QUEUED, Status.FAILED, Status.SUCCEEDED])
def test_pages_show_a_row_with_an_unknown_aspect_ratio(
    owner_client: Client, owner: Member, ratio: str, status: Status
) -> None:
    row = make_generation(status, owner=owner, aspect_ratio="1:1")
    Generation.objects.filter(pk=row.pk).update(aspect_ratio=ratio)
    for address in ("/", f"/generations/{row.pk}/", f"/?remix={row.pk}"):
        page = owner_client.get(address)
        assert page.status_code == 200
        assert "frames ratio-1-1" in page.content.decode()
    for address in (f"/generations/{row.pk}/variations/", "/gallery/", "/gallery/?state=failed"):
        assert owner_client.get(address).status_code == 200


@pytest.mark.django_db
def test_unknown_aspect_ratio_is_laid_out_like_the_reference_image(
    owner_client: Client, owner: Member
) -> None:
    from generations.models import ReferenceImage

    wide = ReferenceImage.objects.create(
        owner=owner, file="x", name="x", width=1600, height=900, size_bytes=1, sha256="x"
    )
    row = make_generation(owner=owner, aspect_ratio="", reference=wide)
    assert layout_of(row).slug == "16-9"
    wide.height = 0
    assert layout_of(row).slug == "1-1"


@pytest.mark.django_db
def test_form_selects_the_default_after_an_unknown_aspect_ratio(
    owner_client: Client, owner: Member
) -> None:
    make_generation(owner=owner, aspect_ratio="7:11")
    assert checked(owner_client.get("/").content.decode(), "aspect_ratio") == "3:2"


# --- an extra field ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_form_shows_a_field_of_the_offer_with_its_default(
    owner_client: Client, paper: Field
) -> None:
    page = owner_client.get("/").content.decode()
    assert checked(page, "paper") == "matte"
    assert "Glossy paper" in page


@pytest.mark.django_db
def test_form_leaves_out_a_field_of_another_profile(
    owner_client: Client, paper: Field, settings: Settings
) -> None:
    settings.UPSTREAM_PROFILE = "documented"
    assert 'name="paper"' not in owner_client.get("/").content.decode()
    owner_client.post("/", form_data(paper="glossy"))
    assert Generation.objects.get().params == {}


@pytest.mark.django_db
@pytest.mark.parametrize(("sent", "stored"), [({"paper": "glossy"}, "glossy"), ({}, "matte")])
def test_field_of_the_offer_is_stored_in_params(
    owner_client: Client, paper: Field, sent: dict[str, str], stored: str
) -> None:
    owner_client.post("/", form_data(**sent))
    assert Generation.objects.get().params == {"paper": stored}


@pytest.mark.django_db
def test_unknown_choice_is_reported_beside_its_field(owner_client: Client, paper: Field) -> None:
    response = owner_client.post("/", form_data(paper="velvet"))
    assert response.status_code == 422
    assert 'id="paper-error"' in response.content.decode()


@pytest.mark.django_db
def test_invalid_form_keeps_a_field_of_the_offer(owner_client: Client, paper: Field) -> None:
    page = owner_client.post("/", form_data(prompt="", paper="glossy")).content.decode()
    assert checked(page, "paper") == "glossy"


@pytest.mark.django_db
def test_field_of_the_offer_is_part_of_the_request(owner_client: Client, paper: Field) -> None:
    sent = form_data(paper="matte")
    for paper_value in ("matte", "glossy", "glossy"):
        owner_client.post("/", sent | {"paper": paper_value})
    assert Generation.objects.count() == 2


@pytest.mark.django_db
def test_last_settings_and_reuse_keep_a_field_of_the_offer(
    owner_client: Client, owner: Member, stranger: Member, paper: Field
) -> None:
    make_generation(owner=owner, params={"paper": "glossy"})
    assert checked(owner_client.get("/").content.decode(), "paper") == "glossy"
    theirs = make_generation(owner=stranger, params={"paper": "matte"})
    page = owner_client.get(f"/?remix={theirs.pk}").content.decode()
    assert checked(page, "paper") == "matte"


@pytest.mark.django_db
def test_value_that_is_no_longer_offered_is_replaced_by_the_default(
    owner_client: Client, owner: Member, paper: Field
) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, params={"paper": "velvet", "old": 1})
    assert checked(owner_client.get("/").content.decode(), "paper") == "matte"
    assert fields_of(owner_client, row)["paper"] == "matte"


@pytest.mark.django_db
def test_variations_keep_and_change_a_field_of_the_offer(
    owner_client: Client, owner: Member, paper: Field
) -> None:
    before = make_generation(Status.SUCCEEDED, owner=owner, params={"paper": "glossy"})
    page = unescape(owner_client.get(f"/generations/{before.pk}/variations/").content.decode())
    assert 'name="paper" value="matte"' in page
    fields = fields_of(owner_client, before)
    assert fields["paper"] == "glossy"
    owner_client.post("/", {**fields, "paper": ["glossy", "matte"]})
    assert Generation.objects.latest("pk").params == {"paper": "matte"}


@pytest.mark.django_db
def test_similar_compares_a_field_of_the_offer(
    owner_client: Client, stranger: Member, paper: Field
) -> None:
    prompt = "A red bicycle against a white wall"
    make_generation(Status.SUCCEEDED, owner=stranger, prompt=prompt, params={"paper": "glossy"})
    query = {"prompt": prompt, "aspect_ratio": "3:2"}
    for value, is_found in (("glossy", True), ("matte", False), ("", False)):
        page = owner_client.get("/similar", query | {"paper": value}).content.decode()
        assert ('id="similar-title"' in page) is is_found


@pytest.mark.django_db
def test_similar_takes_a_row_without_params_as_the_default(
    owner_client: Client, stranger: Member, paper: Field
) -> None:
    prompt = "A red bicycle against a white wall"
    make_generation(Status.SUCCEEDED, owner=stranger, prompt=prompt)
    query = {"prompt": prompt, "aspect_ratio": "3:2", "paper": "matte"}
    assert 'id="similar-title"' in owner_client.get("/similar", query).content.decode()


@pytest.mark.django_db
def test_facts_on_pages_show_a_field_of_the_offer(
    owner_client: Client, owner: Member, paper: Field
) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=2, params={"paper": "glossy"})
    first, second = (picture.pk for picture in row.pictures.all())
    compare = f"/compare/?picture={first}&picture={second}"
    for address in (f"/generations/{row.pk}/", f"/pictures/{first}/", compare):
        page = owner_client.get(address).content.decode()
        assert '<dt>Paper</dt><dd dir="auto">Glossy paper</dd>' in page


# --- the body of the request to the upstream -----------------------------------------------------


@pytest.mark.parametrize("profile", ["documented", "extended"])
def test_body_has_a_field_only_in_its_profile(paper: Field, profile: str) -> None:
    body = request_body(ImageRequest("a pear", params={"paper": "glossy", "unknown": 1}), profile)
    assert body.get("paper") == ("glossy" if profile == "extended" else None)
    assert "unknown" not in body


@pytest.mark.django_db
def test_body_of_a_row_has_its_params(paper: Field) -> None:
    row = make_generation(owner=make_member(), params={"paper": "glossy"})
    assert request_body(_prepare(row), "extended")["paper"] == "glossy"
    row.params = {}
    assert "paper" not in request_body(_prepare(row), "extended")
