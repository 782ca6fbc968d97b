"""The layers of docs/architecture.md: which module may import which. Read from the source."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.installation import ROOT

# The layers, the most specific name first, and the other layers that each may import.
LAYERS: dict[str, set[str]] = {
    "generations.amount_field": {"generations.models"},
    "generations.web": {
        "generations.amount_field",
        "generations.batches",
        "generations.callbacks",
        "generations.csv_cells",
        "generations.displayed",
        "generations.database_errors",
        "generations.drills",
        "generations.engines.offer",
        "generations.engines.registry",
        "generations.models",
        "generations.offered_models",
        "generations.permissions",
        "generations.estimates",
        "generations.invisible_text",
        "generations.keeping.disk",
        "generations.joining",
        "generations.people",
        "generations.operations",  # removes the demo data
        "generations.preview_widths",
        "generations.reconciliation",
        "generations.reconciliation.deciding",
        "generations.requests",
        "generations.search",
        "generations.setup",  # which tests an API key: the one call of the upstream
        "generations.worker.tasks",
    },
    "generations.encryption": {"klingweb", "klingweb.known_secrets"},  # its keys are a file
    "generations.setup": {
        "generations.encryption",
        "generations.engines",
        "generations.engines.base",
        "generations.joining",
        "generations.models",
        "generations.permissions",
        "klingweb",  # its data folder, and what it accepts as an API key
        "klingweb.known_secrets",
    },
    "generations.estimates": {"generations.models"},
    "generations.reconciliation.deciding": {
        "generations.database_errors",
        "generations.models",
        "generations.reconciliation",
        "generations.requests",
        "generations.worker.tasks",
    },
    "generations.reconciliation": {"generations.models"},
    "generations.callbacks": set(),
    "generations.offered_models": {
        "generations.engines.offer",
        "generations.engines.registry",
        "generations.models",
    },
    "generations.requests": {
        "generations.engines.address_guard",
        "generations.engines.offer",
        "generations.engines.registry",
        "generations.invisible_text",
        "generations.models",
        "generations.offered_models",
        "generations.permissions",
        "generations.worker.tasks",
    },
    "generations.batches": {
        "generations.models",
        "generations.permissions",
        "generations.requests",
        "generations.worker.tasks",
    },
    "generations.drills": {
        "generations.engines.registry",
        "generations.models",
        "generations.requests",
    },
    "generations.worker.tasks": {
        "generations.engines.registry",
        "generations.models",
        "generations.worker",
    },
    "generations.worker": {
        "generations.callbacks",
        "generations.encryption",
        "generations.worker.tasks",
        "generations.displayed",
        "generations.reconciliation",
        "generations.models",
        "generations.engines",
        "generations.engines.answer_file",
        "generations.engines.base",
        "generations.engines.registry",
        "generations.preview_widths",
    },
    "generations.processes": {
        "generations.database_errors",
        "generations.models",
        "generations.worker",
        "generations.worker.tasks",
    },
    "generations.displayed": set(),
    "generations.preview_widths": set(),
    "generations.invisible_text": set(),
    "generations.search": {"generations.models"},
    "generations.models": {
        "generations.encryption",
        "generations.engines.base",
        "generations.engines.registry",
        "generations.permissions",
        "klingweb.known_secrets",
    },
    "generations.permissions": set(),
    "generations.engines.answer_file": set(),
    "generations.engines.base": {"generations.engines.answer_file"},
    "generations.engines.address_guard": set(),
    "generations.engines.offer": set(),
    "generations.engines.registry": {
        "generations.engines",
        "generations.engines.base",
        "generations.engines.offer",
    },
    "generations.engines": {
        "generations.engines.address_guard",
        "generations.engines.answer_file",
        "generations.engines.base",
        "generations.engines.offer",
    },
    "generations.people": {"generations.models", "generations.permissions"},
    "generations.admin": {
        "generations.amount_field",
        "generations.engines.registry",
        "generations.models",
        "generations.operations",  # the price table as CSV
        "generations.people",
        "generations.permissions",
        "generations.search",
        "generations.web",
    },
    "generations.templatetags": {
        "generations.admin",
        "generations.joining",
        "generations.permissions",
        "generations.web",
    },
    "generations.operations": {
        "generations.csv_cells",
        "generations.encryption",
        "generations.engines.offer",
        "generations.engines.registry",
        "generations.models",
        "generations.people",
        "generations.worker",
    },
    "generations.csv_cells": set(),
    "generations.joining": set(),
    "generations.database_errors": set(),
    "generations.management": {
        "generations.database_errors",
        "generations.encryption",
        "generations.keeping",
        "generations.models",
        "generations.operations",
        "generations.permissions",
        "generations.processes",
        "generations.safe_start",
        "generations.setup",
        "generations.worker.tasks",
        "klingweb",  # the web server serves its application
    },
    "generations.apps": {"generations.checks", "generations.models", "generations.search"},
    "generations.checks": {"generations.safe_start"},
    "generations.safe_start": set(),
    "generations.keeping.disk": set(),
    "generations.keeping": {
        "generations.database_errors",
        "generations.encryption",
        "generations.keeping.disk",
        "generations.models",
        "generations.operations",
        "generations.safe_start",
        "generations.worker.tasks",
        "klingweb",  # its data folder, and the variables of other programs
    },
    "klingweb.simulator": set(),
    "klingweb.known_secrets": set(),
    "klingweb": {"generations.web", "klingweb.known_secrets"},
}
# Packages that only these files may import.
ONLY_IN = {
    "django_q": {"generations/worker/tasks.py"},
    "requests": {
        "generations/engines/deadline.py",
        "generations/engines/http_client.py",
        "generations/worker/download.py",
    },
    "urllib3": {"generations/engines/http_client.py"},
    "os.environ": {"klingweb/environment.py", "klingweb/wsgi.py", "manage.py"},
    "os.getenv": set(),
}


def our_files() -> list[Path]:
    folders = (ROOT / "generations", ROOT / "klingweb")
    return [ROOT / "manage.py", *(path for folder in folders for path in folder.rglob("*.py"))]


def imports(source: str, module: str) -> Iterator[str]:
    """The absolute name of everything that a module imports, at any place in it."""
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


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def faults(path: str, source: str) -> list[str]:
    """The imports and uses that are not allowed in this file."""
    module = module_of(path)
    inside = f"{module}.x" if path.endswith("__init__.py") else module
    layer, imported = layer_of(module), list(imports(source, inside))
    found = [
        f"{path} imports {name}"
        for name in imported
        if (other := layer_of(name)) and layer and other != layer and other not in LAYERS[layer]
    ]
    if layer in ("generations.web", "generations.requests"):
        used = {
            name.removeprefix("generations.worker.")
            for name in (*imported, *attributes(source))
            if name.startswith(("tasks.", "generations.worker.tasks."))
        }
        found += [f"{path} uses {name}" for name in used if not name.startswith("tasks.enqueue_")]
    if is_in(layer, "generations.engines"):
        found += [f"{path} imports {name}" for name in imported if is_in(name, "django")]
    found += [
        f"{path} imports {name}"
        for name in (*imported, *attributes(source))
        for banned, places in ONLY_IN.items()
        if is_in(name, banned) and path not in places
    ]
    return found


def import_cycle(sources: Mapping[str, str]) -> list[str]:
    """The modules of one import cycle among these files (path to source); empty if there is none.

    Imports inside functions and under TYPE_CHECKING count too.
    """
    modules = {module_of(path) for path in sources}
    graph = {}
    for path, source in sources.items():
        module = module_of(path)
        inside = f"{module}.x" if path.endswith("__init__.py") else module
        names = imports(source, inside)
        graph[module] = {
            found for name in names if (found := _module_in(modules, name)) not in ("", module)
        }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _module_in(modules: set[str], name: str) -> str:
    """The module that defines `name`: itself, or its nearest parent."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name


