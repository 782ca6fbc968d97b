"""Stylesheets and scripts as they are served: few and light for each page."""

import json
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles.finders import FileSystemFinder
from django.test import Client, override_settings
from pytest_django import Settings

from generations.models import Member, Status
from klingweb import static_files
from tests.builders import make_generation
from tests.installation import ROOT

PARTS = {"choices.css", "search.css"}  # imported by others, or loaded by a script
STYLESHEETS = sorted({path.name for path in (ROOT / "static/css").iterdir()} - PARTS)
STORAGES = {"staticfiles": {"BACKEND": "klingweb.static_files.StaticFilesStorage"}}
MAX_SCRIPT_BYTES = 30_000  # of a page, compressed
MAX_STYLE_BYTES = 14_000
MAX_REQUESTS = 6  # without images
BASE_RULE = "--background: light-dark("  # once in base.css


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of static files, with the storage of the settings."""
    folder = tmp_path_factory.mktemp("static")
    with override_settings(STATIC_ROOT=folder, STORAGES=STORAGES):
        static_files.collect()
    return folder


def collected_file(collected: Path, name: str) -> Path:
    manifest = json.loads((collected / "staticfiles.json").read_text())
    return collected / str(manifest["paths"][name])


@pytest.mark.parametrize("name", STYLESHEETS)
def test_stylesheet_contains_its_imports_once(collected: Path, name: str) -> None:
    text = collected_file(collected, f"css/{name}").read_text()
    assert "@import" not in text
    assert text.count(BASE_RULE) == 1
    assert text.index(BASE_RULE) < text.index("@layer components"), "the layers keep their order"


def test_collections_contain_the_rules_of_the_gallery(collected: Path) -> None:
    text = collected_file(collected, "css/collections.css").read_text()
    assert "/* The image grid, the viewer and the selection. */" in text


def test_files_are_collected_again_only_after_a_change(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "one.css").write_text("a { color: red; }")
    settings.STATICFILES_DIRS, settings.STATIC_ROOT = [source], tmp_path
    collected: list[str] = []
    monkeypatch.setattr(static_files, "get_finders", lambda: [FileSystemFinder()])
    monkeypatch.setattr(static_files, "call_command", lambda name, **_: collected.append(name))
    for _start in range(2):
        static_files.collect()
    assert collected == ["collectstatic"]
    (source / "one.css").write_text("a { color: rebeccapurple; }")
    for _start in range(2):
        static_files.collect()
    assert len(collected) == 2

    def end(_name: str, **_options: object) -> None:
        raise KeyboardInterrupt

    (source / "two.css").write_text("a { color: green; }")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(static_files, "call_command", end)
        static_files.collect()
    (source / "two.css").unlink()  # the old files may be half replaced
    static_files.collect()
    assert len(collected) == 3


@pytest.mark.parametrize(
    "template", sorted(ROOT.glob("templates/**/*.html")), ids=lambda path: path.name
)
def test_page_has_one_stylesheet(template: Path) -> None:
    links = template.read_text().count('rel="stylesheet"')
    assert links == (template == ROOT / "templates/base.html")


@pytest.mark.parametrize("name", [path.name for path in sorted(ROOT.glob("static/js/pages/*.js"))])
def test_script_contains_its_imports_once(collected: Path, name: str) -> None:
    text = collected_file(collected, f"js/pages/{name}").read_text()
    source = (ROOT / "static/js/pages" / name).read_text()
    assert source.count("\nimport ") > 0
    assert "\nimport " not in text, "imports of this form are replaced"
    assert "\nexport " not in text, "a file in a block cannot export"
    headings = [path.read_text().splitlines()[0] for path in ROOT.glob("static/js/*.js")]
    assert max(text.count(heading) for heading in headings) == 1


@pytest.fixture
def served(collected: Path, settings: Settings) -> Path:
    """Pages with the addresses of the collected files."""
    settings.STATIC_ROOT = collected
    settings.STORAGES = {**settings.STORAGES, **STORAGES}
    return collected


@pytest.mark.parametrize("page", ["studio", "gallery", "image"])
def test_page_stays_within_its_budget(
    served: Path, owner_client: Client, media_root: Path, page: str
) -> None:
    generation = make_generation(Status.SUCCEEDED, owner=Member.objects.get())
    picture = generation.pictures.get()
    paths = {"studio": "/", "gallery": "/gallery/", "image": f"/pictures/{picture.pk}/"}
    html = owner_client.get(paths[page]).content.decode()
    stylesheets = re.findall(r'<link rel="stylesheet" href="/static/([^"]+)"', html)
    scripts = re.findall(r'<script[^>]* src="/static/([^"]+)"', html)
    scripts += [
        address.removeprefix("/static/")
        for later in re.findall(r'data-after-image="([^"]+)"', html)
        for address in later.split()
    ]
    assert sum(compressed_size(served / name) for name in scripts) <= MAX_SCRIPT_BYTES
    assert sum(compressed_size(served / name) for name in stylesheets) <= MAX_STYLE_BYTES
    assert len(stylesheets) == 1
    assert 1 + len(stylesheets) + len(scripts) <= MAX_REQUESTS


def compressed_size(path: Path) -> int:
    return path.with_name(f"{path.name}.br").stat().st_size
