"""Every page shows a generation with the words of its own model and engine."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from generations.models import (
    Generation,
    Lease,
    Member,
    Picture,
    Status,
    TransitionReason,
    UpstreamGate,
    durations,
)
from generations.models.money import Price
from generations.requests import NotPossible, enter_task_id
from generations.web.cards.facts import facts, labels
from generations.web.gallery.export_csv import write_csv
from tests.builders import make_generation
from tests.installation import ROOT
from tests.test_model_picker import KLING
from tests.test_team_settings import put

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media_root")]

FLUX: dict[str, Any] = {"engine": "flux", "model": "flux-1.1-pro"}
GPT: dict[str, Any] = {
    "engine": "openai",
    "model": "gpt-image-1.5",
    "params": {"quality": "high", "background": "auto"},
}


def page_of(client: Client, url: str) -> str:
    return " ".join(client.get(url).content.decode().split())


def texts_of(row: Generation) -> dict[str, str]:
    return {fact.label: fact.text for fact in facts(row)}


# --- facts and the CSV -----------------------------------------------------------------------


def test_facts_name_the_model_its_fields_and_the_revised_prompt(owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, revised_prompt="A ripe pear", **GPT)
    found = texts_of(row)
    assert found["Model"] == "GPT Image 1.5"
    assert found["Quality"] == "High"
    assert found["Prompt as revised"] == "A ripe pear"
    assert "Resolution" not in found


def test_model_that_this_release_no_longer_has_is_shown_as_it_is_stored(owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, engine="flux", model="flux-0")
    assert texts_of(row)["Model"] == "flux-0"


def test_csv_has_the_fields_of_all_models(owner: Member) -> None:
    assert {"resolution", "quality", "style", "background"} <= labels().keys()
    row = make_generation(Status.SUCCEEDED, owner=owner, **GPT)
    picture = Picture.objects.select_related("generation__owner").get(generation=row)
    header, line = b"".join(write_csv([(picture, "a.png", "")])).decode().splitlines()
    assert "Quality" in header
    assert "GPT Image 1.5" in line
    assert "High" in line


# --- reuse and variations --------------------------------------------------------------------


def test_variations_are_those_of_the_model(owner_client: Client, owner: Member) -> None:
    Price.objects.put({"engine": "flux", "model": "*"}, 600, None)
    row = make_generation(Status.SUCCEEDED, owner=owner, **FLUX)
    page = owner_client.get(f"/generations/{row.pk}/variations/").content.decode()
    assert "9 to 21, very tall" in page
    assert "Generate 4 images · $0.24" in page
    assert "Generate 5 images" not in page
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    owner_client.post("/", fields | {"n": "2"})
    made = Generation.objects.latest("pk")
    assert (made.model, made.n, made.unit_price_e4) == ("flux-1.1-pro", 2, 600)


def test_similar_images_are_of_the_same_model(owner_client: Client, owner: Member) -> None:
    make_generation(Status.SUCCEEDED, owner=owner, prompt="two ripe green pears", **FLUX)
    query = {"prompt": "two ripe green pears", "aspect_ratio": "3:2"}
    assert b"similar image" not in owner_client.get("/similar", query).content
    query["model"] = "flux/flux-1.1-pro"
    assert b"1 similar image exists" in owner_client.get("/similar", query).content


# --- the gallery -----------------------------------------------------------------------------


def test_gallery_can_be_filtered_by_model(owner_client: Client, owner: Member) -> None:
    make_generation(Status.SUCCEEDED, owner=owner, prompt="By Kling")
    make_generation(Status.SUCCEEDED, owner=owner, prompt="By Flux", **FLUX)
    page = owner_client.get("/gallery/", {"model": "flux/flux-1.1-pro"}).content.decode()
    assert "By Flux" in page
    assert "By Kling" not in page


def test_model_filter_is_shown_where_there_are_several(
    owner_client: Client, owner: Member, admin: Member
) -> None:
    put(admin, offered_models=[KLING])
    assert 'id="filter-model"' not in owner_client.get("/gallery/").content.decode()
    put(admin, offered_models=[KLING, "flux/flux-schnell"])
    assert 'id="filter-model"' in owner_client.get("/gallery/").content.decode()


def test_model_in_use_is_a_filter_though_it_is_no_longer_offered(
    owner_client: Client, owner: Member, admin: Member
) -> None:
    put(admin, offered_models=[KLING])
    make_generation(Status.SUCCEEDED, owner=owner, **FLUX)
    assert 'id="filter-model"' in owner_client.get("/gallery/").content.decode()


def test_ratio_of_another_model_is_searched(owner_client: Client, owner: Member) -> None:
    make_generation(Status.SUCCEEDED, owner=owner, prompt="Tall", aspect_ratio="9:21", **FLUX)
    make_generation(Status.SUCCEEDED, owner=owner, prompt="Flat")
    for query in ({"q": "9:21"}, {"ratio": "9:21"}, {"ratio": "tall"}):
        page = owner_client.get("/gallery/", query).content.decode()
        assert "Tall" in page
        assert "Flat" not in page


# --- cards and history -----------------------------------------------------------------------


def test_card_names_the_engine(owner_client: Client, owner: Member) -> None:
    make_generation(Status.FAILED, owner=owner, failure="policy", attempt=1, **FLUX)
    page = owner_client.get("/").content.decode()
    assert "Flux rejected the prompt." in page
    assert "Kling rejected" not in page


def test_history_names_the_engine(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, **FLUX)
    row.transitions.create(to_status=Status.SUBMITTING, reason=TransitionReason.SENT)
    page = owner_client.get(f"/generations/{row.pk}/").content.decode()
    assert "Sent to Flux" in page
    assert "Sent to Kling" not in page


def test_hold_of_one_engine_is_not_told_of_another(owner_client: Client, owner: Member) -> None:
    UpstreamGate.for_engine("flux").hold(UpstreamGate.HoldReason.ACCOUNT)
    make_generation(owner=owner, prompt="By Kling")
    assert "Starts when the hold ends" not in owner_client.get("/").content.decode()
    make_generation(owner=owner, prompt="By Flux", **FLUX)
    assert owner_client.get("/").content.decode().count("Starts when the hold ends") == 1


def test_card_says_why_its_engine_is_on_hold(owner_client: Client, owner: Member) -> None:
    make_generation(owner=owner, **FLUX)
    make_generation(owner=owner)
    UpstreamGate.for_engine()
    UpstreamGate.for_engine("flux").hold(UpstreamGate.HoldReason.ACCOUNT)
    page = " ".join(owner_client.get("/").content.decode().split())
    assert page.count("Flux is on hold: its account is empty. Starts when the hold ends") == 1
    assert "Flux is on hold: its account is empty.</p> <p> Other engines go on." in page


def test_pages_name_the_engine_on_hold_and_say_that_others_go_on(
    admin_client: Client, owner_client: Client
) -> None:
    Lease.record_heartbeat("worker")
    UpstreamGate.for_engine()
    UpstreamGate.objects.update(answered_at=timezone.now())
    assert "Generating. Last answer" in page_of(admin_client, "/admin/")
    UpstreamGate.for_engine("flux").hold(UpstreamGate.HoldReason.KEY)
    told = "Flux is on hold: it rejects the API key."
    for url in ("/admin/", "/admin/queue/", "/admin/keys/"):
        page = page_of(admin_client, url)
        assert told in page, url
        assert "Generating. Last answer" not in page
    assert f"{told} Other engines go on." in page_of(admin_client, "/admin/")
    assert told in page_of(owner_client, "/")
    UpstreamGate.for_engine("flux").clear()
    assert "Generating. Last answer" in page_of(admin_client, "/admin/")
    assert told not in page_of(owner_client, "/")


def test_hold_before_the_first_request_of_the_default_engine_is_shown(
    owner_client: Client,
) -> None:
    UpstreamGate.for_engine("flux").hold(UpstreamGate.HoldReason.KEY)
    assert "Flux is on hold: it rejects the API key." in page_of(owner_client, "/")
    assert not UpstreamGate.objects.filter(engine="kling").exists()


def test_hold_of_an_engine_that_is_not_offered_is_no_news(owner_client: Client) -> None:
    put(offered_models=[KLING])
    UpstreamGate.for_engine("flux").hold(UpstreamGate.HoldReason.KEY)
    assert "is on hold" not in page_of(owner_client, "/")


def test_hold_of_the_default_engine_says_that_others_go_on(owner_client: Client) -> None:
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY)
    page = page_of(owner_client, "/")
    assert "Kling is on hold: it rejects the API key." in page
    assert "Other engines go on." in page
    for engine in ("openai", "flux", "ideogram"):
        UpstreamGate.for_engine(engine).hold(UpstreamGate.HoldReason.KEY)
    assert "Other engines go on." not in page_of(owner_client, "/")


def test_page_gets_the_banner_when_another_engine_is_held(
    owner_client: Client, owner: Member
) -> None:
    make_generation(owner=owner)
    poller = owner_client.get("/").context["poller"].stamp
    UpstreamGate.for_engine("flux").hold(UpstreamGate.HoldReason.KEY)
    assert owner_client.get("/").context["poller"].stamp != poller


def test_history_of_holds_and_the_audit_log_name_the_engine(admin_client: Client) -> None:
    kling, flux = UpstreamGate.for_engine(), UpstreamGate.for_engine("flux")
    kling.hold(UpstreamGate.HoldReason.KEY)
    flux.hold(UpstreamGate.HoldReason.ACCOUNT)
    flux.clear()
    kling.clear()
    page = page_of(admin_client, "/admin/queue/")
    assert "<td>Flux: The account is empty or blocked</td>" in page
    assert "<td>Kling: The API key is rejected</td>" in page
    log = page_of(admin_client, "/admin/audit-log/")
    for sentence in ("put Flux on hold", "ended the hold of Flux", "ended the hold of Kling"):
        assert sentence in log
    assert "Kling, " in page_of(admin_client, "/admin/")


def test_queue_page_names_the_engines_on_hold(admin_client: Client) -> None:
    UpstreamGate.for_engine()
    UpstreamGate.for_engine("flux").hold(UpstreamGate.HoldReason.KEY)
    page = " ".join(admin_client.get("/admin/queue/").content.decode().split())
    assert "Flux is on hold: it rejects the API key." in page
    assert "Check the API key." in page
    assert 'id="banner-resume"' in page
    admin_client.post("/admin/queue/resume", {"pause": ""})
    assert not UpstreamGate.for_engine("flux").is_held


def test_unconfirmed_request_without_a_task_says_that_it_cannot_be_asked_for(
    owner_client: Client, admin_client: Client, owner: Member, admin: Member
) -> None:
    row = make_generation(Status.UNCONFIRMED, owner=owner, **FLUX)
    page = owner_client.get("/").content.decode()
    assert "Flux can’t be asked for it later, so its images are lost." in page
    assert "You may have been charged." in page
    for path in (f"/generations/{row.pk}/", "/admin/"):
        assert "Enter task ID" not in admin_client.get(path).content.decode()
    with pytest.raises(NotPossible, match="no task ID"):
        enter_task_id(row, admin, row.version, "task-1")


# --- durations -------------------------------------------------------------------------------


def test_durations_are_those_of_the_model(owner: Member) -> None:
    now = timezone.now()
    for seconds, columns in ((10, {}), (60, FLUX)):
        for _number in range(durations.MIN_SAMPLES):
            make_generation(
                Status.SUCCEEDED,
                owner=owner,
                stored=0,
                submitted_at=now,
                finished_at=now + timedelta(seconds=seconds),
                **columns,
            )
    assert durations.usual_stats().mean == 10
    assert durations.usual_stats("flux", "flux-1.1-pro").mean == 60


# --- the seam --------------------------------------------------------------------------------


def test_no_engine_without_tasks_is_named_outside_its_own_files() -> None:
    """Forms, pages and rules know offers; only the engines, the demo and tests name one."""
    pattern = re.compile(r"openai|ideogram|\bflux|\bdall\b", re.IGNORECASE)
    allowed = ("generations/engines/", "generations/migrations/", "klingweb/simulator/")
    demo = "generations/operations/demo_data.py"
    folders = ("generations", "klingweb", "templates", "static/js")
    files = (path for folder in folders for path in (ROOT / folder).rglob("*"))
    named = {
        str(path.relative_to(ROOT))
        for path in files
        if path.suffix in (".py", ".html", ".js") and pattern.search(path.read_text("utf-8"))
    }
    assert {name for name in named if not name.startswith(allowed)} <= {demo}
