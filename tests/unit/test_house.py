"""The rooms of the driver: what each may import, and where a component's name may stand."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from provisioner.components import ORDER
from provisioner.paths import project_dir

DRIVER = project_dir() / "provisioner"
#: From the ground up: a room imports only rooms below it, and those it shares a line with.
ROOMS = (("errors", "paths", "extensions"), ("components", "cluster"), ("state",), ("inventory", "hosts"), ("context",), ("observe",),
         ("mirror",), ("plan",), ("run",), ("console",), ("verbs", "cli"))
#: The parts of a component are read by these rooms and belong to them; the rest of its folder is of the room `components`.
PARTS = {"wiring": "inventory", "settings": "inventory", "health": "probe", "preflight": "observe", "status": "observe", "proof": "observe",
         "ensemble": "plan", "phases": "plan", "backup": "run", "framework": "run", "membership": "run"}
FLOOR = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}
#: Words of other things, too: a program, a file of Linux, a unit, an answer of a host, a verb.
OTHER_WORDS = ("docker", "kernel", "mesos", "repos", "common", "dns", "mirror")
#: Where the driver still calls a component by its name, and why. This list may only become shorter.
BY_NAME = {
    "inventory/checks.py": {"zookeeper"}, "inventory/schema.py": {"zookeeper"}, "inventory/wiring.py": {"zookeeper"},  # ids and addresses
    "state/ledger.py": {"zookeeper"},  # the ids that were handed out
    "plan/authentication.py": {"zookeeper", "mesos_master", "marathon", "chronos"},  # the order in which passwords reach each of them
    "observe/workload.py": {"mesos_master", "marathon"},  # what runs where is asked of these two
    "run/znode_acls.py": {"marathon", "chronos"},  # whose nodes are whose
    "verbs/repair/work.py": {"zookeeper", "mesos_master"}, "verbs/replace/work.py": {"mesos_master"}, "verbs/drain/work.py": {"marathon"},
}


def room_of(path: Path) -> str:
    """The room that a module belongs to."""
    first, *rest = path.relative_to(DRIVER).with_suffix("").parts
    return PARTS.get(rest[-1], first) if first == "components" and rest else first


def imported(path: Path) -> set[str]:
    """The rooms that a module imports, whenever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        for name in ([str(node.module)] if isinstance(node, ast.ImportFrom) and not node.level else
                     [each.name for each in node.names] if isinstance(node, ast.Import) else []):
            names = [name] if name != "provisioner" or not isinstance(node, ast.ImportFrom) else [f"{name}.{a.name}" for a in node.names]
            found |= {part for each in names if each.startswith("provisioner.") for part in [each.split(".", 1)[1]]}
    return {room_of(DRIVER / f"{each.replace('.', '/')}.py") for each in found if not each.startswith("__")}


def modules() -> list[Path]:
    return sorted(DRIVER.rglob("*.py"))


def test_imports_run_one_way() -> None:
    wrong = []
    for path in modules():
        room = room_of(path)
        for other in imported(path) - {room, "probe"}:
            if room in FLOOR and FLOOR[other] > FLOOR[room]:
                wrong.append(f"{path.relative_to(DRIVER)} ({room}) imports {other}")
    assert wrong == []


def test_what_runs_on_hosts_imports_nothing_of_the_driver() -> None:
    assert {path.name: imported(path) - {"probe"} for path in modules() if room_of(path) == "probe" and imported(path) - {"probe"}} == {}


def test_every_folder_is_a_room_and_few_modules_lie_loose() -> None:
    assert {path.name for path in DRIVER.iterdir() if path.is_dir() and path.name != "__pycache__"} <= {*FLOOR, "probe"}
    assert len(list(DRIVER.glob("*.py"))) <= 8


@pytest.mark.parametrize("name", [name for name in ORDER if name not in OTHER_WORDS])
def test_a_component_is_called_by_its_name_in_its_folder_only(name: str) -> None:
    word = re.compile(rf"""["']{name}["']""")
    outside = (path for path in modules() if not path.is_relative_to(DRIVER / "components"))
    found = {str(path.relative_to(DRIVER)) for path in outside if word.search(path.read_text())}
    assert found == {path for path, names in BY_NAME.items() if name in names}
