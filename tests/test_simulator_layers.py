"""The simulator's modules import downwards only, and only one of them imports the artwork."""

import ast
from pathlib import Path

from tests.simulator import ROOT

SIMULATOR = ROOT / "klingweb/simulator"
PACKAGE = "klingweb.simulator"
# From top to bottom: a module may import modules below its own line only.
LAYERS: tuple[set[str], ...] = (
    {"__main__"},
    {"server"},
    {"callbacks", "control_api", "index_page"},
    {"backend"},
    {"scenario_queue"},
    {"scenarios"},
    {
        "scenarios.answers",
        "scenarios.file_faults",
        "scenarios.query_responses",
        "scenarios.response_formats",
        "scenarios.submit_responses",
    },
    {"scenarios.lifecycle"},
    {"scenarios.scenario"},
    {"engines.registry"},
    {"engines.ideogram.api", "engines.images_api.api"},
    {
        "engines.account",
        "engines.ideogram.errors",
        "engines.ideogram.validation",
        "engines.images_api.errors",
        "engines.images_api.validation",
        "engines.kling.errors",
        "engines.kling.formats",
        "engines.kling.validation",
    },
    {
        "bodies",
        "engines.gateway",
        "engines.ideogram",
        "engines.images_api",
        "engines.immediate",
        "engines.kling",
        "engines.kling.task_ids",
        "transport",
    },
    {"responses", "tasks", "picture_cache"},
    {"drawing", "journal"},
    {"artwork", "decompression_bombs", "engines", "request_log", "settings"},
)
LAYER_OF = {module: number for number, layer in enumerate(LAYERS) for module in layer}


def module_name(path: Path) -> str:
    """Return the name of a module below the simulator; all of the artwork counts as one."""
    parts = path.relative_to(SIMULATOR).with_suffix("").parts
    if parts[0] == "artwork":
        return "artwork"
    return ".".join(part for part in parts if part != "__init__")


def imported_modules(path: Path) -> set[str]:
    """Return the modules of the simulator that a file imports, relative imports excepted."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    modules = set()
    for name in names:
        module = name.removeprefix(f"{PACKAGE}.")
        while module not in LAYER_OF and "." in module:
            module = module.rpartition(".")[0]
        if name.startswith(f"{PACKAGE}."):
            modules.add(module)
    return modules


def test_modules_import_lower_layers_only() -> None:
    upward = [
        f"{path.relative_to(ROOT)} imports {target}"
        for path in SIMULATOR.rglob("*.py")
        if (module := module_name(path)) and module != "artwork"
        for target in imported_modules(path)
        if LAYER_OF[target] <= LAYER_OF[module]
    ]
    assert upward == []


def test_only_the_drawing_module_imports_the_artwork() -> None:
    paths = SIMULATOR.rglob("*.py")
    assert [module_name(p) for p in paths if "artwork" in imported_modules(p)] == ["drawing"]


def test_artwork_imports_nothing_else_of_the_simulator() -> None:
    paths = list((SIMULATOR / "artwork").glob("*.py"))
    assert [path.name for path in paths if imported_modules(path)] == []
    assert [path.name for path in paths if "from .." in path.read_text("utf-8")] == []
