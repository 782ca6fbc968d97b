"""Stylesheets as they are served: one for each page."""

import json
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import override_settings

from tests.installation import ROOT

STYLESHEETS = sorted(path.name for path in (ROOT / "static/css").iterdir())
BASE_RULE = "--background: light-dark("  # once in base.css


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `collectstatic`, with the storage of the settings."""
    folder = tmp_path_factory.mktemp("static")
    storage = {"staticfiles": {"BACKEND": "klingweb.static_files.StaticFilesStorage"}}
    with override_settings(STATIC_ROOT=folder, STORAGES=storage):
        call_command("collectstatic", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)  # the second time too
    return folder


@pytest.mark.parametrize("name", STYLESHEETS)
def test_stylesheet_contains_its_imports_once(collected: Path, name: str) -> None:
    manifest = json.loads((collected / "staticfiles.json").read_text())
    text = (collected / manifest["paths"][f"css/{name}"]).read_text()
    assert "@import" not in text
    assert text.count(BASE_RULE) == 1
    assert text.index(BASE_RULE) < text.index("@layer components"), "the layers keep their order"


def test_collections_contain_the_rules_of_the_gallery(collected: Path) -> None:
    text = (collected / "css/collections.css").read_text()
    assert "/* The image grid, the viewer and the selection. */" in text


@pytest.mark.parametrize(
    "template", sorted(ROOT.glob("templates/**/*.html")), ids=lambda path: path.name
)
def test_page_has_one_stylesheet(template: Path) -> None:
    links = template.read_text().count('rel="stylesheet"')
    assert links == (template == ROOT / "templates/base.html")
