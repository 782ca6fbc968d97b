"""The layers (docs/architecture.md): which modules may import which, read from the source."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import ROOT

# The layers, the most specific first, and the other layers that each may import.
LAYERS: dict[str, set[str]] = {
    "generations.web": {
        "generations.models",
        "generations.catalog",
        "generations.search",
        "generations.worker.tasks",
    },
    "generations.worker.tasks": {"generations.worker", "generations.models"},
    "generations.worker": {
        "generations.worker.tasks",
        "generations.models",
        "generations.catalog",
        "generations.engines",
        "generations.engines.base",
    },
    "generations.processes": {
        "generations.models",
        "generations.worker",
        "generations.worker.tasks",
    },
    "generations.search": {"generations.models"},
    "generations.models": {"generations.catalog", "generations.engines.base"},
    "generations.catalog": set(),
    "generations.engines.base": set(),
    "generations.engines": {"generations.engines.base"},
    "generations.admin": {"generations.models"},
    "generations.templatetags": set(),
    "generations.management": {
        "generations.catalog",
        "generations.models",
        "generations.processes",
        "generations.worker",
        "generations.worker.tasks",
        "klingweb",  # the web server serves its application
    },
    "generations.apps": {"generations.checks", "generations.search"},
    "generations.checks": set(),
    "klingweb.simulator": set(),
    "klingweb": {"generations.web"},
}
# Packages that only these files may import.
ONLY_IN = {
    "django_q": {"generations/worker/tasks.py"},
    "requests": {
        "generations/engines/deadline.py",
        "generations/engines/http_client.py",
        "generations/worker/fetch.py",
    },
    "urllib3": {"generations/engines/http_client.py"},
    "os.environ": {"klingweb/settings.py", "klingweb/wsgi.py", "manage.py"},
    "os.getenv": set(),
}


def our_files() -> list[Path]:
    folders = (ROOT / "generations", ROOT / "klingweb")
    return [ROOT / "manage.py", *(path for folder in folders for path in folder.rglob("*.py"))]


def imports(source: str, module: str) -> Iterator[str]:
    """All imports of a module, at any place in it, with full names."""
    package = module.split(".")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def attributes(source: str) -> Iterator[str]:
    """Every `name.attribute` that is used."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def is_in(name: str, layer: str) -> bool:
    return name == layer or name.startswith(f"{layer}.")


def layer_of(name: str) -> str:
    return next((layer for layer in LAYERS if is_in(name, layer)), "")


def violations(path: str, source: str) -> list[str]:
    """The imports and attributes that a file at this path must not use."""
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    inside = f"{module}.x" if path.endswith("__init__.py") else module
    layer, imported = layer_of(module), list(imports(source, inside))
    found = [
        f"{path} uses {name}"
        for name in imported
        if (other := layer_of(name)) and layer and other != layer and other not in LAYERS[layer]
    ]
    if layer == "generations.web":
        used = {
            name.removeprefix("generations.worker.")
            for name in (*imported, *attributes(source))
            if name.startswith(("tasks.", "generations.worker.tasks."))
        }
        found += [f"{path} uses {name}" for name in used if not name.startswith("tasks.enqueue_")]
    if is_in(layer, "generations.engines"):
        found += [f"{path} imports {name}" for name in imported if is_in(name, "django")]
    found += [
        f"{path} uses {name}"
        for name in (*imported, *attributes(source))
        for banned, allowed in ONLY_IN.items()
        if is_in(name, banned) and path not in allowed
    ]
    return found


def test_every_module_respects_its_layer() -> None:
    paths = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in our_files()}
    assert [
        violation for path, source in paths.items() for violation in violations(path, source)
    ] == []


def test_every_module_has_a_layer() -> None:
    names = (str(path.relative_to(ROOT))[:-3].replace("/", ".") for path in our_files())
    without_layer = {name for name in names if not layer_of(name)}
    assert {name for name in without_layer if not is_in(name, "generations.migrations")} == {
        "manage",
        "generations.__init__",
    }


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("generations/web/card.py", "from generations.engines import kling"),
        ("generations/web/card.py", "from ..engines.http_client import session"),
        ("generations/web/card.py", "def f():\n    import requests"),
        ("generations/web/card.py", "from generations.worker import submit"),
        ("generations/web/card.py", "from generations.worker import tasks\ntasks.submit()"),
        ("generations/web/card.py", "from generations.worker.tasks import poll"),
        ("generations/worker/poll.py", "from generations.web import cards"),
        ("generations/worker/poll.py", "from django_q.tasks import async_task"),
        ("generations/worker/tasks.py", "from generations.engines import kling"),
        ("generations/models/picture.py", "from generations.worker import imaging"),
        ("generations/models/__init__.py", "from ..web import cards"),
        ("generations/engines/kling.py", "from ..models import Status"),
        ("generations/engines/kling.py", "from django.conf import settings"),
        ("generations/engines/base.py", "from . import kling"),
        ("generations/models/status.py", "from generations.engines import kling"),
        ("generations/catalog.py", "import generations.models"),
        ("generations/worker/poll.py", "from klingweb.simulator import SCENARIOS"),
        ("klingweb/simulator/server.py", "from generations.engines.kling import PATH"),
        ("klingweb/simulator/server.py", "from klingweb import settings"),
        ("generations/worker/poll.py", "import os\nos.environ['X']"),
        ("klingweb/simulator/server.py", "from os import getenv"),
    ],
)
def test_forbidden_import_is_found(path: str, source: str) -> None:
    assert violations(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("generations/web/card.py", "from generations.worker import tasks\ntasks.enqueue_poll()"),
        ("generations/web/card.py", "from .middleware.access import MemberRequest"),
        ("generations/worker/fetch.py", "import requests\nfrom generations.engines import kling"),
        ("generations/models/__init__.py", "from .status import Status"),
        ("generations/models/status.py", "from generations.engines.base import FailureKind"),
    ],
)
def test_allowed_import_is_accepted(path: str, source: str) -> None:
    assert violations(path, source) == []


@pytest.mark.parametrize(
    "line",
    [
        "import requests",
        "from requests import Session",
        "import urllib3",
        "from django_q.tasks import async_task",
        "import os\n\nprint(os.environ['KEY'])",
        "import os\n\nprint(os.getenv('KEY'))",
    ],
)
def test_ruff_bans_the_same_packages(tmp_path: Path, line: str) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(f"{line}\n")
    ruff = Path(sys.executable).with_name("ruff")
    ran = subprocess.run(
        [ruff, "check", "--config", ROOT / "pyproject.toml", "--no-cache", broken],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1
    assert "TID251" in ran.stdout
