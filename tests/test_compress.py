"""Pages are sent compressed to whom can read it, files as they are."""

import gzip
from pathlib import Path

from django.test import Client
from pytest_django import Settings

from generations.models import Member, Status
from tests.builders import make_generation

ACCEPTS = {"Accept-Encoding": "gzip"}


def test_a_page_is_small_on_its_way(owner_client: Client) -> None:
    plain, packed = owner_client.get("/"), owner_client.get("/", headers=ACCEPTS)
    assert packed["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain
    assert len(packed.content) < len(plain.content) / 2
    assert b"</html>" in gzip.decompress(packed.content)


def test_a_file_is_sent_as_it_is(
    owner_client: Client, owner: Member, settings: Settings, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    [picture] = make_generation(Status.SUCCEEDED, owner=owner).pictures.all()
    answer = owner_client.get(f"/files/{picture.pk}/original", headers=ACCEPTS)
    assert "Content-Encoding" not in answer
    body = answer.getvalue()
    assert len(body) == picture.size_bytes
