"""The page "Many at once": the preview and the start."""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from generations.models import Batch, Generation, Member, ReferenceImage, Status, Team
from generations.models.money import Limit, Price, Window
from generations.requests import GenerationRequest
from generations.web.batches import again, plan
from generations.web.batches.expansion import Template
from generations.web.studio import similar
from tests.builders import make_generation
from tests.forms import HTMX
from tests.images import encode
from tests.test_team_settings import put

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media_root")]

URL = "/batches/new/"


def form(text: str = "A pear\nA plum", **fields: Any) -> dict[str, Any]:
    defaults = {"text": text, "aspect_ratio": "3:2", "n": "2", "nonce": str(uuid4())}
    return defaults | {
        name.replace("value_product", "value:product"): value for name, value in fields.items()
    }


def preview(client: Client, text: str = "A pear\nA plum", **fields: Any) -> str:
    response = client.post(URL, form(text, **fields))
    assert response.status_code == 200, response.content.decode()
    return words(response)


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def seen_in(page: str) -> str:
    found = re.search(r'name="seen" value="([^"]*)"', page)
    assert found
    return found[1]


def start(client: Client, data: dict[str, Any]) -> Any:
    """Press the button of the preview of this form."""
    seen = seen_in(words(client.post(URL, data)))
    return client.post(URL, data | {"seen": seen, "start": "1"})


def set_price() -> None:
    Price.objects.create(engine="kling", model="*", amount_e4=1200)


# --- the preview ---------------------------------------------------------------------------------


def test_the_page_has_an_empty_form(owner_client: Client) -> None:
    page = words(owner_client.get(URL))
    assert "Many at once" in page
    assert 'name="start"' not in page


def test_total_and_price_are_known_before_the_start(owner_client: Client) -> None:
    set_price()
    page = preview(owner_client, "{red|green} pear\nA plum")
    assert "3 prompts, 6 images, $0.72" in page
    assert "Generate 6 images · $0.72" in page
    assert "red pear" in page and "green pear" in page
    assert not Generation.objects.exists()


def test_variables_ask_for_values(owner_client: Client) -> None:
    page = preview(owner_client, "{product} on oak")
    assert "Enter values for {product} below." in page
    assert 'name="value:product"' in page
    page = preview(owner_client, "{product} on oak", value_product="A mug\n\nA bowl")
    assert "A mug on oak" in page and "A bowl on oak" in page and "2 prompts" in page


def test_htmx_gets_the_preview_and_new_value_fields_only(owner_client: Client) -> None:
    response = owner_client.post(URL, form("{product} on oak"), headers=HTMX)
    assert words(response).count("<main") == 0
    assert 'id="values"' in words(response)
    data = form("{product} on oak", value_names="product")
    assert 'id="values"' not in words(owner_client.post(URL, data, headers=HTMX))


def test_errors_stand_beside_their_line_and_nothing_is_lost(owner_client: Client) -> None:
    text = "prompt,aspect ratio,images\nA pear,5:1,2\nA plum,16x9,x\nA fig,1:1,99\nA date,,\n"
    page = preview(owner_client, text)
    assert "“5:1” is not an aspect ratio on offer." in page
    assert "“x” is not a number of images." in page
    assert "Choose 1 to 9 images." in page
    assert [int(n) for n in re.findall(r'data-line="(\d+)"', page)] == [2, 3, 4]
    assert "A plum,16x9,x" in page  # the text itself
    assert "1 prompt, 2 images" in page


def test_a_table_sets_what_the_offer_has(owner: Member, owner_client: Client) -> None:
    text = (
        "Prompt;Negative_prompt;Ratio;N;Collection;Product\n"
        "{product} on oak;text;16:9;1;Spring;A mug\n"
        "A pear;;;;;\n"
    )
    assert start(owner_client, form(text)).status_code == 303
    first, second = Generation.objects.order_by("batch_row")
    assert (first.prompt, first.negative_prompt, first.aspect_ratio, first.n) == (
        "A mug on oak", "text", "16:9", 1,
    )  # fmt: skip
    assert first.collection is not None and first.collection.name == "Spring"
    assert (second.aspect_ratio, second.n, second.collection) == ("3:2", 2, None)


def test_tags_of_a_table_are_those_of_its_rows(owner_client: Client) -> None:
    text = (
        'prompt,Tags\nA pear,"spring,  Still life,SPRING"\nA plum,\nA fig,"still life, spring"\n'
        'A fig,"spring,Still life"\n'
    )
    page = preview(owner_client, text)
    assert 'A pear</span> <span class="fact">3:2, 2 images, SPRING, Still life' in page
    start(owner_client, form(text))
    tags = Generation.objects.order_by("batch_row").values_list("tag_names", flat=True)
    assert list(tags)[:2] == [["SPRING", "Still life"], None]


