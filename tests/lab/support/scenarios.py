"""What can be run on labs, found in the tree: a role's scenario is a folder of `molecule/`, everything else a module of `tests/lab/`."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from provisioner.components import COMPONENTS
from provisioner.paths import project_dir

MODULES, SCENARIOS = project_dir() / "tests/lab", project_dir() / "molecule"


def roles() -> tuple[str, ...]:
    """Roles with a scenario, in build order: each finds what it stands on done by those before it."""
    return tuple(role for role in dict.fromkeys(each.role for each in COMPONENTS) if (SCENARIOS / role / "molecule.yml").is_file())


def clusters() -> tuple[str, ...]:
    """Tests of a whole cluster. The names' order is a good one: `scale` leaves a larger lab behind, and `upgrade` none."""
    return _marked("provision")


def own_labs() -> tuple[str, ...]:
    """Tests that make their hosts themselves."""
    return _marked("own_lab")


def nightly(name: str) -> bool:
    """Whether this one is too long for `make test`."""
    return "nightly" in marks(SCENARIOS / name / "tests" / f"test_{name}.py" if name in roles() else module(name))


def module(name: str) -> Path:
    """The file with the tests of that name."""
    return MODULES / f"test_{name}.py"


@cache
def marks(path: Path) -> frozenset[str]:
    """The marks that a module gives all its tests."""
    lines = (node.value for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)
             and [getattr(target, "id", "") for target in node.targets] == ["pytestmark"])
    return frozenset(each.attr for line in lines for each in ast.walk(line)
                     if isinstance(each, ast.Attribute) and ast.unparse(each.value) == "pytest.mark")


def _marked(mark: str) -> tuple[str, ...]:
    return tuple(path.stem.removeprefix("test_") for path in sorted(MODULES.glob("test_*.py")) if mark in marks(path))