def test_modules_import_only_what_their_layer_allows() -> None:
    paths = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in our_files()}
    assert [fault for path, source in paths.items() for fault in faults(path, source)] == []


def test_every_module_has_a_layer() -> None:
    names = (str(path.relative_to(ROOT))[:-3].replace("/", ".") for path in our_files())
    without = {name for name in names if not layer_of(name)}
    assert {name for name in without if not is_in(name, "generations.migrations")} == {
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
        ("generations/worker/poll.py", "from klingweb.simulator import SCENARIOS"),
        ("klingweb/simulator/server.py", "from generations.engines.kling import PATH"),
        ("klingweb/simulator/server.py", "from klingweb import settings"),
        ("generations/worker/poll.py", "import os\nos.environ['X']"),
        ("klingweb/simulator/server.py", "from os import getenv"),
    ],
)
def test_forbidden_import_is_found(path: str, source: str) -> None:
    assert faults(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("generations/web/card.py", "from generations.worker import tasks\ntasks.enqueue_poll()"),
        ("generations/web/card.py", "from .middleware.access import MemberRequest"),
        ("generations/web/card.py", "from generations.requests import ACTIONS"),
        ("generations/requests.py", "from generations.worker import tasks\ntasks.enqueue_poll()"),
        (
            "generations/worker/download.py",
            "import requests\nfrom generations.engines import kling",
        ),
        ("generations/models/__init__.py", "from .status import Status"),
        ("generations/models/status.py", "from generations.engines.base import FailureKind"),
    ],
)
def test_allowed_import_is_not_reported(path: str, source: str) -> None:
    assert faults(path, source) == []


@pytest.mark.parametrize("folder", ["generations/models", "generations/web"])
def test_modules_do_not_import_each_other_in_a_cycle(folder: str) -> None:
    paths = (ROOT / folder).rglob("*.py")
    sources = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths}
    assert len(sources) > 10
    assert import_cycle(sources) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("from .b import B", "from .a import A"),
        ("from generations.models.b import B", "from generations.models import a"),
        ("from . import b", "def f():\n    from .a import A"),
        ("from .b import B", "if TYPE_CHECKING:\n    from .a import A"),
        ("from generations.models import B", ""),
    ],
)
def test_import_cycle_is_found(one: str, other: str) -> None:
    sources = {
        "generations/models/__init__.py": "from .a import A\nfrom .b import B",
        "generations/models/a.py": one,
        "generations/models/b.py": other,
        "generations/models/c.py": "from .a import A",
    }
    assert import_cycle(sources)


def test_imports_in_one_direction_are_not_a_cycle() -> None:
    sources = {
        "generations/models/__init__.py": "from .a import A\nfrom .b import B",
        "generations/models/a.py": "from .b import B",
        "generations/models/b.py": "from django.db import models",
    }
    assert import_cycle(sources) == []


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
def test_ruff_reports_banned_imports(tmp_path: Path, line: str) -> None:
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


def test_bench_starts_without_django_settings() -> None:
    """`make bench` is no Django process: its bare script shares only plain modules with the app."""
    python = ("env", "-u", "DJANGO_SETTINGS_MODULE", sys.executable)
    ran = subprocess.run(
        [*python, "-c", "import tests.bench.__main__"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
