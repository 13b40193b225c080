"""The house has floors: whoever reads a module needs only what is below it."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "bridge"

# From the ground up. A module imports from lower lines only, and inside its own package.
# "bridge" is the package's own __init__.
LAYERS = (
    "bridge errors model clock duration rfc3339 portable traces masking sse lanes cadence"
    " bell health",
    "rate messages formats signature transition vault metrics worker slots signals",
    "budget schemas vitals",
    "receivers",
    "net",
    "config client",
    "providers",
    "store",
    "polling delivery tracing live membership",
    "noticing upkeep api simulator",
    "dashboard",
    "running development logs",
    "assembly",
    "service",
    "cli",
    "__main__",
)
FLOORS = {unit: floor for floor, units in enumerate(LAYERS) for unit in units.split()}

# Who may know of what only some may know of.
SHUT = {
    "service": {"cli"},
    "cli": {"__main__"},
    "__main__": set(),
    "client": {"cli"},
    "simulator": {"assembly", "cli"},
    "assembly": {"service", "cli"},
}


def named(path: Path) -> str:
    """
    >>> named(ROOT / "store" / "__init__.py"), named(ROOT / "clock.py")
    ('bridge.store', 'bridge.clock')
    """
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def imports(source: str, modules: Mapping[str, Path]) -> Iterator[str]:
    """Modules of ours that a source names, wherever in it that is.

    >>> known = {"bridge": ROOT, "bridge.store": ROOT, "bridge.store.box": ROOT}
    >>> list(imports("from bridge.store import box, Store; import bridge", known))
    ['bridge.store.box', 'bridge.store', 'bridge']
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found = whole if whole in modules else node.module
                if found in modules:
                    yield str(found)


def unit_of(module: str) -> str:
    """The module itself, or the package of the top level that it is in.

    >>> unit_of("bridge.store.box"), unit_of("bridge.clock"), unit_of("bridge")
    ('store', 'clock', 'bridge')
    """
    return module.split(".")[1] if "." in module else module


MODULES = {named(path): path for path in sorted(ROOT.rglob("*.py"))}
GRAPH = {
    module: set(imports(path.read_text("utf-8"), MODULES)) - {module}
    for module, path in MODULES.items()
}


def test_every_module_has_its_floor() -> None:
    """A new module says where it belongs; one that is gone leaves no line behind."""
    assert {unit_of(module) for module in MODULES} == set(FLOORS)
    assert len(FLOORS) == sum(len(units.split()) for units in LAYERS)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_below(module: str) -> None:
    """What is above may change without anybody below noticing."""
    own = unit_of(module)
    above = [
        other
        for other in GRAPH[module]
        if unit_of(other) != own and FLOORS[unit_of(other)] >= FLOORS[own]
    ]
    assert not above


def test_no_modules_import_one_another() -> None:
    """Not inside the packages either: a cycle is one module in several files."""
    assert len(list(TopologicalSorter(GRAPH).static_order())) == len(MODULES)


@pytest.mark.parametrize(("unit", "guests"), SHUT.items())
def test_what_is_at_the_edge_stays_there(unit: str, guests: set[str]) -> None:
    """No loop and no rule knows how the node is put together, started or rehearsed."""
    known_to = {
        unit_of(module)
        for module, used in GRAPH.items()
        if any(unit_of(each) == unit for each in used)
    }
    assert known_to - {unit} <= guests
