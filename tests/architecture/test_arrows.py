"""The design's arrows and words, checked on the source; each rule is shown to catch an offender."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 300
_FORBIDDEN = {"manager", "handler", "helper", "utils", "util", "processor", "info", "item", "items"}
#: Names that a library or protocol gives us, and words that mean something else here.
_ALLOWED = {"add_signal_handler", "formatException"}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_CLOCKS = {
    "time",
    "random",
    "uuid",
    "logging",
    "socket",
    "asyncio",
    "os",
    "subprocess",
    "sqlite3",
    "secrets",
    "threading",
}


@cache
def sources(*folders: str) -> dict[str, str]:
    """Module name -> text."""
    found: dict[str, str] = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text("utf-8")
    return found


@cache
def imports(module: str, text: str, *, known: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Every module that a text imports at run time."""
    return tuple(_imports(module, text, known))


def _imports(module: str, text: str, known: frozenset[str]) -> Iterator[str]:
    """Every module that a text imports, at run time; ``from package import module`` counts as the module."""
    for node in ast.walk(_at_run_time(ast.parse(text))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in known else str(node.module)


class _WithoutTyping(ast.NodeTransformer):
    def visit_If(self, node: ast.If) -> ast.AST:
        return ast.Pass() if ast.unparse(node.test).endswith("TYPE_CHECKING") else self.generic_visit(node)


def _at_run_time(tree: ast.Module) -> ast.AST:
    return ast.fix_missing_locations(_WithoutTyping().visit(tree))


# --- the rules: (module, imported) -> why not, or None ----------------------------------------------------------------

Rule = Callable[[str, str], str | None]


def core_is_pure(module: str, imported: str) -> str | None:
    if not module.startswith("bridge.core") or imported.startswith("bridge.core"):
        return None
    if imported.split(".")[0] in _CLOCKS or imported.split(".")[0] not in sys.stdlib_module_names:
        return "core imports the pure part of the standard library only"
    return None


#: What stands beside the connectors for all of them to use.
_COMMON = (
    "connectors.expression",
    "connectors.quickxor",
    "connectors.bandwidth",
    "connectors.patience",
    "connectors.rights",
    "connectors.tree.",
)
#: A drive is a part of the same tenant: it gets in as the connector to the tenant does.
_SHARED = {"connectors.graph_drive": ("connectors.graph.",)}


def connectors_know_the_port_only(module: str, imported: str) -> str | None:
    if not module.startswith("connectors.") or not imported.startswith(("bridge", "connectors")):
        return None
    own = ".".join(module.split(".")[:2])
    if own == "connectors.sandbox":
        return None if imported.startswith(own) else "the sandbox is the counterparty and shares nothing with us"
    allowed = (own, "bridge.ports", "bridge.core", *_SHARED.get(own, ()), *_COMMON)
    return None if imported.startswith(allowed) else "a connector knows the port and the core only"


def bridge_knows_no_connector(module: str, imported: str) -> str | None:
    if module.startswith("bridge") and imported.startswith("connectors") and imported != "connectors.expression":
        return "bridge loads connectors by name, never statically"
    return None


def pillars_stand_apart(module: str, imported: str) -> str | None:
    pillars = {"bridge.engine", "bridge.state"}
    own, other = (".".join(name.split(".")[:2]) for name in (module, imported))
    return "engine and state don't know each other" if own in pillars and other in pillars - {own} else None


def arrows_point_down(module: str, imported: str) -> str | None:
    below = {
        "bridge.core": 0,
        "bridge.ports": 1,
        "bridge.engine": 2,
        "bridge.state": 2,
        "bridge.samba": 2,
        "bridge.daemon": 3,
        "bridge.web": 4,
        "bridge.api": 4,
        "bridge.dashboard": 5,
        "bridge.fleet": 2,
        "bridge.uplink": 5,
        "bridge.hub": 6,
        "bridge.cli": 4,
    }
    own, other = (below.get(".".join(name.split(".")[:2])) for name in (module, imported))
    return "the arrow points upward" if own is not None and other is not None and other > own else None


RULES: tuple[Rule, ...] = (
    core_is_pure,
    connectors_know_the_port_only,
    bridge_knows_no_connector,
    pillars_stand_apart,
    arrows_point_down,
)


def offences(rule: Rule, texts: dict[str, str]) -> list[str]:
    known = frozenset(texts)
    return [
        f"{module} imports {imported}: {why}"
        for module, text in texts.items()
        for imported in imports(module, text, known=known)
        if (why := rule(module, imported))
    ]


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: Rule) -> None:
    assert offences(rule, sources("bridge", "connectors")) == []


