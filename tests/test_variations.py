"""Variations: a form with the settings of a generation and one field changed."""

import re
from html import unescape
from uuid import uuid4

import pytest
from django.test import Client

from generations.models import Generation, Member, Status
from generations.models.money import Limit, Window
from tests.builders import make_generation
from tests.forms import HTMX

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


def page_of(client: Client, row: Generation, **headers: str) -> str:
    response = client.get(f"/generations/{row.pk}/variations/", headers=headers)
    return response.content.decode()


def test_current_values_are_marked_and_cannot_be_pressed(
    owner_client: Client, owner: Member
) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=3, aspect_ratio="16:9")
    page = " ".join(page_of(owner_client, row).split())
    current = re.findall(
        r'<span class="choice is-current[^>]*aria-current="true">.*?</button>', page
    )
    assert len(current) == 2
    assert '>16:9</span> <span class="visually-hidden">Current</span>' in page
    assert '>3</span> <span class="visually-hidden">Current</span>' in page
    assert 'name="aspect_ratio" value="16:9"' not in re.sub(r"<input[^>]*>", "", page)
    assert 'name="n" value="4"' in page


def test_variation_of_a_card_can_be_undone_by_the_toast(
    owner_client: Client, owner: Member
) -> None:
    before = make_generation(Status.SUCCEEDED, owner=owner)
    fields = fields_of(owner_client, before)
    page = owner_client.post("/", {**fields, "n": ["1", "5"]}, headers=HTMX).content.decode()
    made = Generation.objects.exclude(pk=before.pk).get()
    assert f'id="generation-{made.pk}"' in page
    assert "5 images queued." in page
    assert f'action="/generations/{made.pk}/cancel/"' in page
    del fields["variation"]
    fields["nonce"] = str(uuid4())
    assert "images queued" not in owner_client.post("/", fields, headers=HTMX).content.decode()


TOAST = HTMX | {"HX-Target": "toast"}


def test_variation_of_an_image_answers_by_a_toast_alone(
    owner_client: Client, owner: Member
) -> None:
    before = make_generation(Status.SUCCEEDED, owner=owner)
    form = page_of(owner_client, before, **TOAST)
    assert "data-action" in form
    assert "data-hx-post" not in form
    page = owner_client.post("/", fields_of(owner_client, before), headers=TOAST).content.decode()
    made = Generation.objects.exclude(pk=before.pk).get()
    assert "1 image queued." in page
    assert f'href="/#generation-{made.pk}"' in page
    assert "<article" not in page
    undone = owner_client.post(
        f"/generations/{made.pk}/cancel/", {"version": made.version}, headers=TOAST
    )
    assert "Canceled. Nothing was charged." in undone.content.decode()
    made.refresh_from_db()
    assert made.status == Status.CANCELED


def test_undo_after_it_was_sent_says_so(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    made = make_generation(Status.RUNNING, owner=owner)
    address = f"/generations/{made.pk}/cancel/"
    answer = owner_client.post(address, {"version": made.version}, headers=TOAST).content.decode()
    assert '<div class="toast">' in answer
    assert "Nothing was charged" not in answer
    made.refresh_from_db()
    assert made.status == Status.RUNNING
    refused = stranger_client.post(address, {"version": made.version}, headers=TOAST)
    assert refused.status_code == 404


def test_refused_variation_says_why_in_the_toast(owner_client: Client, owner: Member) -> None:
    before = make_generation(Status.SUCCEEDED, owner=owner)
    fields = fields_of(owner_client, before) | {"prompt": ""}
    response = owner_client.post("/", fields, headers=TOAST)
    assert response.status_code == 422
    assert "<form" not in response.content.decode()
    assert Generation.objects.count() == 1


def test_variation_beyond_the_limit_leads_to_the_form_for_more(
    owner_client: Client, owner: Member
) -> None:
    before = make_generation(Status.SUCCEEDED, owner=owner)
    fields = fields_of(owner_client, before)
    Limit.objects.put(Limit.Scope.MEMBER, Window.DAY, member=owner, images=0)
    response = owner_client.post("/", fields, headers=TOAST)
    assert response.status_code == 422
    page = response.content.decode()
    assert "Your limit for today does not allow this request." in page
    assert '<a href="/usage/?mine=1#ask">Ask for more</a>' in page
