"""The studio: sending the form, its errors, reference images, reuse, and the feed."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from generations.models import Generation, Member, ReferenceImage, Status
from generations.web.studio.forms import GenerationForm
from generations.web.studio.normalization import ACCEPT, MAX_BYTES
from generations.web.studio.uploads import CappedUploadHandler
from tests.builders import make_generation, png_bytes, upload
from tests.forms import HTMX, form_data, nonce_from

pytestmark = pytest.mark.django_db


# --- creating --------------------------------------------------------------------------------


def test_submitting_creates_a_row_and_redirects_to_its_card(
    owner_client: Client, owner: Member
) -> None:
    response = owner_client.post("/", form_data(prompt="A pear", n="4", aspect_ratio="16:9"))
    row = Generation.objects.get()
    assert (response.status_code, response["Location"]) == (303, f"/#generation-{row.pk}")
    assert (row.owner, row.prompt, row.n, row.aspect_ratio) == (owner, "A pear", 4, "16:9")
    assert row.status == Status.QUEUED


def test_submitting_enqueues_one_wake_up(owner_client: Client) -> None:
    from django_q.models import OrmQ  # noqa: TID251

    owner_client.post("/", form_data())
    assert OrmQ.objects.count() == 1


def test_submitting_twice_creates_one_row_and_one_wake_up(owner_client: Client) -> None:
    from django_q.models import OrmQ  # noqa: TID251

    data = form_data()
    first, second = owner_client.post("/", data), owner_client.post("/", data)
    assert Generation.objects.count() == OrmQ.objects.count() == 1
    assert first["Location"] == second["Location"]


def test_submitting_the_same_file_twice_creates_one_row(owner_client: Client) -> None:
    data, content = form_data(), png_bytes()
    for _time in range(2):
        owner_client.post("/", data | {"image": upload(content)})
    assert Generation.objects.count() == ReferenceImage.objects.count() == 1


def test_form_changed_after_the_back_button_creates_a_second_row(owner_client: Client) -> None:
    data = form_data()
    owner_client.post("/", data)
    owner_client.post("/", data | {"prompt": "A plum"})
    assert Generation.objects.count() == 2


def test_nonce_of_another_member_can_be_used_again(
    owner_client: Client, stranger_client: Client
) -> None:
    data = form_data()
    owner_client.post("/", data)
    stranger_client.post("/", data)
    assert Generation.objects.count() == 2


def test_htmx_response_has_the_card_and_a_new_nonce(owner_client: Client) -> None:
    data = form_data()
    response = owner_client.post("/", data, headers=HTMX)
    row = Generation.objects.get()
    page = response.content.decode()
    assert response.status_code == 200
    assert f'<article id="generation-{row.pk}"' in page
    assert 'data-status="queued" data-version="1"' in page
    assert nonce_from(response.content) != data["nonce"]
    assert 'id="poller"' in page
    assert "every 2s" in page


def test_htmx_response_has_the_same_card_when_submitted_twice(owner_client: Client) -> None:
    data = form_data()
    pages = [owner_client.post("/", data, headers=HTMX).content.decode() for _time in range(2)]
    ids = [re.findall(r'<article id="(generation-\d+)"', page) for page in pages]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 1


# --- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("prompt", "", "Describe the image first"),
        ("prompt", "   \n ", "Describe the image first"),
        ("prompt", "\u200b", "Describe the image first"),
        ("prompt", "\ufeff\u3164 \u2800", "Describe the image first"),
        ("prompt", "x" * 501, "Too long: 501 of 500"),
        ("prompt", "a\x00b", "Null characters"),
        ("negative_prompt", "x" * 201, "Too long: 201 of 200"),
        ("aspect_ratio", "5:4", "Choose an aspect ratio"),
        ("aspect_ratio", "", "Choose an aspect ratio"),
        ("n", "0", "Choose 1 to 9"),
        ("n", "10", "Choose 1 to 9"),
        ("n", "many", "Choose how many"),
        ("n", "", "Choose how many"),
        ("image_url", "http://a.example/b.png", "begins with https"),
        ("image_url", "file:///etc/passwd", "begins with https"),
        ("image_url", "not an address", "begins with https"),
        ("image_fidelity", "1.1", "number from 0 to 1"),
        ("image_fidelity", "nan", "number"),
        ("reference", "99999999999999999999999", "no longer exists"),
        ("reference", "x' OR 1=1", "no longer exists"),
        ("nonce", "no-uuid", "out of date"),
        ("nonce", "", "out of date"),
    ],
)
def test_error_is_shown_beside_its_field(
    owner_client: Client, field: str, value: str, message: str
) -> None:
    for headers in ({}, HTMX):
        response = owner_client.post(
            "/", form_data(**{"prompt": "A pear"} | {field: value}), headers=headers
        )
        assert response.status_code == 422
        page = response.content.decode()
        assert message in page
        if field != "nonce":
            assert f'id="{field}-error"' in page
    assert not Generation.objects.exists()


def test_invalid_form_keeps_everything_typed(owner_client: Client) -> None:
    typed = form_data(
        prompt="x" * 600, negative_prompt="birds & <b>", n="7", aspect_ratio="9:16",
        image_url="https://a.example/b.png", image_fidelity="0.85",
    )  # fmt: skip
    page = owner_client.post("/", typed).content.decode()
    assert "x" * 600 in page
    assert "birds &amp; &lt;b&gt;" in page
    assert re.search(r'value="7"[^>]* checked', page)
    assert re.search(r'value="9:16"[^>]* checked', page)
    assert "https://a.example/b.png" in page
    assert 'value="0.85"' in page
    assert nonce_from(page.encode()) == typed["nonce"]


def test_htmx_response_has_only_the_form_when_invalid(owner_client: Client) -> None:
    response = owner_client.post("/", form_data(prompt=""), headers=HTMX)
    assert response["HX-Retarget"] == "#composer"
    assert b"<html" not in response.content
    assert b'aria-invalid="true" autofocus' in response.content


def test_line_break_counts_as_one_character(owner_client: Client) -> None:
    owner_client.post("/", form_data(prompt="\r\n".join(["x" * 24] * 20)))
    assert len(Generation.objects.get().prompt) == 499


def test_prompt_limit_counts_code_points(owner_client: Client, settings: Settings) -> None:
    settings.PROMPT_CHARACTERS = 3
    assert owner_client.post("/", form_data(prompt="🍐🍐🍐")).status_code == 303
    assert owner_client.post("/", form_data(prompt="🍐🍐🍐🍐")).status_code == 422


@pytest.mark.parametrize("body", [b"prompt=%ED%A0%80&n=1", b"prompt=%FF%FE&aspect_ratio=%C3%28"])
def test_invalid_utf8_is_rejected(owner_client: Client, body: bytes) -> None:
    response = owner_client.post("/", body, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 422


def test_prompt_of_five_megabytes_is_rejected(owner_client: Client) -> None:
    assert owner_client.post("/", form_data(prompt="x" * 5_000_000)).status_code == 400
    urlencoded = b"prompt=" + b"x" * 5_000_000
    response = owner_client.post("/", urlencoded, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 400
    assert b"too large" in response.content


# --- a reference image ------------------------------------------------------------------------


def test_reference_image_is_stored_with_the_request(owner_client: Client, owner: Member) -> None:
    owner_client.post("/", form_data(image=upload(name="dünen.png"), image_fidelity="0.8"))
    row = Generation.objects.get()
    assert row.reference is not None
    assert (row.reference.owner, row.reference.name) == (owner, "dünen.png")
    assert (row.reference.content_type, row.image_fidelity) == ("image/png", 0.8)


def test_valid_file_in_an_invalid_form_is_kept(owner_client: Client) -> None:
    page = owner_client.post("/", form_data(prompt="", image=upload())).content.decode()
    reference = ReferenceImage.objects.get()
    assert f'name="reference" id="reference" data-name="pear.png" value="{reference.pk}"' in page
    assert f"/references/{reference.pk}" in page
    owner_client.post("/", form_data(reference=str(reference.pk)))
    assert Generation.objects.get().reference == reference


def test_new_file_replaces_the_stored_one(owner_client: Client) -> None:
    owner_client.post("/", form_data(prompt="", image=upload()))
    stored = ReferenceImage.objects.get()
    owner_client.post("/", form_data(reference=str(stored.pk), image=upload(png_bytes("3:2"))))
    assert Generation.objects.get().reference != stored


def test_unused_reference_of_another_member_is_rejected(
    owner_client: Client, stranger_client: Client
) -> None:
    owner_client.post("/", form_data(prompt="", image=upload()))
    pk = ReferenceImage.objects.get().pk
    assert stranger_client.post("/", form_data(reference=str(pk))).status_code == 422


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "“pear.png” is empty"),
        (b"GIF89a nothing", "“pear.png” could not be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "could not be read"),
        (png_bytes(edge=299), "Minimum 300 px on each side. This image has 299 px"),
        (png_bytes("3:1"), "too wide or too tall"),
        (png_bytes()[:-40], "could not be read"),
    ],
)
def test_invalid_image_is_rejected_with_the_reason(
    owner_client: Client, content: bytes, message: str
) -> None:
    response = owner_client.post("/", form_data(image=upload(content)))
    assert response.status_code == 422
    assert message in response.content.decode()
    assert not ReferenceImage.objects.exists()


def test_decompression_bomb_is_not_decoded(owner_client: Client) -> None:
    bomb = png_bytes(edge=300).replace(b"\0\0\1\x2c\0\0\1\x2c", b"\0\0\x75\x30\0\0\x75\x30")
    response = owner_client.post("/", form_data(image=upload(bomb)))
    assert response.status_code == 422
    assert not ReferenceImage.objects.exists()


@pytest.mark.parametrize("image", [{"image_url": "https://a.example/b.png"}, {"image": "file"}])
def test_negative_prompt_is_rejected_beside_a_reference(
    owner_client: Client, image: dict[str, Any]
) -> None:
    image = {name: upload() if value == "file" else value for name, value in image.items()}
    response = owner_client.post("/", form_data(negative_prompt="birds", **image))
    assert response.status_code == 422
    assert b"Not available with a reference image" in response.content


def test_image_and_address_together_are_rejected(owner_client: Client) -> None:
    response = owner_client.post(
        "/", form_data(image=upload(), image_url="https://a.example/b.png")
    )
    assert response.status_code == 422
    assert b"not both" in response.content


def test_similarity_is_not_stored_without_a_reference(owner_client: Client) -> None:
    owner_client.post("/", form_data(image_fidelity="0.3"))
    assert Generation.objects.get().image_fidelity is None


def test_reference_address_is_stored_without_a_download(owner_client: Client) -> None:
    owner_client.post("/", form_data(image_url="https://a.example/b.png", image_fidelity="0.3"))
    row = Generation.objects.get()
    assert (row.reference_url, row.image_fidelity) == ("https://a.example/b.png", 0.3)


# --- reuse -------------------------------------------------------------------------------------


def test_remix_fills_the_form_and_stores_its_origin(owner_client: Client, stranger: Member) -> None:
    before = make_generation(owner=stranger, prompt="Dunes", n=5, aspect_ratio="9:16")
    page = owner_client.get("/", {"remix": before.pk}).content.decode()
    assert re.search(r"<textarea id=\"prompt\"[^>]*>\s*Dunes</textarea>", page)
    assert re.search(r'value="5"[^>]* checked', page)
    assert f'name="remix_of" value="{before.pk}"' in page
    owner_client.post("/", form_data(remix_of=str(before.pk)))
    assert Generation.objects.latest("pk").remix_of == before


def test_remix_can_ask_for_fewer_images(owner_client: Client, owner: Member) -> None:
    before = make_generation(owner=owner, n=4)
    page = owner_client.get("/", {"remix": str(before.pk), "n": "1"}).content.decode()
    assert re.search(r'value="1"[^>]* checked', page)


@pytest.mark.parametrize("pk", ["", "x", "-1", "0", "99999999999999999999999999", "٣"])
def test_remix_of_an_unknown_generation_is_a_404(owner_client: Client, pk: str) -> None:
    assert owner_client.get("/", {"remix": pk}).status_code == 404


# --- the feed ---------------------------------------------------------------------------------


def test_feed_shows_only_own_generations(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    row = make_generation(owner=owner)
    assert f'id="generation-{row.pk}"' in owner_client.get("/").content.decode()
    assert f'id="generation-{row.pk}"' not in stranger_client.get("/").content.decode()


def test_feed_has_a_heading_for_each_day(owner_client: Client, owner: Member) -> None:
    make_generation(owner=owner)
    make_generation(Status.SUCCEEDED, owner=owner)
    make_generation(owner=owner, created_at=timezone.now().replace(year=2024, month=3, day=9))
    page = owner_client.get("/").content.decode()
    assert "1 in progress, 1 done" in page
    assert re.findall(r"<h2 id=\"day-[^>]*>([^<]*)</h2>", page) == ["Today", "9 Mar 2024"]


def test_older_pages_continue_without_gaps(owner_client: Client, owner: Member) -> None:
    moment = timezone.now() - timedelta(days=1)
    rows = [make_generation(owner=owner, created_at=moment) for _row in range(45)]
    seen, address = [], "/"
    while address:
        page = owner_client.get(address).content.decode()
        seen += [int(pk) for pk in re.findall(r'<article id="generation-(\d+)"', page)]
        older = re.search(r'href="(\?before=[\d-]+)"', page)
        address = f"/{older[1]}" if older else ""
    assert seen == [row.pk for row in reversed(rows)]


@pytest.mark.parametrize("key", ["", "x", "1", "1-x", "9" * 60 + "-1", "99999999999999999999-1"])
def test_invalid_page_key_is_a_404(owner_client: Client, key: str) -> None:
    assert owner_client.get("/", {"before": key}).status_code == 404


def test_number_of_queries_does_not_grow_with_the_cards(
    owner_client: Client, owner: Member, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_generation(owner=owner)
    make_generation(Status.SUCCEEDED, owner=owner)
    owner_client.get("/")
    with django_assert_num_queries(15):
        owner_client.get("/")
    for _row in range(10):
        make_generation(owner=owner)
        make_generation(Status.RUNNING, owner=owner)
    with django_assert_num_queries(15):
        owner_client.get("/")


def test_empty_studio_offers_examples(owner_client: Client) -> None:
    assert b"Your images appear here" in owner_client.get("/").content
    assert b"White wall, blue arch" in owner_client.get("/", {"example": "2"}).content
    assert owner_client.get("/", {"example": "x"}).status_code == 200


def test_every_page_has_a_new_nonce(owner_client: Client) -> None:
    nonces = {nonce_from(owner_client.get("/").content) for _page in range(2)}
    assert len(nonces) == 2
    assert str(uuid4()) not in nonces


def test_upload_handler_stops_writing_after_the_limit() -> None:
    handler = CappedUploadHandler()
    handler.new_file("image", "huge.png", "image/png", 0)
    chunk = b"\0" * 1024 * 1024
    for start in range(0, 90 * len(chunk), len(chunk)):
        handler.receive_data_chunk(chunk, start)
    file = handler.file_complete(90 * len(chunk))
    assert file
    assert file.size == 90 * len(chunk)
    assert file.seek(0, 2) <= MAX_BYTES + len(chunk)


# --- errors of the whole form -----------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
def test_error_of_no_field_is_shown_above_the_form(
    owner_client: Client, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def clean(form: GenerationForm) -> None:
        form.add_error(None, "The monthly limit is reached.")

    monkeypatch.setattr(GenerationForm, "clean", clean)
    response = owner_client.post("/", form_data(), headers=headers)
    page = response.content.decode()
    assert response.status_code == 422
    error = re.search(r'id="composer-error" role="alert">\s*<p>(.*?)</p>', page, re.S)
    assert error
    assert error[1].strip() == "The monthly limit is reached."
    assert page.index('id="composer-error"') < page.index('id="prompt"')


def test_limits_of_a_reference_image_are_in_the_page(owner_client: Client) -> None:
    page = owner_client.get("/").content.decode()
    field = page[page.index('id="image"') :].partition(">")[0]
    assert f'accept="{ACCEPT}"' in field
    assert f'data-max-bytes="{MAX_BYTES}" data-min-side="300"' in field
    assert 'data-max-ratio="2.5"' in field
    assert 'data-large-error="“%n” is too large. Maximum 50.0\xa0MB."' in field
