"""What the roles share: found by a plain ansible-playbook, and part of what decides whether a role must run again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from provisioner.components import component
from provisioner.paths import collection_dir, playbooks_dir, project_dir, roles_dir
from provisioner.plan import fingerprint

ROLES = sorted(p.name for p in roles_dir().iterdir())


def checked(folder: Path, *playbooks: Path) -> None:
    """Let a plain ansible-playbook, with nothing but ansible.cfg, read playbooks in the root of the project."""
    inventory = folder / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"m1": {}}}}))
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "PYTHON"))}
    variables = {"component_name": "zookeeper", "component_role": "zookeeper", "component_hosts": "m1"}
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run([program, "--syntax-check", "-i", inventory, "-e", json.dumps(variables), *playbooks],
                          cwd=project_dir(), env=plain, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_plain_ansible_playbook_reads_every_playbook_and_every_role(tmp_path: Path) -> None:
    tasks = [{"name": role, "ansible.builtin.import_role": {"name": role, "tasks_from": path.stem}}
             for role in ROLES for path in sorted((roles_dir() / role / "tasks").glob("*.yml"))]
    (tmp_path / "roles.yml").write_text(yaml.safe_dump([{"name": "All", "hosts": "m1", "tasks": tasks}]))
    checked(tmp_path, *playbooks_dir().glob("*.yml"), tmp_path / "roles.yml")


def test_a_plugin_that_is_not_there_is_found_out(tmp_path: Path) -> None:
    task = {"name": "Look", "provisioner.core.no_such_module": {}}
    (tmp_path / "wrong.yml").write_text(yaml.safe_dump([{"name": "Wrong", "hosts": "m1", "tasks": [task]}]))
    with pytest.raises(AssertionError, match="no_such_module"):
        checked(tmp_path, tmp_path / "wrong.yml")


def test_ansible_is_told_nothing_of_the_drivers_insides() -> None:
    assert "provisioner/" not in (project_dir() / "ansible.cfg").read_text()


@pytest.mark.parametrize("role", ROLES)
def test_the_plugins_of_a_role_are_all_that_it_names(role: str) -> None:
    text = "".join(path.read_text() for path in (roles_dir() / role).rglob("*") if path.suffix in (".yml", ".j2"))
    plugins = fingerprint.plugins_of(role, collection_dir())
    offered = {Path(name).stem for name in plugins} | {
        name for path in plugins.values() if path.parent.name == "filter" for name in re.findall(r'"(\w+)":', path.read_text())}
    assert {*re.findall(r"provisioner\.core\.(\w+)", text)} - offered == set()


def test_a_changed_plugin_is_a_reason_to_run_the_roles_that_use_it_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def digests(changed: str) -> tuple[str, str]:
        folder = tmp_path / (changed or "same")
        for path in collection_dir().rglob("*.py"):
            copy = folder / path.relative_to(collection_dir())
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text() + ("# changed\n" if changed == path.name else ""))
        monkeypatch.setattr(fingerprint, "collection_dir", lambda: folder)
        zookeeper, mesos = (fingerprint.digest(component(name), {}, {}, "id", "") for name in ("zookeeper", "mesos_agent"))
        return zookeeper, mesos

    before = digests("")
    assert digests("events.py") == before, "no role names it"
    for name in ("component_check.py", "probe.py"):  # named by both, and imported by what they name
        assert [old == new for old, new in zip(before, digests(name), strict=True)] == [False, False], name
    for name, same in (("host.py", [False, False]), ("zookeeper_info.py", [False, True]), ("mesos_agent.py", [True, False]),
                       ("mesos.py", [True, False]), ("flags.py", [True, False]), ("service.py", [False, False])):
        assert [old == new for old, new in zip(before, digests(name), strict=True)] == same, name
