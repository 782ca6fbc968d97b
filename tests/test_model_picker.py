"""The choice of a model in the studio: what it keeps, what it parks, and what is refused."""

import re
from typing import Any

import pytest
from django.test import Client

from generations.engines import registry
from generations.models import Collection, Generation, Member, ReferenceImage, Status, team_settings
from generations.models.money import Price
from generations.models.team import Team
from generations.requests import GenerationRequest, NotPossible, send_again
from tests.builders import make_generation
from tests.forms import HTMX, form_data
from tests.test_team_settings import put, section_data

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media_root")]

KLING, FLUX = "kling/kling-v1", "flux/flux-1.1-pro"
GPT, DALL_E = "openai/gpt-image-1.5", "openai/dall-e-3"


def fields_of(page: str) -> dict[str, Any]:
    """The values of the composer as a browser sends them."""
    form = page[page.index('id="composer"') :]
    form = form[: form.index("</form>")]
    values: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        attributes = dict(re.findall(r'(\S+)="([^"]*)"', tag))
        is_choice = attributes.get("type") in ("radio", "checkbox")
        is_sent = " checked" in tag if is_choice else attributes.get("type") != "file"
        if "name" in attributes and is_sent:
            values[attributes["name"]] = attributes["value"]
    for name, text in re.findall(r'<textarea[^>]*name="(\w+)"[^>]*>\n?([^<]*)</textarea>', form):
        values[name] = text
    for name, options in re.findall(r'<select[^>]*name="(\w+)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'value="(\d+)" selected', options)
        values[name] = chosen[1] if chosen else ""
    return values


def opened(client: Client, query: str = "") -> dict[str, Any]:
    return fields_of(client.get(f"/{query}").content.decode())


def switched(client: Client, values: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """Choose a model; return the fields of the new form and its HTML."""
    data = values | {"model": key, "switch_model": "1"}
    response = client.post("/", data, headers=HTMX)
    assert response.status_code == 200
    assert response["HX-Retarget"] == "#composer"
    return fields_of(response.content.decode()), response.content.decode()


def set_prices(**prices: int) -> None:
    for engine, amount in prices.items():
        Price.objects.put({"engine": engine, "model": "*"}, amount, None)


# --- the row ---------------------------------------------------------------------------------


def test_models_are_listed_with_price_line_and_usual_time(owner_client: Client) -> None:
    set_prices(kling=1200, flux=600)
    page = owner_client.get("/").content.decode()
    row = page[page.index('id="model-flux-flux-1-1-pro"') :]
    assert "$0.06" in row[:1500]
    assert "Fine detail, fast. Usually 6–14 s." in row[:1500]
    assert opened(owner_client)["model"] == KLING


def test_one_model_has_no_row(owner_client: Client, admin: Member) -> None:
    put(admin, offered_models=[KLING])
    page = owner_client.get("/").content.decode()
    assert 'id="models"' not in page
    assert opened(owner_client)["model"] == KLING


def test_prices_that_depend_on_a_field_begin_with_the_lowest(owner_client: Client) -> None:
    model = "gpt-image-1.5"
    for option, amount in (("", 400), ("low", 100), ("high", 1700)):
        Price.objects.put({"engine": "openai", "model": model, "option": option}, amount, None)
    assert "from $0.01" in owner_client.get("/").content.decode()


def test_model_without_a_price_says_so_where_it_would_be_refused(owner_client: Client) -> None:
    set_prices(kling=1200)
    Team(unpriced="refuse").save()
    page = owner_client.get("/").content.decode()
    assert page.count("No price is set for this model.") == len(registry.all_offers()) - 1
    response = owner_client.post("/", form_data(model=FLUX, switch_model="1"))
    assert response.status_code == 422
    assert "No price is set for this model." in response.content.decode()


def test_list_of_eight_models_has_a_search_field(owner_client: Client, admin: Member) -> None:
    put(admin, offered_models=[offer.key for offer in registry.all_offers()[:7]])
    assert 'id="model-search"' not in owner_client.get("/").content.decode()
    put(admin, offered_models=[offer.key for offer in registry.all_offers()[:8]])
    assert 'id="model-search"' in owner_client.get("/").content.decode()


# --- what a switch keeps ---------------------------------------------------------------------


def test_switch_keeps_what_fits_and_parks_the_rest(owner_client: Client, owner: Member) -> None:
    spring = Collection.objects.create(name="Spring", created_by=owner)
    typed = opened(owner_client) | {
        "prompt": "Two\npears",
        "aspect_ratio": "21:9",
        "n": "4",
        "negative_prompt": "text",
        "collection": str(spring.pk),
        "is_private": "1",
    }
    dall_e, page = switched(owner_client, typed, DALL_E)
    assert dall_e["prompt"] == "Two\npears"
    assert (dall_e["aspect_ratio"], dall_e["n"]) == ("16:9", "1")
    assert (dall_e["collection"], dall_e["is_private"]) == (str(spring.pk), "1")
    assert "negative_prompt" not in dall_e
    assert "21:9 is not available with DALL·E 3." in page
    assert "DALL·E 3 generates up to 1 at once." in page
    assert "DALL·E 3 takes no negative prompt." in page
    flux, _page = switched(owner_client, dall_e, FLUX)
    assert (flux["aspect_ratio"], flux["n"]) == ("21:9", "4")
    kling, page = switched(owner_client, flux, KLING)
    assert kling["negative_prompt"] == "text"
    assert not [name for name in kling if name.startswith("parked-")]
    assert "not available with" not in page.replace("Not available with a reference image", "")


def test_value_chosen_after_a_switch_replaces_the_parked_one(owner_client: Client) -> None:
    values, _page = switched(owner_client, opened(owner_client) | {"aspect_ratio": "21:9"}, GPT)
    assert (values["aspect_ratio"], values["parked-aspect_ratio"]) == ("3:2", "21:9")
    values, _page = switched(owner_client, values | {"aspect_ratio": "1:1"}, KLING)
    assert values["aspect_ratio"] == "1:1"


def test_field_of_one_model_comes_back_with_it(owner_client: Client) -> None:
    gpt, _page = switched(owner_client, opened(owner_client), GPT)
    flux, page = switched(owner_client, gpt | {"quality": "high"}, FLUX)
    assert "quality" not in flux
    assert "Quality: High is not available with Flux 1.1 Pro." in page
    again, _page = switched(owner_client, flux, GPT)
    assert again["quality"] == "high"


def test_invalid_form_keeps_what_is_parked(owner_client: Client) -> None:
    values, _page = switched(owner_client, opened(owner_client) | {"aspect_ratio": "21:9"}, GPT)
    response = owner_client.post("/", values | {"prompt": ""})
    assert response.status_code == 422
    assert fields_of(response.content.decode())["parked-aspect_ratio"] == "21:9"


# --- what is sent ----------------------------------------------------------------------------


def test_request_is_for_the_chosen_model(owner_client: Client) -> None:
    values, _page = switched(owner_client, opened(owner_client), GPT)
    owner_client.post("/", values | {"prompt": "A pear", "quality": "low"})
    row = Generation.objects.get()
    assert (row.engine, row.model) == ("openai", "gpt-image-1.5")
    assert row.params == {"quality": "low", "background": "auto"}
    assert opened(owner_client)["model"] == GPT  # the last one used


def test_model_changed_without_its_fields_is_shown_before_it_is_sent(owner_client: Client) -> None:
    """Without JavaScript a radio button changes nothing but itself."""
    values = opened(owner_client) | {"prompt": "A pear", "model": FLUX}
    response = owner_client.post("/", values)
    page = response.content.decode()
    assert response.status_code == 422
    assert "The model was changed. Check the settings, then generate." in page
    assert not Generation.objects.exists()
    owner_client.post("/", fields_of(page))
    assert Generation.objects.get().model == "flux-1.1-pro"


@pytest.mark.parametrize("key", ["flux/gone", "x", "openai/dall-e-3"])
def test_model_that_is_not_offered_is_refused_and_nothing_is_lost(
    owner_client: Client, admin: Member, key: str
) -> None:
    put(admin, offered_models=[KLING, FLUX])
    typed = {"prompt": "A pear", "aspect_ratio": "16:9", "n": "3", "negative_prompt": "text"}
    response = owner_client.post("/", opened(owner_client) | typed | {"model": key})
    page = response.content.decode()
    assert response.status_code == 422
    assert 'id="model-error"' in page
    assert "Choose another" in page
    assert typed.items() <= fields_of(page).items()
    assert not Generation.objects.exists()


def test_model_without_a_reference_is_not_chosen_with_one(
    owner_client: Client, owner: Member
) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner)
    page = owner_client.get(f"/?use={row.pictures.get(index=0).pk}").content.decode()
    values = fields_of(page) | {"prompt": "A pear", "model": FLUX, "switch_model": "1"}
    response = owner_client.post("/", values)
    assert response.status_code == 422
    page = response.content.decode()
    assert 'id="model-error"' in page
    values = fields_of(page)
    assert (values["model"], values["prompt"]) == (KLING, "A pear")
    assert values["reference"] == str(ReferenceImage.objects.get().pk)


def test_image_as_reference_opens_a_model_that_takes_one(
    owner_client: Client, owner: Member
) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, engine="flux", model="flux-1.1-pro")
    assert opened(owner_client)["model"] == FLUX
    picture = row.pictures.get(index=0)
    assert opened(owner_client, f"?use={picture.pk}")["model"] == KLING


