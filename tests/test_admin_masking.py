"""The admin masks private rows of other members: by default, and on every page that lists them."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin as django_admin
from django.db.models import Model
from django.test import Client

from generations.admin.generations import GenerationAdmin
from generations.admin.masking import MaskedAdmin
from generations.admin.pictures import PictureAdmin
from generations.models import Generation, Member, Picture, Status, Tag, counting
from tests.builders import make_generation, make_submission

pytestmark = pytest.mark.django_db

SECRETS = (
    "quiet pear",
    "loud birds",
    "files.example",
    "the reason",
    "the answer",
    "the submit",
    "a.example",
    "secret-tag",
)
ADMINS: list[type[MaskedAdmin]] = [GenerationAdmin, PictureAdmin]
MODELS: list[type[Model]] = [Generation, Picture]


def make_secret(owner: Member, *, is_private: bool = True) -> Generation:
    """A generation with a secret in every text column that can hold one."""
    row = make_generation(
        Status.SUCCEEDED,
        owner=owner,
        is_private=is_private,
        prompt="A quiet pear",
        negative_prompt="loud birds",
        reference_url="https://a.example/b.png",
        failure_message="the reason",
        last_response="the answer",
    )
    make_submission(row, response="the submit")
    picture = row.pictures.get()
    picture.tags.add(Tag.objects.named("secret-tag"))
    return row


def pages_of(row: Generation) -> list[str]:
    picture = row.pictures.get()
    return [
        "/admin/generations/generation/",
        f"/admin/generations/generation/{row.pk}/change/",
        f"/admin/generations/generation/{row.pk}/history/",
        "/admin/generations/picture/",
        f"/admin/generations/picture/{picture.pk}/change/",
    ]


def detail_page(client: Client, row: Model) -> str:
    kind = row._meta.model_name
    return client.get(f"/admin/generations/{kind}/{row.pk}/change/").content.decode()


def found(client: Client, kind: str, term: str) -> list[str]:
    """The ids that the admin's search lists."""
    page = client.get(f"/admin/generations/{kind}/", {"q": term}).content.decode()
    return re.findall(rf"/admin/generations/{kind}/(\d+)/change/", page)


def shows(page: str, name: str) -> bool:
    """Whether a page has a cell or a form row of that field."""
    return re.search(rf"\bfield-{name}(?![\w-])", page) is not None


def test_private_rows_of_others_are_masked_on_every_page(
    admin_client: Client, owner: Member
) -> None:
    row = make_secret(owner)
    picture = row.pictures.get()
    for address in pages_of(row):
        response = admin_client.get(address)
        page = response.content.decode()
        assert response.status_code == 200
        assert "private" in page or address.endswith("/history/")
        for secret in (*SECRETS, picture.sha256, str(picture.file), f"/files/{picture.pk}/"):
            assert secret not in page, (address, secret)


def test_own_and_shared_rows_are_not_masked(
    admin_client: Client, admin: Member, owner: Member
) -> None:
    for row in (make_secret(admin), make_secret(owner, is_private=False)):
        picture = row.pictures.get()
        page = detail_page(admin_client, row)
        for text in ("quiet pear", "loud birds", "the answer", "the submit"):
            assert text in page
        assert f"/files/{picture.pk}/thumbnail" in page
        assert picture.sha256 in detail_page(admin_client, picture)


def test_search_finds_private_rows_by_unmasked_fields_only(
    admin_client: Client, admin: Member, owner: Member
) -> None:
    hidden, own = make_secret(owner), make_secret(admin)
    picture = hidden.pictures.get()
    assert found(admin_client, "generation", "quiet") == [str(own.pk)]
    assert found(admin_client, "generation", hidden.upstream_task_id) == [str(hidden.pk)]
    assert found(admin_client, "generation", owner.username) == [str(hidden.pk)]
    assert found(admin_client, "picture", "quiet") == [str(own.pictures.get().pk)]
    assert found(admin_client, "picture", picture.sha256) == []


@pytest.mark.parametrize(
    "query",
    [
        "generation/?prompt__startswith=A",
        "generation/?search_text__contains=quiet",
        "generation/?last_response__contains=the",
        "picture/?generation__prompt__startswith=A",
        "picture/?upstream_url__contains=files",
    ],
)
def test_lookups_of_masked_columns_are_refused(
    admin_client: Client, owner: Member, query: str
) -> None:
    make_secret(owner)
    assert admin_client.get(f"/admin/generations/{query}").status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "generation/?created_at__year=99999",
        "generation/?created_at__date__year=99999",
        "ledgerentry/?at__year=99999",
        "price/?valid_from__year=99999",
    ],
)
def test_dates_are_compared_as_the_filter_does_only(admin_client: Client, query: str) -> None:
    assert admin_client.get(f"/admin/generations/{query}").status_code == 400


