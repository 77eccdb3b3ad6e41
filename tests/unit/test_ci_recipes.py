"""The recipes for CI services call what there is, and leave no scenario out. They can't be run here."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner.paths import project_dir

RECIPES = (".github/workflows/ci.yml", ".gitlab-ci.yml")


def scenarios() -> list[str]:
    """Those of `make molecule`."""
    spec = importlib.util.spec_from_file_location("run", project_dir() / "molecule/run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "run", module)  # its dataclass looks itself up
        spec.loader.exec_module(module)
    return list(module.SCENARIOS)


def loaded(recipe: str) -> Any:
    return yaml.safe_load(Path(project_dir() / recipe).read_text())


def test_each_has_a_job_for_every_scenario() -> None:
    assert loaded(RECIPES[0])["jobs"]["scenario"]["strategy"]["matrix"]["scenario"] == scenarios()
    assert loaded(RECIPES[1])["scenario"]["parallel"]["matrix"] == [{"SCENARIO": scenarios()}]


@pytest.mark.parametrize("recipe", [*RECIPES, "docs/ci.md"])
def test_every_target_of_make_that_is_called_is_there(recipe: str) -> None:
    targets = re.findall(r"^([a-z][a-z0-9-]*):", (project_dir() / "Makefile").read_text(), re.MULTILINE)
    called = re.findall(r"(?:- run: |    - |`)make ([a-z0-9-]+)", (project_dir() / recipe).read_text())
    assert called
    assert set(called) - set(targets) == set()


def test_the_recipes_for_users_are_yaml() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", (project_dir() / "docs/ci.md").read_text(), re.MULTILINE | re.DOTALL)
    assert [type(yaml.safe_load(block)) for block in blocks] == [dict, dict]
