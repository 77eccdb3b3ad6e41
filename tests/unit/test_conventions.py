"""Every role has the same skeleton, and what is written twice is the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs import generate
from provisioner.components import COMPONENTS
from provisioner.inventory.schema import load_schema
from provisioner.paths import playbooks_dir, project_dir, roles_dir

ROLES = sorted(p.name for p in roles_dir().iterdir())
FILES = ("meta/argument_specs.yml", "meta/limits.yml", "meta/main.yml", "meta/witness.yml", "defaults/main.yml", "tasks/main.yml",
         "tasks/preflight.yml", "tasks/check.yml", "tasks/remove.yml", "README.md")
BANNED = ("ignore_errors", "failed_when: false", "hostvars[")


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_components_roles_and_wirings_are_the_same_set() -> None:
    assert {c.role for c in COMPONENTS} == set(ROLES)
    assert [c.name for c in COMPONENTS if c.part("wiring") is None] == []


@pytest.mark.parametrize("role", ROLES)
def test_skeleton(role: str) -> None:
    assert [f for f in FILES if not (roles_dir() / role / f).is_file()] == []


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_the_argument_spec(role: str) -> None:
    options = _yaml(roles_dir() / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = _yaml(roles_dir() / role / "defaults" / "main.yml")
    assert list(defaults) == list(options)
    assert {k: v for k, v in defaults.items() if v != options[k].get("default")} == {}
    prefixes = (f"{role}_",)
    assert [name for name in options if not name.startswith(prefixes)] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_number_that_may_be_set_has_limits_and_every_default_is_within_them(role: str) -> None:
    own = [v for v in load_schema().variables.values() if v.role == role and not v.rendered]
    free = [v.name for v in own if v.type in ("int", "float") and not v.limit and not v.name.endswith("_port") and v.scope != "host"]
    assert free == []
    limited = {v.name for v in own if v.limit}
    assert limited == set(_yaml(roles_dir() / role / "meta" / "limits.yml")), "of variables that cannot be set"
    assert {v.name: v.problem(v.default) for v in own if v.limit and any(v.problem(v.default))} == {}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_refuses_what_is_outside_its_limits(role: str) -> None:
    text = (roles_dir() / role / "vars" / "main.yml").read_text()
    assert f"__{role}_limits | provisioner.core.limit_problems(query('ansible.builtin.vars', *__{role}_limits))" in text


@pytest.mark.parametrize("role", ROLES)
def test_nothing_swallows_a_failure_or_looks_at_other_hosts(role: str) -> None:
    for path in (roles_dir() / role).rglob("*.yml"):
        text = path.read_text()
        assert [word for word in BANNED if word in text] == [], path


@pytest.mark.parametrize("role", ROLES)
def test_every_task_file_does_something_and_every_verb_of_a_role_is_specified(role: str) -> None:
    tasks = {path.stem: _yaml(path) for path in (roles_dir() / role / "tasks").glob("*.yml")}
    assert [name for name, content in tasks.items() if all("ansible.builtin.meta" in task for task in content)] == []
    specified = set(_yaml(roles_dir() / role / "meta" / "argument_specs.yml")["argument_specs"])
    assert specified == {"main", *({"check", "drain", "remove"} & set(tasks))}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_ends_with_the_check_that_notes_what_was_applied(role: str) -> None:
    """What came after it could fail, and the next run would take the component for one that is as it was applied."""
    last = _yaml(roles_dir() / role / "tasks/main.yml")[-1]
    assert (last["ansible.builtin.import_tasks"], last["when"]) == ("check.yml", "not ansible_check_mode")
    (check,) = _yaml(roles_dir() / role / "tasks/check.yml")
    assert check["provisioner.core.component_check"]["note"] == "{{ component_note | default(false) }}"


def test_playbooks_know_no_component() -> None:
    names = "|".join(sorted({name for c in COMPONENTS for name in (c.name, c.role)}))
    for path in playbooks_dir().glob("*.yml"):
        code = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
        assert re.findall(rf"\b(?:{names})(?:\b|_)", code) == [], path


def test_a_unit_is_started_as_its_file_is_now() -> None:
    """A unit whose file was lost and written anew runs on, and systemd refuses to do anything with it until it is told to look again:
    `units` looks after that."""
    services = {path.parts[-3]: yaml.safe_load(path.read_text()) for path in roles_dir().glob("*/tasks/service.yml")}
    by_units = [role for role, tasks in services.items() if any("provisioner.core.units" in task for task in tasks)]
    assert len(by_units) > 5
    others = [task["ansible.builtin.systemd_service"] for tasks in services.values() for task in tasks
              if "ansible.builtin.systemd_service" in task]
    assert {unit["name"] for unit in others if unit.get("enabled")} <= {"rsyslog", "firewalld", "provisioner-network"}


def _notified(tasks: Any) -> set[str]:
    """The handlers that are named anywhere in tasks; in an expression they stand in quotes."""
    if isinstance(tasks, list):
        return {name for each in tasks for name in _notified(each)}
    if not isinstance(tasks, dict):
        return set()
    given = tasks.get("notify") or []
    names = [given] if isinstance(given, str) else given
    found = {name for each in names for name in (re.findall("'([^']+)'", each) if "{{" in each else [each])}
    return found | {name for each in tasks.values() for name in _notified(each)}


def test_handlers_that_a_file_notifies_are_there() -> None:
    """Ansible reads what a task notifies before it starts, but what one of `files` does only when that file is changed."""
    for role in ROLES:
        handlers = {task["name"] for task in _yaml(roles_dir() / role / "handlers" / "main.yml")}
        named = {name for path in (roles_dir() / role / "tasks").glob("*.yml") for name in _notified(_yaml(path))}
        assert named - handlers == set(), role


def test_every_role_has_a_scenario_with_tests_and_mutations_that_still_apply() -> None:
    scenarios = project_dir() / "molecule"
    assert [role for role in ROLES if not (scenarios / role / "tests" / f"test_{role}.py").is_file()] == []
    for role in ROLES:
        for mutation in _yaml(scenarios / role / "mutations.yml"):
            text = (project_dir() / mutation["file"]).read_text()
            assert mutation["find"] in text, f"{role}: {mutation['file']} no longer holds {mutation['find']!r}"


def test_facts_are_read_in_the_one_way_that_digests_see() -> None:
    """`witness.digest` finds the facts that a role reads by how they are written."""
    other = re.compile(r"ansible_facts(?!\['\w+'\])|\{\{[^}]*\bansible_(?:os_family|distribution|hostname|architecture)\b")
    for path in roles_dir().rglob("*"):
        if path.suffix in (".yml", ".j2"):
            assert other.findall(path.read_text()) == [], path


def test_few_modules_start_programs() -> None:
    allowed = {"hosts", "probe"}  # the probe runs on hosts
    own = {"ansible.py", "by_ansible.py", "supervisor.py", "terraform.py", "programs.py",
           "bundle_start.py"}  # which runs where nothing of this program is yet
    for path in (project_dir() / "provisioner").rglob("*.py"):
        if path.name in (*own, "health.py") or allowed & set(path.relative_to(project_dir() / "provisioner").parts):
            continue
        assert not re.search(r"^\s*(?:import|from) subprocess", path.read_text(), re.MULTILINE), path


def test_every_probe_variable_is_declared() -> None:
    assert {c.probe_variable for c in COMPONENTS} <= set(load_schema().variables)


def test_generated_documentation_is_current_in_a_terminal_of_any_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert [str(path) for path, text in generate.pages() if not path.is_file() or path.read_text() != text] == [], "run 'make docs'"


def test_internal_variables_stand_in_a_section_of_their_own() -> None:
    pages = dict(generate.pages())
    for role in ROLES:
        for text in (pages[roles_dir() / role / "README.md"], pages[project_dir() / "docs/reference/variables.md"]):
            settable, _, internal = text.partition(generate.INTERNAL)
            for variable in load_schema().variables.values():
                if variable.role == role:
                    own, other = (internal, settable) if variable.rendered else (settable, internal)
                    assert f"| `{variable.name}` |" in own and f"| `{variable.name}` |" not in other, variable.name


def test_only_the_console_prints() -> None:
    allowed = {"console.py", "cli.py"}
    found = []
    for path in (project_dir() / "provisioner").rglob("*.py"):
        on_hosts = ("remote_agent.py", "lock_keeper.py", "receiver.py")
        if path.name in allowed or "probe" in path.parts or path.name in on_hosts:
            continue
        calls = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call))
        found += [f"{path}:{c.lineno}" for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]
    assert found == []


#: Not ours: what an action plugin of Ansible is given, a way to change a named tuple, and what a parser takes.
FOREIGN = {"_low_level_execute_command", "_replace", "_actions"}


def _private(name: str) -> bool:
    return name == "__dict__" or (name.startswith("_") and not name.startswith("__") and name not in FOREIGN)


def test_tests_use_what_is_public() -> None:
    found = set()
    for path in (path for folder in ("tests", "molecule") for path in (project_dir() / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                names = [node.attr]
            found |= {(path.name, name) for name in names if _private(name)}
    assert found == set()


def test_a_ports_number_and_a_heap_are_the_defaults_of_their_roles() -> None:
    defaults = load_schema().all_defaults()
    said = {p.variable: p.number for c in COMPONENTS for p in c.ports if p.variable and not p.ranges}
    said |= {need.heap: need.heap_mb for c in COMPONENTS for need in c.needs if need.heap}
    assert len(said) > 10 and {name: defaults[name] for name in said} == said