def test_date_filter_filters(admin_client: Client, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner)
    for query, is_found in (("gte=2000-01-01", True), ("lt=2000-01-01", False)):
        page = admin_client.get(f"/admin/generations/generation/?created_at__{query}")
        assert page.status_code == 200
        assert (f"/generation/{row.pk}/change/" in page.content.decode()) == is_found


def test_filters_still_filter(admin_client: Client, owner: Member) -> None:
    row = make_secret(owner)
    page = admin_client.get(f"/admin/generations/generation/?person={owner.pk}")
    assert f"/generation/{row.pk}/change/" in page.content.decode()
    page = admin_client.get("/admin/generations/generation/?status__exact=queued")
    assert f"/generation/{row.pk}/change/" not in page.content.decode()


# --- masked by default ----------------------------------------------------------------------------


@pytest.mark.parametrize("page", ADMINS)
def test_every_unmasked_name_exists_and_none_is_a_known_secret(page: type[MaskedAdmin]) -> None:
    [model] = [each for each, used in django_admin.site._registry.items() if type(used) is page]
    assert all(hasattr(model, name) or hasattr(page, name) for name in page.unmasked_fields)
    assert not {
        "prompt", "negative_prompt", "search_text", "reference", "reference_url", "image_fidelity",
        "remix_of", "failure_message", "last_response", "file", "preview", "thumbnail",
        "upstream_url", "sha256", "colour", "reason", "tags",
    } & set(page.unmasked_fields)  # fmt: skip


def all_fields() -> Iterator[tuple[type[MaskedAdmin], str]]:
    """Every model field, each with its admin class."""
    for page, model in zip(ADMINS, MODELS, strict=True):
        for field in (*model._meta.fields, *model._meta.many_to_many):
            yield page, field.name


@pytest.mark.parametrize(
    ("page", "name"), list(all_fields()), ids=lambda value: getattr(value, "__name__", value)
)
def test_any_field_off_the_list_is_hidden(
    admin_client: Client,
    owner: Member,
    monkeypatch: pytest.MonkeyPatch,
    page: type[MaskedAdmin],
    name: str,
) -> None:
    """As if `name` were new: added to the model and to every part of the admin but the list."""
    allowed = tuple(each for each in page.unmasked_fields if each != name)
    monkeypatch.setattr(page, "unmasked_fields", allowed)
    monkeypatch.setattr(page, "list_display", ("row_link", name))
    monkeypatch.setattr(page, "list_display_links", ("row_link",))
    monkeypatch.setattr(page, "row_link", lambda _self, row: row.pk, raising=False)
    monkeypatch.setattr(page, "readonly_fields", ("private", name))
    monkeypatch.setattr(page, "list_filter", (name,))
    row = make_secret(owner)
    shown = row if page is GenerationAdmin else row.pictures.get()
    kind = shown._meta.model_name
    monkeypatch.setattr(page, "inlines", ())
    assert not shows(detail_page(admin_client, shown), name)
    listed = admin_client.get(f"/admin/generations/{kind}/").content.decode()
    [cell] = re.findall(rf'class="field-{name}(?![\w-])[^>]*>(.*?)</t[dh]>', listed)
    assert cell == "private"
    assert f"sortable column-{name}" not in listed  # the order would tell its values
    refused = admin_client.get(f"/admin/generations/{kind}/?{name}__isnull=False")
    assert refused.status_code == 400


def test_search_for_a_common_word_finds_no_hidden_row(
    admin_client: Client, admin: Member, owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many hits for the index, so the text of each row is read."""
    hidden, own = make_secret(owner), make_secret(admin)
    monkeypatch.setattr(counting, "MAX_SORTED_ROWS", 1)
    assert found(admin_client, "generation", "quiet") == [str(own.pk)]
    assert found(admin_client, "picture", "quiet") == [str(own.pictures.get().pk)]
    assert found(admin_client, "picture", str(hidden.pk)) == [str(hidden.pictures.get().pk)]


@pytest.mark.parametrize("inline", GenerationAdmin.inlines, ids=lambda each: each.__name__)
def test_any_inline_field_off_the_list_is_hidden(
    admin_client: Client, owner: Member, monkeypatch: pytest.MonkeyPatch, inline: Any
) -> None:
    row = make_secret(owner)
    for name in inline.fields:
        monkeypatch.setattr(GenerationAdmin, "inlines", (inline,))
        monkeypatch.setattr(inline, "unmasked_fields", ())
        monkeypatch.setattr(inline, "fields", (name,))
        page = detail_page(admin_client, row)
        assert not shows(page.partition("inline-group")[2], name)