@pytest.mark.parametrize(
    ("rule", "module", "text"),
    [
        (core_is_pure, "bridge.core.x", "import sqlalchemy"),
        (core_is_pure, "bridge.core.x", "from time import time"),
        (core_is_pure, "bridge.core.x", "from bridge.ports import Page"),
        (connectors_know_the_port_only, "connectors.x.y", "from bridge.engine.cycle import cycle"),
        (connectors_know_the_port_only, "connectors.x.y", "import connectors.graph"),
        (connectors_know_the_port_only, "connectors.smb.y", "from connectors.folder.listing import read_folder"),
        (connectors_know_the_port_only, "connectors.tree.y", "from connectors.folder.listing import read_folder"),
        (connectors_know_the_port_only, "connectors.sandbox.y", "from bridge.core.model import Side"),
        (bridge_knows_no_connector, "bridge.daemon.x", "def f():\n    from connectors.memory import connect"),
        (pillars_stand_apart, "bridge.engine.x", "from bridge.state import SchoolStore"),
        (arrows_point_down, "bridge.state.x", "import bridge.daemon.wiring"),
        (arrows_point_down, "bridge.daemon.x", "from bridge.web import app"),
    ],
)
def test_rule_catches(rule: Rule, module: str, text: str) -> None:
    assert offences(rule, {module: text})


# --- circles ----------------------------------------------------------------------------------------------------------


def circle(texts: dict[str, str]) -> list[str]:
    """Modules that import each other in a circle; empty when there is none."""
    known = frozenset(texts)
    graph = {
        module: {one for one in imports(module, text, known=known) if one in known} for module, text in texts.items()
    }
    while True:
        leaves = {module for module, targets in graph.items() if not targets & graph.keys() - {module}}
        if not leaves:
            return sorted(graph)
        graph = {module: targets for module, targets in graph.items() if module not in leaves}
        if not graph:
            return []


def test_no_circle() -> None:
    assert circle(sources("bridge", "connectors")) == []


def test_circle_is_found() -> None:
    assert circle({"a": "import b", "b": "import c", "c": "import a", "d": "import a"})


# --- words, clocks, length -------------------------------------------------------------------------------------------


def words(text: str) -> set[str]:
    """Identifiers defined in a text that use a word the glossary forbids."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return {name for name in found - _ALLOWED if _FORBIDDEN & {word.lower() for word in _WORD.findall(name)}}


def test_words() -> None:
    ours = {
        name: text
        for name, text in sources("bridge", "connectors").items()
        if not name.startswith("connectors.sandbox")
    }
    assert {name: found for name, text in ours.items() if (found := words(text))} == {}


def test_words_catch() -> None:
    assert words("class SyncManager: ...\ndef load_utils(item): ...") == {"SyncManager", "load_utils", "item"}


def clock_calls(text: str) -> list[str]:
    """Calls of the wall clock."""
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return [call for call in calls if re.search(r"\b(datetime|date)\.(now|utcnow|today)$", call)]


def test_no_clock_in_decisions() -> None:
    deciding = sources("bridge/core", "bridge/engine")
    assert {name: found for name, text in deciding.items() if (found := clock_calls(text))} == {}


def test_clock_is_found() -> None:
    assert clock_calls("import datetime\nx = datetime.datetime.now()")


def long_files(texts: dict[str, str]) -> list[str]:
    return [f"{name} has {text.count(chr(10))} lines" for name, text in texts.items() if text.count("\n") > LONGEST]


def test_no_file_is_long() -> None:
    # The port is the contract and reads best in one piece.
    texts = {name: text for name, text in sources("bridge", "connectors").items() if name != "bridge.ports"}
    assert long_files(texts) == []


def test_a_long_file_is_found() -> None:
    assert long_files({"x": "\n" * (LONGEST + 1)})
