"""Variations: a form with the settings of a generation and one field changed."""

import re
from html import unescape

import pytest
from django.test import Client

from generations.models import Generation, Member, Status
from tests.builders import make_generation

pytestmark = pytest.mark.django_db


def fields_of(client: Client, row: Generation) -> dict[str, str]:
    response = client.get(f"/generations/{row.pk}/variations/")
    assert response.status_code == 200
    hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', response.content.decode())
    return {name: unescape(value) for name, value in hidden}


def test_variation_keeps_all_other_settings(owner_client: Client, owner: Member) -> None:
    before = make_generation(
        Status.SUCCEEDED,
        owner=owner,
        prompt='Two "pears" & <a>\nlinen',
        negative_prompt="birds",
        n=3,
        aspect_ratio="16:9",
        is_private=True,
    )
    fields = fields_of(owner_client, before)
    owner_client.post("/", {**fields, "n": ["3", "5"]})
    made = Generation.objects.exclude(pk=before.pk).get()
    for name in ("prompt", "negative_prompt", "aspect_ratio", "is_private"):
        assert getattr(made, name) == getattr(before, name)
    assert (made.n, made.remix_of_id) == (5, before.pk)


def test_similarity_is_offered_only_with_a_reference(owner_client: Client, owner: Member) -> None:
    plain = make_generation(Status.SUCCEEDED, owner=owner)
    near = make_generation(
        Status.SUCCEEDED, owner=owner, reference_url="https://a.example/x.png", image_fidelity=0.0
    )
    assert (
        "Similarity"
        not in owner_client.get(f"/generations/{plain.pk}/variations/").content.decode()
    )
    assert "Similarity" in owner_client.get(f"/generations/{near.pk}/variations/").content.decode()
    assert fields_of(owner_client, near)["image_fidelity"] == "0.0"


def test_variation_is_created_once_per_opened_form(owner_client: Client, owner: Member) -> None:
    before = make_generation(Status.SUCCEEDED, owner=owner)
    fields = fields_of(owner_client, before)
    owner_client.post("/", fields)
    owner_client.post("/", fields)
    assert Generation.objects.count() == 2
    owner_client.post("/", fields_of(owner_client, before))
    assert Generation.objects.count() == 3


def test_private_generation_of_another_member_has_no_variations(
    stranger_client: Client, owner: Member
) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, is_private=True)
    assert stranger_client.get(f"/generations/{row.pk}/variations/").status_code == 404
