"""What was asked for once, again, with one thing varied: the form behind each button."""

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


def test_all_but_the_varied_stays(owner_client: Client, owner: Member) -> None:
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


def test_closeness_is_offered_with_a_reference_alone(owner_client: Client, owner: Member) -> None:
    plain = make_generation(Status.SUCCEEDED, owner=owner)
    near = make_generation(
        Status.SUCCEEDED, owner=owner, reference_url="https://a.example/x.png", image_fidelity=0.0
    )
    assert "Closer" not in owner_client.get(f"/generations/{plain.pk}/variations/").content.decode()
    assert "Closer" in owner_client.get(f"/generations/{near.pk}/variations/").content.decode()
    assert fields_of(owner_client, near)["image_fidelity"] == "0.0"


def test_the_same_press_twice_is_one_and_opened_again_is_another(
    owner_client: Client, owner: Member
) -> None:
    before = make_generation(Status.SUCCEEDED, owner=owner)
    fields = fields_of(owner_client, before)
    owner_client.post("/", fields)
    owner_client.post("/", fields)
    assert Generation.objects.count() == 2
    owner_client.post("/", fields_of(owner_client, before))
    assert Generation.objects.count() == 3


def test_what_is_private_to_others_is_not_varied(stranger_client: Client, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, is_private=True)
    assert stranger_client.get(f"/generations/{row.pk}/variations/").status_code == 404
