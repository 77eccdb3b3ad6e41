"""The modules of the collection as a whole: documented as they are, and run as Ansible runs them."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from provisioner.observe.preflight.system import PYTHON_MIN
from provisioner.paths import collection_dir, project_dir

MODULES = sorted(path.stem for path in (collection_dir() / "plugins/modules").glob("*.py"))


def module(name: str) -> ModuleType:
    return importlib.import_module(f"ansible_collections.provisioner.core.plugins.modules.{name}")


def bare(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a documentation or of an argument spec, without the words for people, and what only the latter has."""
    kept = {name: {k: v for k, v in option.items() if k not in ("description", "no_log")} for name, option in options.items()}
    return {name: {k.replace("suboptions", "options"): bare(v) if k.endswith("options") else v for k, v in option.items()}
            for name, option in kept.items()}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_takes_what_its_documentation_says(name: str) -> None:
    loaded = module(name)
    documentation = yaml.safe_load(loaded.DOCUMENTATION)
    assert documentation["module"] == name
    assert bare(documentation["options"]) == bare(loaded.ARGUMENTS)
    given = yaml.safe_load(loaded.EXAMPLES)[0][f"provisioner.core.{name}"] or {}
    required = {option for option, spec in loaded.ARGUMENTS.items() if spec.get("required")}
    assert required <= set(given) <= set(loaded.ARGUMENTS)


@pytest.mark.parametrize("name", [name for name in MODULES if name.endswith("_info")])
def test_a_look_gives_what_its_documentation_says(name: str) -> None:
    """On this machine, whatever it has."""
    loaded = module(name)
    given = yaml.safe_load(loaded.EXAMPLES)[0][f"provisioner.core.{name}"] or {}
    defaults = {option: spec.get("default") for option, spec in loaded.ARGUMENTS.items()}
    local: dict[str, list[str]] = {"masters": [], "repositories": []}  # nobody else is asked
    asked = {**defaults, **given, **{k: v for k, v in local.items() if k in defaults}}
    found = loaded.look(asked) if asked else loaded.look()
    assert set(found) == set(yaml.safe_load(loaded.RETURN))
    json.dumps(found)


@pytest.mark.parametrize("path", sorted((collection_dir() / "plugins").glob("module*/*.py")), ids=lambda path: path.stem)
def test_what_runs_on_hosts_runs_with_the_oldest_python_that_preflight_lets_pass(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=PYTHON_MIN)
    written = {id(part) for node in ast.walk(tree) for field in ("annotation", "returns")
               if (kind := getattr(node, field, None)) for part in ast.walk(kind)}  # never evaluated
    run = [node for node in ast.walk(tree) if id(node) not in written]
    generic = [node.value.id for node in run if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)]
    called = [node.func.attr for node in run if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
              and not (isinstance(node.func.value, ast.Name) and node.func.value.id == "os")]
    assert set(generic) & {"dict", "list", "tuple", "set", "frozenset", "type"} == set(), "came with Python 3.9"
    assert set(called) & {"readlink", "removeprefix", "removesuffix", "is_relative_to", "with_stem"} == set(), "came with Python 3.9"


def test_ansible_runs_a_module_with_what_it_imports(tmp_path: Path) -> None:
    """Over Ansible's own way: packed into one file, run by another Python process."""
    asked = {"unit": "no-such-unit", "listeners": [{"address": "192.0.2.1", "port": 1}]}
    tasks = [{"name": "Look", "provisioner.core.service_info": asked, "register": "now"},
             {"name": "Judge", "ansible.builtin.debug": {"msg": "{{ now | provisioner.core.listen_problems('X', 'x_address') }}"}}]
    play = {"name": "Try", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    (tmp_path / "run.yml").write_text(yaml.safe_dump([play]))
    program = Path(sys.executable).with_name("ansible-playbook")
    command = [str(program), "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", str(tmp_path / "run.yml")]
    done = subprocess.run(command, cwd=project_dir(), env={**os.environ, "ANSIBLE_LOCAL_TEMP": str(tmp_path)},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "This host does not have the address 192.0.2.1: correct x_address." in done.stdout
