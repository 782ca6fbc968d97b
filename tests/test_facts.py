"""The facts of a generation and of one picture."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from generations.engines.offer import Field
from generations.models import Generation, Member, ReferenceImage, Status
from generations.web.cards.facts import Fact, facts
from tests.builders import make_generation

pytestmark = pytest.mark.django_db

CREATED_AT = datetime(2026, 11, 27, 13, 3, tzinfo=UTC)


def values_of(found: list[Fact]) -> dict[str, str]:
    return {fact.name: fact.text for fact in found}


@pytest.fixture
def row(owner: Member) -> Generation:
    return make_generation(
        Status.SUCCEEDED,
        owner=owner,
        n=2,
        upstream=Generation.Upstream.LIVE,
        negative_prompt="birds",
        created_at=CREATED_AT,
        submitted_at=CREATED_AT,
        finished_at=CREATED_AT + timedelta(seconds=75),
    )


def test_facts_of_a_generation_are_in_order(row: Generation) -> None:
    assert values_of(facts(row)) == {
        "owner": "owner",
        "created_at": "27 Nov 2026, 13:03",
        "duration": "1 min 15 s",
        "model": "Kling 1",
        "aspect_ratio": "3:2",
        "images": "2",
        "negative_prompt": "birds",
    }


def test_facts_of_a_picture_add_its_size(row: Generation) -> None:
    picture = row.pictures.all()[0]
    found = values_of(facts(row, picture))
    assert found["dimensions"] == "450 × 300"
    assert found["file_size"].endswith(("bytes", "KB"))


def test_size_of_a_generation_is_that_of_its_first_stored_picture(row: Generation) -> None:
    row.shown_pictures = list(row.pictures.order_by("index"))
    assert values_of(facts(row))["dimensions"] == "450 × 300"


def test_created_at_is_in_the_readers_time_zone(row: Generation) -> None:
    with timezone.override("Asia/Ho_Chi_Minh"):
        assert values_of(facts(row))["created_at"] == "27 Nov 2026, 20:03"


def test_reference_image_and_similarity_are_facts(row: Generation, owner: Member) -> None:
    row.reference = ReferenceImage(owner=owner, name="dune.png")
    row.image_fidelity = 0.5
    found = values_of(facts(row))
    assert (found["reference"], found["image_fidelity"]) == ("dune.png", "0.5")
    row.reference, row.reference_url = None, "https://files.example/a.png"
    assert values_of(facts(row))["reference"] == "https://files.example/a.png"


def test_simulator_is_named_as_the_source(row: Generation) -> None:
    row.upstream = Generation.Upstream.SIMULATOR
    assert values_of(facts(row))["source"] == "Demo simulator"


def test_fields_of_the_engine_are_facts(row: Generation, paper: Field) -> None:
    row.params = {"paper": "glossy"}
    assert Fact("paper", "Paper", "Glossy paper") in facts(row)
    row.params = {}
    assert "paper" not in values_of(facts(row))


def test_unset_facts_are_left_out(owner: Member) -> None:
    row = make_generation(owner=owner)
    assert all(fact.value and fact.label for fact in facts(row))
    assert {"negative_prompt", "image_fidelity", "duration"}.isdisjoint(values_of(facts(row)))
