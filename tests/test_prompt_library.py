"""The prompt library: own prompts and those of the team."""

from typing import Any

import pytest
from django.test import Client

from generations.models import Generation, Member, SavedPrompt
from generations.permissions import Role
from tests.builders import make_generation, make_member
from tests.conftest import client_for
from tests.forms import HTMX

pytestmark = pytest.mark.django_db

URL = "/prompts/"


def words(response: Any) -> str:
    """The page without the list of keyboard shortcuts, which names actions too."""
    return " ".join(response.content.decode().split("<dialog")[0].split())


def save(owner: Member, text: str = "A {product} in snow", **columns: Any) -> SavedPrompt:
    return SavedPrompt.objects.create(owner=owner, text=text, **columns)


def test_save_and_find(owner: Member, owner_client: Client) -> None:
    owner_client.post(URL, {"prompt": "Cà phê in snow"})
    owner_client.post(URL, {"prompt": "A pear", "is_shared": "1"})
    assert [(each.text, each.is_shared) for each in SavedPrompt.objects.order_by("pk")] == [
        ("Cà phê in snow", False), ("A pear", True),
    ]  # fmt: skip
    page = words(owner_client.get(f"{URL}?q=snow+ca"))
    assert "Cà phê in snow" in page and "A pear" not in page
    assert "No results" in words(owner_client.get(f"{URL}?q=zebra"))


def test_the_same_prompt_is_saved_once(owner_client: Client) -> None:
    for _time in range(2):
        owner_client.post(URL, {"prompt": "A pear"})
    assert SavedPrompt.objects.count() == 1
    owner_client.post(URL, {"prompt": "A pear", "is_shared": "1"})
    assert SavedPrompt.objects.get().is_shared


def test_own_prompts_are_private(
    owner: Member, stranger_client: Client, admin_client: Client
) -> None:
    own = save(owner)
    for client in (stranger_client, admin_client):
        assert "in snow" not in words(client.get(URL))
        assert "in snow" not in words(client.get(f"{URL}?q=snow"))
        assert client.post(f"{URL}{own.pk}/use").status_code == 404
        assert client.post(f"{URL}{own.pk}/delete").status_code == 404
        assert "in snow" not in words(client.get(f"/?prompt={own.pk}"))
        assert "in snow" not in words(client.get(f"/batches/new/?prompt={own.pk}"))
    own.refresh_from_db()
    assert own.uses == 0


def test_prompts_of_the_team_are_used_by_all_and_changed_by_some(
    owner: Member, stranger_client: Client, admin_client: Client
) -> None:
    shared = save(owner, is_shared=True)
    page = words(stranger_client.get(URL))
    assert "A {product} in snow" in page and "Delete" not in page
    assert stranger_client.post(f"{URL}{shared.pk}/delete").status_code == 403
    response = stranger_client.post(f"{URL}{shared.pk}/use")
    assert response["Location"] == f"/?prompt={shared.pk}"
    assert "A {product} in snow" in words(stranger_client.get(response["Location"]))
    shared.refresh_from_db()
    assert shared.uses == 1
    assert admin_client.post(f"{URL}{shared.pk}/delete").status_code == 302
    assert not SavedPrompt.objects.exists()


def test_share_and_keep(owner: Member, owner_client: Client, stranger_client: Client) -> None:
    prompt = save(owner)
    owner_client.post(f"{URL}{prompt.pk}/share")
    assert "in snow" in words(stranger_client.get(URL))
    owner_client.post(f"{URL}{prompt.pk}/unshare")
    assert "in snow" not in words(stranger_client.get(URL))


def test_a_deleted_prompt_can_be_restored_once(owner: Member, owner_client: Client) -> None:
    prompt = save(owner, is_shared=True)
    page = words(owner_client.post(f"{URL}{prompt.pk}/delete", follow=True))
    assert "The prompt was deleted." in page and "Undo" in page
    assert "Undo" not in words(owner_client.get(URL))


def test_use_in_a_batch_and_insert_into_its_form(owner: Member, owner_client: Client) -> None:
    prompt = save(owner)
    response = owner_client.post(f"{URL}{prompt.pk}/use", {"in": "batch"})
    assert "A {product} in snow</textarea>" in words(owner_client.get(response["Location"]))
    data = {"text": "ratio,prompt\n1:1,A pear", "aspect_ratio": "3:2", "n": "1"}
    page = words(owner_client.post("/batches/new/", data | {"insert": prompt.pk}))
    assert "1:1,A pear ,A {product} in snow" in page
    prompt.refresh_from_db()
    assert prompt.uses == 2


def test_save_from_the_composer(owner_client: Client) -> None:
    data = {"prompt": "A pear", "from": "studio"}
    assert words(owner_client.post(URL, data, headers=HTMX)) == "Saved to your prompt library."
    response = owner_client.post(URL, data)
    assert response["Location"] == f"/?prompt={SavedPrompt.objects.get().pk}"
    assert owner_client.post(URL, {"prompt": " ", "from": "studio"})["Location"] == "/"
    assert owner_client.post(URL, {"prompt": " "}).status_code == 422


def test_save_from_an_image_that_one_may_see(
    owner: Member, owner_client: Client, stranger_client: Client
) -> None:
    row = make_generation(owner=owner, prompt="A fig", is_private=True)
    assert stranger_client.post(URL, {"generation": row.pk}).status_code == 404
    owner_client.post(URL, {"generation": row.pk, "from": "image"})
    assert SavedPrompt.objects.get().text == "A fig"
    assert Generation.objects.count() == 1


def test_viewers_have_no_library() -> None:
    client = client_for(make_member(role=Role.VIEWER))
    assert client.get(URL).status_code == 403
    assert client.post(URL, {"prompt": "A pear"}).status_code == 403


def test_a_long_prompt_is_refused(owner_client: Client) -> None:
    response = owner_client.post(URL, {"prompt": "x" * 501})
    assert response.status_code == 422
    assert "Too long: 501 of 500 characters." in words(response)


def test_a_library_has_an_end(
    owner: Member, owner_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SavedPrompt, "MAX_PER_OWNER", 1)
    save(owner)
    assert "Your library is full." in words(owner_client.post(URL, {"prompt": "A pear"}))


def test_others_in_the_team_keep_what_a_leaver_has_shared(owner: Member, stranger: Member) -> None:
    save(owner, "own")
    save(owner, "team", is_shared=True)
    SavedPrompt.objects.hand_over(owner, stranger)
    assert [each.text for each in SavedPrompt.objects.visible_to(stranger)] == ["team"]
