"""The documentation names only links, files, settings, targets and commands that exist."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.installation import ROOT

PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        ROOT / "static/img/README.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
)
FOREIGN_FILES = {"docs/upstream.md"}  # cites files of other repositories
FOREIGN_VARIABLES = {"KLINGWEB_TEST_DATABASE_URL"}  # read by tests/settings.py
SUFFIXES = "py|md|html|css|js|json|toml|yaml|lock|webp|png"


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def links(text: str) -> Iterator[str]:
    """Targets of Markdown links and images that point into the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            yield target.partition("#")[0]


def paths(text: str) -> Iterator[str]:
    """Names in backticks that look like a file or a folder of ours."""
    for name in re.findall(r"`([^`\n]+)`", text):
        for path in expand(name):
            if re.fullmatch(rf"[\w./-]+\.(?:{SUFFIXES})|[a-z_]+(?:/[a-z_]+)*/", path):
                yield path


def expand(name: str) -> Iterator[str]:
    """Expand the braces of `folder/{one,two}.py`."""
    found = re.fullmatch(r"([^{}]*)\{([^{}]+)\}([^{}]*)", name)
    if not found:
        yield name
        return
    before, choices, after = found.groups()
    yield from (f"{before}{choice}{after}" for choice in choices.split(","))


@cache
def our_files() -> list[str]:
    """Paths of all files under version control, and of new ones that are not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return [path for path in listed.stdout.splitlines() if (ROOT / path).exists()]


def exists(path: str) -> bool:
    """Whether `path` ends the path of a file, or of a folder if it ends with a slash."""
    if path.endswith("/"):
        return any(f"/{path}" in f"/{each}" for each in our_files())
    return any(f"/{each}".endswith(f"/{path}") for each in our_files())


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_relative_links_point_to_existing_files(page: Path) -> None:
    missing = [target for target in links(text_of(page)) if not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_named_files_and_folders_exist(page: Path) -> None:
    if relative(page) not in FOREIGN_FILES:
        assert [path for path in paths(text_of(page)) if not exists(path)] == []


def test_named_settings_exist() -> None:
    known = set(re.findall(r"KLINGWEB_\w+", text_of(ROOT / ".env.example"))) | FOREIGN_VARIABLES
    for page in PAGES:
        if page.name != "CHANGELOG.md":  # names old settings, too
            assert set(re.findall(r"KLINGWEB_\w+\w", text_of(page))) <= known, page


def test_env_example_has_every_setting_and_no_other() -> None:
    source = text_of(ROOT / "klingweb/settings.py")
    read = set(re.findall(r'env\.\w+\(\s*"(\w+)"', source))
    listed = set(re.findall(r"^#?([A-Z][A-Z_]+)=", text_of(ROOT / ".env.example"), re.MULTILINE))
    assert listed == read


def test_every_setting_in_env_example_has_a_comment_above_it() -> None:
    lines = text_of(ROOT / ".env.example").splitlines()
    is_setting = re.compile(r"#?[A-Z][A-Z_]+=").match
    for above, line in pairwise(lines):
        if is_setting(line):
            assert above.startswith("# "), line


def test_changelog_lists_every_renamed_setting() -> None:
    from klingweb.settings import RENAMED_VARIABLES

    changelog = text_of(ROOT / "CHANGELOG.md")
    for old, new in RENAMED_VARIABLES.items():
        assert f"| `{old}` | `{new}` |" in changelog


def test_named_make_targets_and_commands_exist() -> None:
    targets = set(re.findall(r"^(\w+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    commands = get_commands().keys()
    for page in PAGES:
        text = text_of(page)
        assert set(re.findall(r"`make (\w+)`", text)) <= targets, page
        assert set(re.findall(r"manage\.py (\w+)", text)) <= commands, page