def test_tags_without_letters_too_long_or_too_many_are_told_beside_their_line(
    owner_client: Client,
) -> None:
    many = ",".join(str(number) for number in range(21))
    page = preview(owner_client, f'prompt,tags\nA pear,...\nA plum,{"x" * 41}\nA fig,"{many}"\n')
    assert "“...” can’t be a tag: use 1 to 40 letters or digits." in page
    assert f"“{'x' * 41}” can’t be a tag" in page
    assert "Use at most 20 tags." in page
    assert [int(n) for n in re.findall(r'data-line="(\d+)"', page)] == [2, 3, 4]


def test_a_request_without_tags_has_the_key_that_it_had_before() -> None:
    assert "tag" not in GenerationRequest("A pear", "1:1").canonical()
    tagged = GenerationRequest("A pear", "1:1", tags=("spring",))
    assert tagged.canonical() != GenerationRequest("A pear", "1:1").canonical()


def test_a_column_that_is_not_used_is_named(owner_client: Client) -> None:
    assert "The column “Model” is not used." in preview(owner_client, "prompt,Model\nA pear,x")


def test_a_file_replaces_the_text(owner_client: Client) -> None:
    file = SimpleUploadedFile("pears.csv", "\ufeffprompt,n\nA café,3\n".encode())
    page = preview(owner_client, "A plum", file=file)
    assert "1 prompt, 3 images" in page
    assert "The text before the file" in page and "A plum" in page


def test_a_file_that_is_no_text_is_refused(owner_client: Client) -> None:
    file = SimpleUploadedFile("pears.png", b"\x89PNG\x00\x01\x02")
    response = owner_client.post(URL, form(file=file))
    assert response.status_code == 422
    assert "pears.png could not be read" in words(response)


def test_too_many_are_told_early(owner_client: Client) -> None:
    page = preview(owner_client, "{a|b|c|d} pear " + "{1|2|3|4|5|6|7|8}" * 12)
    assert "Up to 200 can start at once." in page
    page = preview(owner_client, "{a|b}" * 8)
    assert "These are 256 prompts. Up to 200 can start at once." in page
    assert "Start only the first 200 prompts" in page


def test_repeats_are_told_and_can_be_left_out(owner_client: Client) -> None:
    page = preview(owner_client, "A pear\nA plum\nA pear")
    assert "Leave out 1 prompt that repeats an earlier one" in page
    assert "repeats number 1" in page
    page = preview(owner_client, "A pear\nA plum\nA pear", leave_out=["repeats"])
    assert "2 prompts, 4 images" in page


def test_what_was_made_already_is_told(owner: Member, owner_client: Client) -> None:
    make_generation(Status.SUCCEEDED, owner=owner, prompt="A red pear on oak", aspect_ratio="3:2")
    page = preview(owner_client, "A red pear on oak\nA green pear on oak")
    assert "Leave out 1 prompt that was already generated" in page
    page = preview(owner_client, "A red pear on oak\nA plum", leave_out=["made"])
    assert "1 prompt, 2 images" in page


def test_what_was_made_already_is_looked_up_at_once(
    owner: Member, owner_client: Client, django_assert_num_queries: Any
) -> None:
    for n in (1, 7):
        make_generation(
            Status.SUCCEEDED, owner=owner, prompt=f"Pear {n} on oak", aspect_ratio="3:2"
        )
    requests = [GenerationRequest(f"pear {n} ON oak", "3:2") for n in range(40)]
    with django_assert_num_queries(4):
        found = similar.find_same(owner, requests)
    assert list(found) == [1, 7]
    others = [
        GenerationRequest("Pear 1 on oak", "1:1"),
        GenerationRequest("Pear 1 on oak and brass", "3:2"),
        GenerationRequest("Pear 1 on oak", "3:2", reference_url="https://example.com/a.png"),
    ]
    assert similar.find_same(owner, others) == {}


