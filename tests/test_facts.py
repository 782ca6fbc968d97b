"""The list of facts about a generation and a picture."""

import pytest

from generations.models import Generation, Status
from generations.web.cards.facts import facts
from tests.builders import make_generation, make_member

pytestmark = pytest.mark.django_db


def test_facts_include_every_setting() -> None:
    row: Generation = make_generation(
        Status.SUCCEEDED, owner=make_member("lan"), n=2, aspect_ratio="3:4",
        negative_prompt="birds", reference_url="https://a.example/b.png", image_fidelity=0.5,
    )  # fmt: skip
    picture = row.pictures.get(index=0)
    found = {fact.name: fact.value for fact in facts(row, picture)}
    assert found["owner"] == "lan"
    assert found["size"] == f"{picture.width} × {picture.height}"
    assert found["negative_prompt"] == "birds"
    assert found["reference"] == "https://a.example/b.png"
    assert (found["images"], found["aspect_ratio"], found["image_fidelity"]) == ("2", "3:4", "0.5")
    assert {"created_at", "duration", "file_size"} <= set(found)


def test_facts_omit_what_is_unknown() -> None:
    names = {fact.name for fact in facts(make_generation(Status.QUEUED))}
    assert {"owner", "created_at", "aspect_ratio", "images"} <= names
    assert not {"duration", "size", "file_size", "negative_prompt", "image_fidelity"} & names
