"""The studio: one form, one press, one row; and the stream of what one asked for."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from generations.catalog import MAX_REFERENCE_BYTES
from generations.models import Generation, Member, ReferenceImage, Status
from generations.web.studio.uploads import CappedUploadHandler
from tests.builders import make_generation, png_bytes, upload
from tests.forms import HTMX, form_data, nonce_from

pytestmark = pytest.mark.django_db


# --- making ----------------------------------------------------------------------------------


def test_a_press_makes_a_row_and_leads_to_its_card(owner_client: Client, owner: Member) -> None:
    answer = owner_client.post("/", form_data(prompt="A pear", n="4", aspect_ratio="16:9"))
    row = Generation.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/#generation-{row.pk}")
    assert (row.owner, row.prompt, row.n, row.aspect_ratio) == (owner, "A pear", 4, "16:9")
    assert row.status == Status.QUEUED


def test_the_row_and_the_kick_commit_together(owner_client: Client) -> None:
    from django_q.models import OrmQ  # noqa: TID251

    owner_client.post("/", form_data())
    assert OrmQ.objects.count() == 1


def test_the_same_press_twice_makes_one_row_and_one_kick(owner_client: Client) -> None:
    from django_q.models import OrmQ  # noqa: TID251

    press = form_data()
    first, second = owner_client.post("/", press), owner_client.post("/", press)
    assert Generation.objects.count() == OrmQ.objects.count() == 1
    assert first["Location"] == second["Location"]


def test_the_same_press_with_the_same_file_makes_one_row(owner_client: Client) -> None:
    press, content = form_data(), png_bytes()
    for _press in range(2):
        owner_client.post("/", press | {"image": upload(content)})
    assert Generation.objects.count() == ReferenceImage.objects.count() == 1


def test_a_form_changed_after_the_back_button_is_a_new_wish(owner_client: Client) -> None:
    press = form_data()
    owner_client.post("/", press)
    owner_client.post("/", press | {"prompt": "A plum"})
    assert Generation.objects.count() == 2


def test_a_nonce_of_somebody_else_is_no_obstacle(
    owner_client: Client, stranger_client: Client
) -> None:
    press = form_data()
    owner_client.post("/", press)
    stranger_client.post("/", press)
    assert Generation.objects.count() == 2


def test_with_htmx_the_card_comes_with_a_fresh_nonce(owner_client: Client) -> None:
    press = form_data()
    answer = owner_client.post("/", press, headers=HTMX)
    row = Generation.objects.get()
    page = answer.content.decode()
    assert answer.status_code == 200
    assert f'<article id="generation-{row.pk}"' in page
    assert 'data-status="queued" data-version="1"' in page
    assert nonce_from(answer.content) != press["nonce"]
    assert 'id="poller"' in page
    assert "every 2s" in page


def test_with_htmx_the_same_press_brings_the_same_card(owner_client: Client) -> None:
    press = form_data()
    pages = [owner_client.post("/", press, headers=HTMX).content.decode() for _press in range(2)]
    ids = [re.findall(r'<article id="(generation-\d+)"', page) for page in pages]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 1


# --- refusing --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("prompt", "", "Describe the picture first"),
        ("prompt", "   \n ", "Describe the picture first"),
        ("prompt", "x" * 501, "501 characters are too many"),
        ("prompt", "a\x00b", "Null characters"),
        ("negative_prompt", "x" * 201, "201 characters are too many"),
        ("aspect_ratio", "5:4", "Choose a shape"),
        ("aspect_ratio", "", "Choose a shape"),
        ("n", "0", "Choose 1 to 9"),
        ("n", "10", "Choose 1 to 9"),
        ("n", "many", "Choose 1 to 9"),
        ("n", "", "Choose how many"),
        ("image_url", "http://a.example/b.png", "begins with https"),
        ("image_url", "file:///etc/passwd", "begins with https"),
        ("image_url", "not an address", "begins with https"),
        ("image_fidelity", "1.1", "less than or equal to 1"),
        ("image_fidelity", "nan", "number"),
        ("reference", "99999999999999999999999", "gone"),
        ("reference", "x' OR 1=1", "gone"),
        ("nonce", "no-uuid", "out of date"),
        ("nonce", "", "out of date"),
    ],
)
def test_what_is_wrong_stands_next_to_its_field(
    owner_client: Client, field: str, value: str, words: str
) -> None:
    for headers in ({}, HTMX):
        answer = owner_client.post(
            "/", form_data(**{"prompt": "A pear"} | {field: value}), headers=headers
        )
        assert answer.status_code == 422
        page = answer.content.decode()
        assert words in page
        if field != "nonce":
            assert f'id="{field}-error"' in page
    assert not Generation.objects.exists()


def test_an_invalid_form_keeps_everything_that_was_typed(owner_client: Client) -> None:
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


def test_with_htmx_the_form_alone_comes_back(owner_client: Client) -> None:
    answer = owner_client.post("/", form_data(prompt=""), headers=HTMX)
    assert answer["HX-Retarget"] == "#composer"
    assert b"<html" not in answer.content
    assert b'aria-invalid="true" autofocus' in answer.content


def test_line_breaks_count_once_as_the_page_counts_them(owner_client: Client) -> None:
    owner_client.post("/", form_data(prompt="\r\n".join(["x" * 24] * 20)))
    assert len(Generation.objects.get().prompt) == 499


def test_characters_are_code_points(owner_client: Client, settings: Settings) -> None:
    settings.PROMPT_CHARACTERS = 3
    assert owner_client.post("/", form_data(prompt="🍐🍐🍐")).status_code == 303
    assert owner_client.post("/", form_data(prompt="🍐🍐🍐🍐")).status_code == 422


@pytest.mark.parametrize("body", [b"prompt=%ED%A0%80&n=1", b"prompt=%FF%FE&aspect_ratio=%C3%28"])
def test_broken_text_is_refused_and_breaks_nothing(owner_client: Client, body: bytes) -> None:
    answer = owner_client.post("/", body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 422


def test_five_megabytes_of_prompt_are_a_clear_no(owner_client: Client) -> None:
    assert owner_client.post("/", form_data(prompt="x" * 5_000_000)).status_code == 400
    urlencoded = b"prompt=" + b"x" * 5_000_000
    answer = owner_client.post("/", urlencoded, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400
    assert b"too large" in answer.content


# --- a reference image ------------------------------------------------------------------------


def test_a_reference_image_goes_along(owner_client: Client, owner: Member) -> None:
    owner_client.post("/", form_data(image=upload(name="dünen.png"), image_fidelity="0.8"))
    row = Generation.objects.get()
    assert row.reference is not None
    assert (row.reference.owner, row.reference.name) == (owner, "dünen.png")
    assert (row.reference.content_type, row.image_fidelity) == ("image/png", 0.8)


def test_a_good_file_in_a_bad_form_is_chosen_once(owner_client: Client) -> None:
    page = owner_client.post("/", form_data(prompt="", image=upload())).content.decode()
    reference = ReferenceImage.objects.get()
    assert f'name="reference" id="reference" data-name="pear.png" value="{reference.pk}"' in page
    assert f"/references/{reference.pk}" in page
    owner_client.post("/", form_data(reference=str(reference.pk)))
    assert Generation.objects.get().reference == reference


def test_a_new_file_wins_over_the_kept_one(owner_client: Client) -> None:
    owner_client.post("/", form_data(prompt="", image=upload()))
    kept = ReferenceImage.objects.get()
    owner_client.post("/", form_data(reference=str(kept.pk), image=upload(png_bytes("3:2"))))
    assert Generation.objects.get().reference != kept


def test_an_unused_reference_of_somebody_else_is_not_taken(
    owner_client: Client, stranger_client: Client
) -> None:
    owner_client.post("/", form_data(prompt="", image=upload()))
    pk = ReferenceImage.objects.get().pk
    assert stranger_client.post("/", form_data(reference=str(pk))).status_code == 422


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "This file is empty"),
        (b"GIF89a nothing", "no JPEG or PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no JPEG or PNG"),
        (png_bytes(edge=299), "300 px each side is the least, this one has 299"),
        (png_bytes("3:1"), "too long"),
        (png_bytes()[:-40], "no JPEG or PNG"),
        (png_bytes(form="GIF"), "no JPEG or PNG"),
        (png_bytes() + b"\0" * 10 * 1024 * 1024, "too large"),
    ],
)
def test_what_is_wrong_with_an_image_is_said(
    owner_client: Client, content: bytes, words: str
) -> None:
    answer = owner_client.post("/", form_data(image=upload(content)))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not ReferenceImage.objects.exists()


def test_a_small_file_of_many_pixels_is_not_decoded(owner_client: Client) -> None:
    bomb = png_bytes(edge=300).replace(b"\0\0\1\x2c\0\0\1\x2c", b"\0\0\x75\x30\0\0\x75\x30")
    answer = owner_client.post("/", form_data(image=upload(bomb)))
    assert answer.status_code == 422
    assert not ReferenceImage.objects.exists()


@pytest.mark.parametrize("image", [{"image_url": "https://a.example/b.png"}, {"image": "file"}])
def test_nothing_is_left_out_beside_a_reference(
    owner_client: Client, image: dict[str, Any]
) -> None:
    image = {name: upload() if value == "file" else value for name, value in image.items()}
    answer = owner_client.post("/", form_data(negative_prompt="birds", **image))
    assert answer.status_code == 422
    assert b"Not with a reference image" in answer.content


def test_an_image_and_an_address_exclude_each_other(owner_client: Client) -> None:
    answer = owner_client.post("/", form_data(image=upload(), image_url="https://a.example/b.png"))
    assert answer.status_code == 422
    assert b"not both" in answer.content


def test_closeness_without_a_reference_is_not_kept(owner_client: Client) -> None:
    owner_client.post("/", form_data(image_fidelity="0.3"))
    assert Generation.objects.get().image_fidelity is None


def test_a_reference_by_address_is_passed_on_unseen(owner_client: Client) -> None:
    owner_client.post("/", form_data(image_url="https://a.example/b.png", image_fidelity="0.3"))
    row = Generation.objects.get()
    assert (row.reference_url, row.image_fidelity) == ("https://a.example/b.png", 0.3)


# --- again -------------------------------------------------------------------------------------


def test_remix_fills_the_form_and_remembers_where_from(
    owner_client: Client, stranger: Member
) -> None:
    before = make_generation(owner=stranger, prompt="Dunes", n=5, aspect_ratio="9:16")
    page = owner_client.get("/", {"remix": before.pk}).content.decode()
    assert re.search(r"<textarea id=\"prompt\"[^>]*>\s*Dunes</textarea>", page)
    assert re.search(r'value="5"[^>]* checked', page)
    assert f'name="remix_of" value="{before.pk}"' in page
    owner_client.post("/", form_data(remix_of=str(before.pk)))
    assert Generation.objects.latest("pk").remix_of == before


def test_the_missing_one_alone_can_be_made(owner_client: Client, owner: Member) -> None:
    before = make_generation(owner=owner, n=4)
    page = owner_client.get("/", {"remix": str(before.pk), "n": "1"}).content.decode()
    assert re.search(r'value="1"[^>]* checked', page)


@pytest.mark.parametrize("pk", ["", "x", "-1", "0", "99999999999999999999999999", "٣"])
def test_again_of_nothing_is_a_404(owner_client: Client, pk: str) -> None:
    assert owner_client.get("/", {"remix": pk}).status_code == 404


# --- the stream -------------------------------------------------------------------------------


def test_the_stream_shows_ones_own_and_nobody_elses(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    row = make_generation(owner=owner)
    assert f'id="generation-{row.pk}"' in owner_client.get("/").content.decode()
    assert f'id="generation-{row.pk}"' not in stranger_client.get("/").content.decode()


def test_days_have_their_own_headings(owner_client: Client, owner: Member) -> None:
    make_generation(owner=owner)
    make_generation(Status.SUCCEEDED, owner=owner)
    make_generation(owner=owner, created_at=timezone.now().replace(year=2024, month=3, day=9))
    page = owner_client.get("/").content.decode()
    assert "1 open, 1 done" in page
    assert re.findall(r"<h2 id=\"day-[^>]*>([^<]*)</h2>", page) == ["Today", "9 March 2024"]


def test_older_pages_go_on_where_the_last_one_ended(owner_client: Client, owner: Member) -> None:
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
def test_a_key_that_is_none_is_a_404(owner_client: Client, key: str) -> None:
    assert owner_client.get("/", {"before": key}).status_code == 404


def test_the_number_of_queries_does_not_grow_with_the_cards(
    owner_client: Client, owner: Member, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_generation(owner=owner)
    make_generation(Status.SUCCEEDED, owner=owner)
    owner_client.get("/")
    with django_assert_num_queries(8):
        owner_client.get("/")
    for _row in range(10):
        make_generation(owner=owner)
        make_generation(Status.RUNNING, owner=owner)
    with django_assert_num_queries(8):
        owner_client.get("/")


def test_an_empty_studio_offers_prompts_to_begin_with(owner_client: Client) -> None:
    assert b"Your pictures will appear here" in owner_client.get("/").content
    assert b"White wall, blue arch" in owner_client.get("/", {"example": "2"}).content
    assert owner_client.get("/", {"example": "x"}).status_code == 200


def test_the_demo_says_that_it_is_one(owner_client: Client, settings: Settings) -> None:
    assert b"simulate: cut after accept" in owner_client.get("/").content
    settings.DEMO = False
    assert b"simulate:" not in owner_client.get("/").content


def test_the_demo_names_faults_that_the_simulator_knows(owner_client: Client) -> None:
    from klingweb.simulator.scenarios import scenario_in_prompt

    page = owner_client.get("/").content.decode()
    words = re.findall(r"<dt>(simulate: [^<]+)</dt>", page)
    assert len(words) == 10
    assert "normal" not in [scenario_in_prompt(said) for said in words]


def test_a_nonce_is_made_for_every_page(owner_client: Client) -> None:
    nonces = {nonce_from(owner_client.get("/").content) for _page in range(2)}
    assert len(nonces) == 2
    assert str(uuid4()) not in nonces


def test_of_a_huge_file_no_more_is_written_than_can_be_right() -> None:
    handler = CappedUploadHandler()
    handler.new_file("image", "huge.png", "image/png", 0)
    chunk = b"\0" * 1024 * 1024
    for start in range(0, 50 * len(chunk), len(chunk)):
        handler.receive_data_chunk(chunk, start)
    kept = handler.file_complete(50 * len(chunk))
    assert kept
    assert kept.size == 50 * len(chunk)
    assert kept.seek(0, 2) <= MAX_REFERENCE_BYTES + len(chunk)
