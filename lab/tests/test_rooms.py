"""The order of the lab's rooms and modules: each imports only what stands before it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import provisioner_lab
from provisioner_lab.paths import lab_dir

PACKAGE = Path(provisioner_lab.__file__).parent
#: Rooms and single modules, from the ground up; those of one line don't know each other.
FLOORS = (
    {"commands", "model", "paths", "testing"},
    {"cache", "systems", "services"},
    {"packages", "hosts", "snapshots"},
    {"images"},
    {"mirror"},
    {"vendors"},
    {"work"},
    {"faults", "restore"},
    {"freeze", "under_test"},
    {"provisioned"},
    {"entry", "verb", "pytest_plugin"},
)
#: Folders of Python packages that run elsewhere.
ELSEWHERE = (lab_dir() / "stand_ins", lab_dir() / "mesos" / "executors")


def imported(path: Path, package: str) -> Iterator[str]:
    """The modules that a module imports, type checking included; of `from x import y` both x and x.y."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[:len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{each.name}" for each in node.names)


def modules(root: Path) -> dict[str, set[str]]:
    """Every module under a folder → those of the folder that it imports."""
    paths = {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in root.rglob("*.py")}
    found = {}
    for name, path in paths.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found[name] = {each for each in imported(path, package) if each in paths and each != name}
    return found


def circles(graph: dict[str, set[str]]) -> list[str]:
    """Modules that are left when those that import nothing of the rest are taken away, again and again, from both ends."""
    for way in (graph, {name: {other for other, needs in graph.items() if name in needs} for name in graph}):
        left = dict(way)
        while free := [name for name, needs in left.items() if not needs & set(left)]:
            for name in free:
                del left[name]
        graph = {name: needs & set(left) for name, needs in graph.items() if name in left}
    return sorted(graph)


def test_every_room_has_its_floor() -> None:
    here = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert sorted(name for floor in FLOORS for name in floor) == sorted(here - {"__init__"})


def test_imports_go_down() -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    up = []
    for name, needs in modules(PACKAGE.parent).items():
        if name.startswith("provisioner_lab."):
            room = name.split(".")[1]
            rooms = {need.split(".")[1] for need in needs if need.startswith("provisioner_lab.")} - {room}
            up += [f"{name} imports {other}" for other in rooms if floor[other] >= floor[room]]
    assert up == []


@pytest.mark.parametrize("folder", [PACKAGE, *ELSEWHERE], ids=lambda path: path.name)
def test_no_modules_need_each_other(folder: Path) -> None:
    found = modules(folder.parent if (folder / "__init__.py").is_file() else folder)
    assert len(found) > 10
    assert circles(found) == []


def test_a_circle_would_be_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == ["b", "c"]
