"""The recipes for CI services call what there is, and leave nothing out. They can't be run here."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generate import RECIPES, with_jobs
from provisioner.components import COMPONENTS
from provisioner.paths import project_dir
from tests.lab.support import scenarios


def loaded(recipe: str) -> Any:
    return yaml.safe_load(Path(project_dir() / recipe).read_text())


def test_each_has_a_job_for_every_role_and_every_cluster() -> None:
    """That they are current is told with the rest of what is generated (`test_conventions`)."""
    github, gitlab = map(loaded, RECIPES)
    for job, names in (("role", list(scenarios.roles())), ("cluster", list(scenarios.clusters()))):
        assert github["jobs"][job]["strategy"]["matrix"] == {job: names}
        assert gitlab[job]["parallel"]["matrix"] == [{job.upper(): names}]


def test_every_job_looks_for_the_cache_under_the_name_that_the_first_one_keeps_it_under() -> None:
    jobs = loaded(RECIPES[0])["jobs"].values()
    keys = [step["with"]["key"] for job in jobs for step in job["steps"] if step.get("uses", "").startswith("actions/cache")]
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_a_new_name_gets_a_job_and_one_that_is_gone_loses_its_own() -> None:
    recipe = "a:\n  # role: written by me\n  - old\n  # end of role\nb:\n  - stays\n"
    assert with_jobs(recipe, {"role": ("one", "two")}) == "a:\n  # role: written by me\n  - one\n  - two\n  # end of role\nb:\n  - stays\n"
    with pytest.raises(ValueError, match="'# end of cluster'"):
        with_jobs(recipe, {"cluster": ()})


def test_every_role_has_a_scenario_in_build_order() -> None:
    assert scenarios.roles() == tuple(dict.fromkeys(each.role for each in COMPONENTS))


def test_the_marks_that_are_read_from_a_module_are_those_that_pytest_sees() -> None:
    for path in scenarios.MODULES.glob("test_*.py"):
        given = importlib.import_module(f"tests.lab.{path.stem}").pytestmark
        assert scenarios.marks(path) == {mark.name for mark in (given if isinstance(given, list) else [given])}, path


def test_everything_on_labs_is_one_or_the_other_and_molecule_has_roles_only() -> None:
    modules = {path.stem.removeprefix("test_") for path in scenarios.MODULES.glob("test_*.py")}
    assert modules == {*scenarios.clusters(), *scenarios.own_labs()}
    assert {path.parent.name for path in (project_dir() / "molecule").glob("*/molecule.yml")} == set(scenarios.roles())


@pytest.mark.parametrize("recipe", [*RECIPES, "docs/ci.md"])
def test_every_target_of_make_that_is_called_is_there(recipe: str) -> None:
    targets = re.findall(r"^([a-z][a-z0-9-]*):", (project_dir() / "Makefile").read_text(), re.MULTILINE)
    called = re.findall(r"(?:- run: |    - |`)make ([a-z0-9-]+)", (project_dir() / recipe).read_text())
    assert called
    assert set(called) - set(targets) == set()


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_name_that_is_given_to_make_is_one(recipe: str) -> None:
    given = re.findall(r"make lab-tests S=([a-z-]+)", (project_dir() / recipe).read_text())
    assert given == ["own-labs"]


def test_the_recipes_for_users_are_yaml() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", (project_dir() / "docs/ci.md").read_text(), re.MULTILINE | re.DOTALL)
    assert [type(yaml.safe_load(block)) for block in blocks] == [dict, dict]