def test_reused_settings_are_of_their_model(owner_client: Client, owner: Member) -> None:
    params = {"quality": "high", "background": "auto"}
    row = make_generation(
        Status.SUCCEEDED, owner=owner, engine="openai", model="gpt-image-1.5", params=params
    )
    make_generation(owner=owner)
    values = opened(owner_client, f"?remix={row.pk}")
    assert (values["model"], values["quality"]) == (GPT, "high")


# --- which are offered -----------------------------------------------------------------------


def test_real_key_offers_the_first_engine_alone(settings: Any) -> None:
    assert len(team_settings.current().offered_models) == len(registry.all_offers())
    settings.UPSTREAM_MODE = "live"
    assert team_settings.current().offered_models == [KLING]


def test_admin_chooses_which_are_offered(admin_client: Client, owner_client: Client) -> None:
    data: dict[str, Any] = section_data(admin_client, "models")
    data |= {"offered_models": ["", KLING, FLUX], "default_model": FLUX}
    assert admin_client.post("/admin/settings/", data).status_code == 303
    assert team_settings.current().offered_models == [KLING, FLUX]
    assert opened(owner_client)["model"] == FLUX
    page = admin_client.get("/admin/settings/").content.decode()
    assert "Kling 1, Flux 1.1 Pro" in page  # its history


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ([""], "Choose at least one model."),
        (["", "x/y"], "Choose one of the options."),
        (["", FLUX], "The model for a start must be one of the models that are offered."),
    ],
)
def test_wrong_choice_of_models_is_refused(
    admin_client: Client, keys: list[str], error: str
) -> None:
    data: dict[str, Any] = section_data(admin_client, "models") | {"offered_models": keys}
    response = admin_client.post("/admin/settings/", data)
    assert response.status_code == 422
    assert error in response.content.decode()


def test_request_for_a_model_not_offered_is_refused(admin: Member, owner: Member) -> None:
    put(admin, offered_models=[KLING])
    request = GenerationRequest("A pear", "3:2", engine="flux", model="flux-1.1-pro")
    assert request.errors() == {
        "model": "Your team does not offer Flux 1.1 Pro. Choose another model."
    }
    row = make_generation(Status.UNCONFIRMED, owner=owner, engine="flux", model="flux-1.1-pro")
    with pytest.raises(NotPossible, match="does not offer Flux"):
        send_again(row, owner, row.version)
