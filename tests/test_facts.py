"""The list of facts about a generation and a picture."""

import pytest

from generations.models import Generation, Status
from generations.web.cards.facts import LABELS, facts
from tests.builders import make_generation, make_member

pytestmark = pytest.mark.django_db


def test_facts_include_every_setting() -> None:
    row = make_generation(
        Status.SUCCEEDED, owner=make_member("lan"), n=2, aspect_ratio="3:4",
        negative_prompt="birds", reference_url="https://a.example/b.png", image_fidelity=0.5,
    )  # fmt: skip
    picture = row.pictures.get(index=0)
    found = {fact.name: fact.value for fact in facts(row, picture)}
    assert list(found) == list(LABELS)
    assert found["maker"] == "lan"
    assert found["created"] == row.created_at
    assert found["dimensions"] == f"{picture.width} × {picture.height}"
    assert found["size"] == picture.size_bytes
    assert (found["images"], found["ratio"], found["similarity"]) == (2, "3:4", 0.5)


def test_facts_omit_what_is_unknown() -> None:
    row = make_generation(Status.QUEUED, upstream=Generation.Upstream.LIVE)
    assert [fact.name for fact in facts(row)] == ["maker", "created", "ratio", "images"]


def test_similarity_zero_is_a_fact() -> None:
    row = make_generation(Status.QUEUED, image_fidelity=0.0)
    assert 0.0 in [fact.value for fact in facts(row) if fact.name == "similarity"]