def test_a_text_of_too_many_prompts_is_refused_before_it_is_read(
    owner_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []
    parse = Template.parse

    def counted(text: str) -> Template:
        parsed.append(text)
        return parse(text)

    monkeypatch.setattr(Template, "parse", counted)
    page = preview(owner_client, "a\n" * 90_000)
    assert "The text has 90,000 prompts. Up to 2,000 can be read at once: split it." in page
    assert len(parsed) < 10
    response = owner_client.post(URL, form("a\n" * 90_000, start="1", seen="0.0.0"))
    assert response.status_code == 422
    assert not Batch.objects.exists()


def test_others_private_images_are_not_told(stranger: Member, owner_client: Client) -> None:
    make_generation(
        Status.SUCCEEDED, owner=stranger, prompt="A red pear on oak", is_private=True,
        aspect_ratio="3:2",
    )  # fmt: skip
    assert "already generated" not in preview(owner_client, "A red pear on oak")


# --- the start -----------------------------------------------------------------------------------


def test_start_makes_one_batch_and_leads_to_it(owner: Member, owner_client: Client) -> None:
    data = form(title="Fruit", is_private="1")
    response = start(owner_client, data)
    batch = Batch.objects.get()
    assert (response.status_code, response["Location"]) == (303, f"/batches/{batch.pk}/")
    assert (batch.title, batch.rows.count(), batch.owner) == ("Fruit", 2, owner)
    assert all(row.is_private and row.n == 2 for row in batch.rows.all())


def test_a_double_press_makes_one_batch(owner_client: Client) -> None:
    data = form()
    first, second = start(owner_client, data), start(owner_client, data)
    assert first["Location"] == second["Location"]
    assert Generation.objects.count() == 2
    assert start(owner_client, data | {"text": "A fig"})["Location"] != first["Location"]


def test_a_limit_for_a_part_is_told_before_and_starts_nothing(owner_client: Client) -> None:
    set_price()
    Limit.objects.put(Limit.Scope.DEFAULT, Window.DAY, money_e4=5000)
    data = form("A pear\nA plum\nA fig")
    page = preview(owner_client, data["text"])
    assert "Your limit for today allows 2 of 3 prompts. $0.50 left." in page
    response = start(owner_client, data)
    assert response.status_code == 422
    assert not Generation.objects.exists()
    assert "A fig" in words(response)
    assert start(owner_client, data | {"leave_out": ["beyond"]}).status_code == 303
    assert [row.prompt for row in Generation.objects.order_by("pk")] == ["A pear", "A plum"]


def test_a_price_that_was_not_seen_starts_nothing(owner_client: Client) -> None:
    set_price()
    data = form()
    seen = seen_in(words(owner_client.post(URL, data)))
    Price.objects.create(engine="kling", model="*", amount_e4=1300)
    response = owner_client.post(URL, data | {"seen": seen, "start": "1"})
    assert response.status_code == 422
    assert "has changed since it was shown" in words(response)
    assert "$0.52" in words(response)
    assert not Generation.objects.exists()


def test_without_a_preview_nothing_starts(owner_client: Client) -> None:
    assert owner_client.post(URL, form() | {"start": "1"}).status_code == 422
    assert owner_client.post(URL, form("") | {"start": "1"}).status_code == 422
    assert not Generation.objects.exists()


def test_errors_must_be_changed_or_left_out(owner_client: Client) -> None:
    data = form("prompt,n\nA pear,x\nA plum,1")
    assert start(owner_client, data).status_code == 422
    assert start(owner_client, data | {"leave_out": ["errors"]}).status_code == 303
    assert Generation.objects.get().prompt == "A plum"


def test_an_unpriced_kind_is_refused(owner_client: Client) -> None:
    Team(unpriced=Team.Unpriced.REFUSE).save()
    page = preview(owner_client)
    assert "No price is set for this kind of request" in page
    assert 'name="start"' not in page


def test_prompts_without_images_can_be_tried_again(
    owner: Member, owner_client: Client, stranger_client: Client
) -> None:
    start(owner_client, form("A {{pear}}\nA plum\nA fig", title="Fruit"))
    batch = Batch.objects.get()
    owner_client.post(f"/batches/{batch.pk}/cancel")
    Generation.objects.filter(prompt="A plum").delete()
    page = words(owner_client.get(f"{URL}?batch={batch.pk}"))
    assert "A {{pear}} A fig" in page and 'value="Fruit"' in page
    assert "pear" not in words(stranger_client.get(f"{URL}?batch={batch.pk}"))


def test_columns_of_a_batch_tried_again_are_read_in_the_language_that_wrote_them(
    owner: Member, owner_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {
        "negative prompt": "prompt phủ định", "aspect ratio": "tỷ lệ khung hình", "images": "ảnh",
    }  # fmt: skip
    names["tags"] = "thẻ"
    for module in (again, plan):
        monkeypatch.setattr(module, "_", lambda text: names.get(str(text), text))
    rows = ("prompt,aspect_ratio,n,negative,tags", "A pear,1:1,1,text,b;a", "A plum,16:9,3,people,")
    start(owner_client, form("\n".join(rows)))
    batch = Batch.objects.get()
    owner_client.post(f"/batches/{batch.pk}/cancel")
    text = again.unfinished_as_text(owner, str(batch.pk))["text"]
    assert text.startswith("prompt,prompt phủ định,tỷ lệ khung hình,ảnh,thẻ\n")
    start(owner_client, form(text))
    settings = ("prompt", "aspect_ratio", "n", "negative_prompt", "tag_names")
    again_rows = Batch.objects.latest("pk").rows.order_by("batch_row").values_list(*settings)
    assert list(again_rows) == [
        ("A pear", "1:1", 1, "text", ["a", "b"]),
        ("A plum", "16:9", 3, "people", None),
    ]


def test_what_was_made_already_and_left_out_is_not_started(
    owner: Member, owner_client: Client
) -> None:
    make_generation(Status.SUCCEEDED, owner=owner, prompt="A red pear on oak", aspect_ratio="3:2")
    data = form("A red pear on oak\nA plum", leave_out=["made"])
    assert start(owner_client, data).status_code == 303
    assert [row.prompt for row in Batch.objects.get().rows.all()] == ["A plum"]


@pytest.mark.parametrize("leave_out", [[], ["beyond"]])
def test_a_double_press_that_uses_up_the_limit_leads_to_the_batch(
    owner_client: Client, leave_out: list[str]
) -> None:
    set_price()
    Limit.objects.put(Limit.Scope.DEFAULT, Window.DAY, money_e4=5000)
    data = form("A pear\nA plum\nA fig" if leave_out else "A pear\nA plum", leave_out=leave_out)
    data["seen"] = seen_in(words(owner_client.post(URL, data)))
    first = owner_client.post(URL, data | {"start": "1"})
    second = owner_client.post(URL, data | {"start": "1"})
    assert (second.status_code, second["Location"]) == (303, first["Location"])
    assert Generation.objects.count() == 2


def test_combinations_without_end_are_refused_at_once(owner_client: Client) -> None:
    """Also where each of them is invalid, and where there are even more braces."""
    text = "{a|b} " * 40
    assert owner_client.post(URL, form(text, aspect_ratio="7:1")).status_code == 422
    assert "Use at most 40 pairs of braces" in preview(owner_client, "{|a}" * 20_000)


def test_an_image_address_that_is_too_long_is_told(owner_client: Client) -> None:
    page = preview(owner_client, f"prompt,image url\nA pear,https://x.example/{'a' * 2000}")
    assert "An image address can have at most 2000 characters." in page


def test_reference_image_is_that_of_all_prompts_and_is_chosen_once(
    owner: Member, owner_client: Client, stranger: Member
) -> None:
    file = SimpleUploadedFile("mug.png", encode(Image.new("RGB", (400, 400), "teal"), "PNG"))
    page = words(owner_client.post(URL, form(image=file, image_fidelity="0.7", check="1")))
    reference = ReferenceImage.objects.get(owner=owner)
    assert f'value="{reference.pk}" checked' in page
    data = form(reference=str(reference.pk), image_fidelity="0.7", start="1", seen=seen_in(page))
    assert owner_client.post(URL, data).status_code == 303
    rows = Generation.objects.all()
    assert {(row.reference, row.image_fidelity) for row in rows} == {(reference, 0.7)}
    ReferenceImage.objects.filter(pk=reference.pk).update(owner=stranger)
    Generation.objects.update(is_private=True, owner=stranger)
    response = owner_client.post(URL, data | {"nonce": str(uuid4())})
    assert response.status_code == 422
    assert "This reference image no longer exists" in words(response)


def test_page_says_which_model_batches_take(owner_client: Client, admin: Member) -> None:
    assert "Batches are generated with Kling 1." in words(owner_client.get(URL))
    put(admin, offered_models=["flux/flux-1.1-pro"], default_model="flux/flux-1.1-pro")
    page = words(owner_client.get(URL))
    assert "Your team does not offer Kling 1." in page
    assert "Batches are generated with" not in page


def test_batch_does_not_change_the_model_of_the_studio(owner: Member, owner_client: Client) -> None:
    make_generation(owner=owner, engine="flux", model="flux-1.1-pro", aspect_ratio="21:9")
    for number in range(12):
        batch = Batch.objects.create(owner=owner, idempotency_key=f"x{number}")
        make_generation(owner=owner, batch=batch, batch_row=1)
    form = owner_client.get("/").context["form"]
    assert form.offer.key == "flux/flux-1.1-pro"
