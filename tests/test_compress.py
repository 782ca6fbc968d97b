"""HTML is compressed for browsers that accept it; files are not."""

import gzip
from pathlib import Path

from django.test import Client
from pytest_django import Settings

from generations.models import Member, Status
from tests.builders import make_generation

ACCEPT_GZIP = {"Accept-Encoding": "gzip"}


def test_pages_are_compressed_when_the_browser_accepts_gzip(owner_client: Client) -> None:
    plain, compressed = owner_client.get("/"), owner_client.get("/", headers=ACCEPT_GZIP)
    assert compressed["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain
    assert len(compressed.content) < len(plain.content) / 2
    assert b"</html>" in gzip.decompress(compressed.content)


def test_files_are_sent_uncompressed(
    owner_client: Client, owner: Member, settings: Settings, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    [picture] = make_generation(Status.SUCCEEDED, owner=owner).pictures.all()
    response = owner_client.get(f"/files/{picture.pk}/original", headers=ACCEPT_GZIP)
    assert "Content-Encoding" not in response
    body = response.getvalue()
    assert len(body) == picture.size_bytes
