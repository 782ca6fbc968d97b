"""One gate in front of everything that spends: who writes the money's tables, and who calls it.

Read from the source of the application, without migrations. A new writer or caller fails a test
until it is listed here.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from django.contrib.admin import site
from django.test import RequestFactory

from generations.models import Member
from generations.models.money import LedgerEntry, Price
from tests.installation import ROOT
from tests.test_layers import our_files

MONEY = "generations/models/money/"
TRIGGERS = "generations/models/append_only.py"  # they refuse every change
MODELS = {"Price", "Limit", "Period", "LedgerEntry"}
# Of other models' rows and of `Period`: the entries, periods and limits that belong to them.
RELATED = {"entries", "periods", "limits", "price_set", "limit_set", "period_set"}
TABLES = re.compile(r"\bgenerations_(price|limit|period|ledgerentry)\b")
WRITES = {
    *("create", "acreate", "bulk_create", "abulk_create", "get_or_create", "aget_or_create"),
    *("update", "aupdate", "update_or_create", "aupdate_or_create", "bulk_update", "abulk_update"),
    *("delete", "adelete", "save", "asave", "save_base", "put", "raw"),
    *("execute", "executemany", "register"),
}
# Functions that write prices and limits. Periods and entries: none but the ledger.
WRITERS = {
    "generations/models/invitation.py: set_limit_of": "Limit",
    "generations/operations/demo_data.py: add_price": "Price",
    "generations/operations/limits.py: change": "Limit",
    "generations/operations/prices.py: put": "Price",
    "generations/setup/team.py: _set_price": "Price",
    "generations/setup/team.py: _store": "Limit",
    "generations/web/admin/limits.py: set_limit": "Limit",
    "generations/web/money/limit_forms.py: save": "Limit",
}
# Models in the admin, whose pages write. Those of entries are read-only.
ADMIN = {f"generations/admin/{name}.py: " for name in ("ledger", "prices")}
# Functions that create generations without a request: rows that are never sent.
CREATORS = {
    "generations/operations/demo_data.py: _create",
    "generations/operations/sample_data.py: _generation",
    "generations/operations/sample_data.py: create",
}


@dataclass(frozen=True)
class Use:
    path: str
    function: str
    code: str

    def __str__(self) -> str:
        return f"{self.path}: {self.function}"


def sources() -> dict[str, str]:
    paths = {str(path.relative_to(ROOT)): path for path in our_files()}
    return {
        name: path.read_text("utf-8")
        for name, path in paths.items()
        if not name.startswith((MONEY, TRIGGERS, "generations/migrations/"))
    }


def writers(path: str, source: str) -> Iterator[Use]:
    """Uses in this file that may write one of the tables: rather too many than too few."""
    tree = ast.parse(source)
    tainted = _names_of_money(tree)
    for function, node in _nodes(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if TABLES.search(node.value):
                yield Use(path, function, node.value)
        elif isinstance(node, ast.Call) and _writes(node, tainted):
            yield Use(path, function, ast.unparse(node))


def _writes(call: ast.Call, tainted: set[str]) -> bool:
    match call.func:
        case ast.Name(id=name):
            return name in tainted & MODELS  # Price(...), which may be saved
        case ast.Attribute(attr=method, value=value) if method in WRITES:
            arguments = call.args if method == "register" else []
            return any(_is_money(each, tainted) for each in (value, *arguments))
        case ast.Attribute(attr=name):
            return name in MODELS
    return False


def _is_money(expression: ast.AST, tainted: set[str]) -> bool:
    """Whether any part of it is a model of money, or comes from one."""
    return any(
        (isinstance(node, ast.Name) and node.id in tainted)
        or (isinstance(node, ast.Attribute) and node.attr in MODELS | RELATED)
        or (isinstance(node, ast.Constant) and node.value in MODELS)  # get_model(..., "Price")
        for node in ast.walk(expression)
    )


def _names_of_money(tree: ast.AST) -> set[str]:
    """The models, under any name, and all variables that are made from them."""
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in MODELS
    }
    while True:
        before = len(names)
        for node in ast.walk(tree):
            for target, value in _assignments(node):
                if _is_money(value, names):
                    names |= {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}
        if len(names) == before:
            return names


def _assignments(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target, value) for target in targets)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield target, value
        case ast.NamedExpr(target=target, value=value):
            yield target, value
        case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
            yield target, value
        case ast.arg(annotation=ast.expr() as annotation):
            yield ast.Name(node.arg), annotation


def _nodes(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Every node with the name of the function around it."""

    def walk(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            name = child.name if isinstance(child, ast.FunctionDef) else function
            yield name, child
            yield from walk(child, name)

    return walk(tree, "")


def users(pattern: str, files: Mapping[str, str]) -> set[str]:
    """Functions with an attribute that matches, called or passed on, as "path: function"."""
    return {
        f"{path}: {function}"
        for path, source in files.items()
        for function, node in _nodes(ast.parse(source))
        if isinstance(node, ast.Attribute) and re.fullmatch(pattern, ast.unparse(node))
    }


def test_only_the_ledger_writes_the_tables_of_money() -> None:
    found = [use for path, source in sources().items() for use in writers(path, source)]
    registered = {f"admin.register({model})" for model in MODELS}
    others = [use for use in found if str(use) not in ADMIN or use.code not in registered]
    assert {str(use) for use in others} == WRITERS.keys()
    for use in others:
        written = WRITERS[str(use)]
        assert not any(model in use.code for model in MODELS - {written}), use


@pytest.mark.django_db
def test_the_admin_changes_no_price_or_entry(rf: RequestFactory, admin: Member) -> None:
    request = rf.get("/")
    request.user = admin
    for model, may_add in ((Price, True), (LedgerEntry, False)):
        page = site.get_model_admin(model)
        assert page.has_add_permission(request) == may_add
        assert not page.has_change_permission(request)
        assert not page.has_delete_permission(request)


def test_everything_that_reserves_passes_requests() -> None:
    """eliza 10857: a limit held on one road only, on the pages and not in the API."""
    files = sources()
    assert users(r".*\bobjects\.request(_all)?", files) == {
        "generations/requests.py: insert",
        "generations/batches.py: start",
    }
    # `requests.send_again` is the gate itself.
    assert users(r"(?!requests\.).*\.send_again", files) == {"generations/requests.py: send_again"}
    assert users(r"(.*\.)?ledger\.reserve(_all)?", files) == {
        "generations/models/generation.py: send_again",
        "generations/models/generation_queryset.py: _record_requests",
    }
    assert users(r"self\._record_requests", files) == {
        "generations/models/generation_queryset.py: request",
        "generations/models/generation_queryset.py: request_all",
    }


def test_charges_follow_transitions_only() -> None:
    files = sources()
    assert users(r"(.*\.)?charging\.\w+", files) == {
        "generations/models/generation_queryset.py: transition",
        "generations/models/generation.py: mark_failed",  # after a dismissal
    }
    assert users(r"(.*\.)?ledger\.(end|correct_late)", files) == set()


def test_no_other_code_creates_generations() -> None:
    created = r"(Generation\.objects|.*\.generations)\.(a?create|a?bulk_create|a?get_or_create)"
    found = users(created, sources()) | {
        f"{path}: {function}"
        for path, source in sources().items()
        for function, node in _nodes(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Generation"
    }
    assert found == CREATORS


@pytest.mark.parametrize(
    "source",
    [
        "from x import Period\nPeriod.objects.filter(pk=1).update(charged_e4=0)",
        "from x import Period as P\nrows = P.objects.all()\nfor row in rows:\n    row.save()",
        "from x import LedgerEntry\ndef f(entry: LedgerEntry):\n    entry.delete()",
        "from x import money\nmoney.Price.objects.create()",
        "from x import Price\nprices = [Price(amount_e4=1)]",
        "apps.get_model('generations', 'Limit').objects.create()",
        "member.periods.update(charged_e4=0)",
        "cursor.execute('UPDATE generations_period SET charged_e4 = 0')",
        "from x import Price\nadmin.site.register(Price)",
        "from x import Price\n@admin.register(Price)\nclass PriceAdmin: ...",
    ],
)
def test_writers_are_found(source: str) -> None:
    assert list(writers("x.py", source))


def test_readers_are_not_found() -> None:
    source = "from x import Period\nfor row in Period.objects.filter(pk=1):\n    print(row)"
    assert list(writers("x.py", source)) == []
