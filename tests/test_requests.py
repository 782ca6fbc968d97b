"""Creating a generation and acting on it, as pages and commands do."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import pytest
from django.test import Client
from pytest_django import Settings

from generations.models import (
    Collection,
    Generation,
    Member,
    ReferenceImage,
    Status,
)
from generations.requests import (
    ACTIONS,
    GenerationRequest,
    IdempotencyMismatch,
    InvalidRequest,
    NotPossible,
    TaskIdTaken,
    create,
)
from tests.builders import make_admin, make_generation, make_member, make_submission
from tests.forms import HTMX, form_data

pytestmark = pytest.mark.django_db

PEAR = GenerationRequest("A pear", "3:2")
NONCE = UUID("6fa459ea-ee8a-4ca4-894e-db77e160355e")


def wake_ups() -> list[str]:
    from django_q.models import OrmQ  # noqa: TID251

    return [queued.func().rpartition(".")[2] for queued in OrmQ.objects.all()]


def make_reference(owner: Member) -> ReferenceImage:
    return ReferenceImage.objects.create(
        owner=owner, file="x", name="x", width=300, height=300, size_bytes=1, sha256="ab" * 32
    )


# --- validation ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": " \n"}, "prompt"),
        ({"prompt": "x" * 501}, "prompt"),
        ({"prompt": "a\0b"}, "prompt"),
        ({"negative_prompt": "x" * 201}, "negative_prompt"),
        ({"aspect_ratio": "99:1"}, "aspect_ratio"),
        ({"aspect_ratio": ""}, "aspect_ratio"),
        ({"n": 0}, "n"),
        ({"n": 10}, "n"),
        ({"reference_url": "https://a.example/b.png", "negative_prompt": "x"}, "negative_prompt"),
        ({"image_fidelity": 1.1}, "image_fidelity"),
        ({"image_fidelity": float("nan")}, "image_fidelity"),
        ({"params": {"seed": "1"}}, "seed"),
    ],
)
def test_create_rejects_what_the_offer_does_not_allow(
    owner: Member, changes: dict[str, Any], field: str
) -> None:
    request = replace(PEAR, **changes)
    assert list(request.errors()) == [field]
    with pytest.raises(InvalidRequest) as raised:
        create(owner, request, "key")
    assert list(raised.value.errors) == [field]
    assert not Generation.objects.exists()
    assert wake_ups() == []


def test_create_rejects_an_image_together_with_an_address(owner: Member) -> None:
    url = "https://a.example/b.png"
    request = replace(PEAR, reference=make_reference(owner), reference_url=url)
    assert list(request.errors()) == ["reference_url"]


# --- creating ------------------------------------------------------------------------------------


def test_create_stores_the_request_and_wakes_the_worker(owner: Member) -> None:
    row = create(owner, replace(PEAR, n=3, image_fidelity=0.7), "a-key")
    row.refresh_from_db()
    assert (row.owner, row.prompt, row.n, row.status) == (owner, "A pear", 3, Status.QUEUED)
    assert (row.idempotency_key, len(row.request_fingerprint)) == ("a-key", 64)
    assert row.image_fidelity is None  # without a reference image it has no meaning
    assert wake_ups() == ["submit"]


def test_create_returns_the_same_row_for_the_same_key(owner: Member) -> None:
    assert create(owner, PEAR, "a-key") == create(owner, PEAR, "a-key")
    assert wake_ups() == ["submit"]


def test_create_rejects_the_key_of_another_request(owner: Member) -> None:
    create(owner, PEAR, "a-key")
    with pytest.raises(IdempotencyMismatch):
        create(owner, replace(PEAR, n=2, new_collection="Spring"), "a-key")
    assert Generation.objects.count() == 1
    assert not Collection.objects.exists()


def test_create_accepts_the_key_of_a_row_without_a_fingerprint(owner: Member) -> None:
    old = make_generation(owner=owner, idempotency_key="a-key")
    assert create(owner, PEAR, "a-key") == old


def test_create_accepts_the_key_of_another_member(owner: Member, stranger: Member) -> None:
    assert create(owner, PEAR, "a-key") != create(stranger, replace(PEAR, n=2), "a-key")


def test_create_makes_the_new_collection_in_the_same_transaction(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = replace(PEAR, new_collection="Spring")
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr("generations.worker.tasks.enqueue_submit", _fail)
        create(owner, request, "a-key")
    assert not Collection.objects.exists()
    assert not Generation.objects.exists()
    assert create(owner, request, "a-key").collection == Collection.objects.get(name="Spring")


def _fail() -> None:
    raise RuntimeError


# --- keys and fingerprints -----------------------------------------------------------------------


def test_form_key_is_that_of_the_first_release(owner: Member) -> None:
    before = make_generation(owner=owner)
    reference = make_reference(owner)
    collection = Collection.objects.create(name="Spring", created_by=owner)
    request = replace(
        PEAR,
        reference=reference,
        image_fidelity=0.8,
        remix_of=before,
        collection=collection,
        new_collection="Autumn",
    )
    first_release_values = {
        "prompt": "A pear",
        "negative_prompt": "",
        "aspect_ratio": "3:2",
        "n": 1,
        "reference": reference.sha256,
        "reference_url": "",
        "image_fidelity": 0.8,
        "again_of": before.pk,
        "collection": collection.pk,
        "is_private": False,
        "new_collection": "Autumn",
    }
    assert request.key_from(NONCE) == str(
        uuid5(NONCE, json.dumps(first_release_values, sort_keys=True))
    )


def test_key_differs_by_nonce_and_by_request() -> None:
    keys = {PEAR.key_from(NONCE), PEAR.key_from(uuid4()), replace(PEAR, n=2).key_from(NONCE)}
    assert len(keys) == 3


def test_fingerprint_accepts_values_that_json_does_not(owner: Member) -> None:
    reference = make_reference(owner)
    fingerprints = {
        replace(PEAR, params={"price": value}).fingerprint()
        for value in (Decimal("0.10"), Decimal("0.20"), owner, reference, uuid4(), {"a": owner})
    }
    assert len(fingerprints) == 6


def test_fingerprint_is_the_hash_of_the_canonical_text() -> None:
    assert PEAR.fingerprint() == hashlib.sha256(PEAR.canonical().encode()).hexdigest()


def test_external_id_of_a_uuid_key_is_derived_from_the_uuid(owner: Member) -> None:
    row = make_generation(owner=owner, idempotency_key=str(NONCE))
    assert row.external_id == f"klingweb-{uuid5(NONCE, str(owner.pk))}"


@pytest.mark.parametrize("key", ["order-17", str(NONCE).upper(), NONCE.hex, f"{{{NONCE}}}", "é"])
def test_external_id_of_another_key_is_unique_too(owner: Member, key: str) -> None:
    row = make_generation(owner=owner, idempotency_key=key)
    assert row.external_id == f"klingweb-{uuid5(uuid5(NAMESPACE_URL, key), str(owner.pk))}"


# --- actions -------------------------------------------------------------------------------------


def unconfirmed(owner: Member) -> Generation:
    row = make_generation(Status.UNCONFIRMED, owner=owner, attempt=1)
    make_submission(row)
    return row


@pytest.mark.parametrize(
    ("action", "make", "status", "woken"),
    [
        ("cancel", lambda owner: make_generation(owner=owner), Status.CANCELED, []),
        ("send-again", unconfirmed, Status.QUEUED, ["submit"]),
        ("dismiss", unconfirmed, Status.ABANDONED, []),
    ],
)
def test_action_changes_the_row_and_wakes_the_worker(
    owner: Member,
    action: str,
    make: Callable[[Member], Generation],
    status: Status,
    woken: list[str],
) -> None:
    row = make(owner)
    ACTIONS[action](row, owner, row.version)
    row.refresh_from_db()
    assert (row.status, wake_ups()) == (status, woken)


@pytest.mark.parametrize("action", [name for name in ACTIONS if name != "enter-task-id"])
def test_action_on_a_changed_row_is_not_possible(
    owner: Member, action: str, settings: Settings
) -> None:
    settings.UPSTREAM_LOOKUP = "reference"
    row = unconfirmed(owner)
    with pytest.raises(NotPossible, match="This generation has changed"):
        ACTIONS[action](row, owner, row.version + 1)
    assert wake_ups() == []


def test_cancel_of_a_sent_request_says_that_its_images_are_kept(owner: Member) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    with pytest.raises(NotPossible, match="was sent and can’t be canceled"):
        ACTIONS["cancel"](row, owner, row.version)


def test_search_is_not_possible_without_a_lookup(owner: Member) -> None:
    row = unconfirmed(owner)
    with pytest.raises(NotPossible, match="can’t be searched"):
        ACTIONS["search"](row, owner, row.version)


def test_enter_task_id_tracks_the_task_and_wakes_the_poll(owner: Member) -> None:
    row, admin = unconfirmed(owner), make_admin()
    ACTIONS["enter-task-id"](row, admin, row.version, " task-7 ")
    row.refresh_from_db()
    assert (row.status, row.upstream_task_id) == (Status.RUNNING, "task-7")
    assert wake_ups() == ["poll"]


def test_enter_task_id_rejects_the_task_of_another_generation(owner: Member) -> None:
    make_generation(Status.RUNNING, owner=make_member(), upstream_task_id="task-7")
    row = unconfirmed(owner)
    with pytest.raises(TaskIdTaken):
        ACTIONS["enter-task-id"](row, make_admin(), row.version, "task-7")
    assert wake_ups() == []


# --- addresses of the first release --------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/?again=12", "/?remix=12"),
        ("/?again=12&n=1&use=3", "/?n=1&use=3&remix=12"),
        ("/alike?prompt=a+b", "/similar?prompt=a+b"),
        ("/generations/7/vary/", "/generations/7/variations/"),
    ],
)
def test_old_address_redirects_permanently(owner_client: Client, old: str, new: str) -> None:
    response = owner_client.get(old)
    assert (response.status_code, response["Location"]) == (301, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("give-up", "dismiss"),
        ("look-again", "recheck"),
        ("look-for", "search"),
        ("name-task", "enter-task-id"),
    ],
)
def test_old_action_redirects_with_its_body(owner_client: Client, old: str, new: str) -> None:
    response = owner_client.post(f"/generations/7/{old}/?full_page", {"version": 1}, headers=HTMX)
    expected = f"/generations/7/{new}/?full_page"
    assert (response.status_code, response["Location"]) == (308, expected)


def test_old_action_still_acts(owner_client: Client, owner: Member) -> None:
    row = unconfirmed(owner)
    data = {"version": row.version}
    owner_client.post(f"/generations/{row.pk}/give-up/", data, follow=True)
    row.refresh_from_db()
    assert row.status == Status.ABANDONED


def test_form_opened_before_the_upgrade_still_names_its_origin(
    owner_client: Client, owner: Member
) -> None:
    before = make_generation(owner=owner)
    owner_client.post("/", form_data(again_of=str(before.pk)))
    assert Generation.objects.latest("pk").remix_of == before
