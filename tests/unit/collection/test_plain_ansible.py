"""What the roles share: found by a plain ansible-playbook, and part of what decides whether a role must run again."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from provisioner.components import component
from provisioner.paths import collection_dir, playbooks_dir, project_dir, roles_dir
from provisioner.plan import fingerprint
from provisioner.plan.steps import Step
from provisioner.run.ansible import step_variables
from tests.unit.ansible_playbook import ansible_playbook

ROLES = sorted(p.name for p in roles_dir().iterdir())


def plain(folder: Path, *arguments: str | Path, **variables: object) -> str:
    """What a plain ansible-playbook, with nothing but ansible.cfg, prints in the root of the project. Its one host is this machine."""
    inventory = folder / "inventory.json"
    host = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    inventory.write_text(json.dumps({"all": {"hosts": {"m1": host}}}))
    chosen = {"component_name": "zookeeper", "component_role": "zookeeper", "component_hosts": "m1", **variables}
    return ansible_playbook("-i", inventory, "-e", json.dumps(chosen), *arguments, log=folder / "ansible.log")


def checked(folder: Path, *playbooks: Path) -> None:
    """Let it read playbooks."""
    plain(folder, "--syntax-check", *playbooks)


def test_a_plain_ansible_playbook_reads_every_playbook_and_every_role(tmp_path: Path) -> None:
    tasks = [{"name": role, "ansible.builtin.import_role": {"name": role, "tasks_from": path.stem}}
             for role in ROLES for path in sorted((roles_dir() / role / "tasks").glob("*.yml"))]
    (tmp_path / "roles.yml").write_text(yaml.safe_dump([{"name": "All", "hosts": "m1", "tasks": tasks}]))
    checked(tmp_path, *playbooks_dir().glob("*.yml"), tmp_path / "roles.yml")


def test_variables_are_validated_by_hand_and_not_again_where_the_driver_did(tmp_path: Path) -> None:
    playbooks = sorted(path for path in playbooks_dir().glob("*.yml") if "import_role" in path.read_text())
    assert plain(tmp_path, "--list-tasks", *playbooks).count("Validating arguments") == len(playbooks) > 3
    told = step_variables(Step(component("zookeeper"), ("m1",)), ["m1"])
    assert "Validating arguments" not in plain(tmp_path, "--list-tasks", *playbooks, **told)


def test_a_plugin_that_is_not_there_is_found_out(tmp_path: Path) -> None:
    task = {"name": "Look", "provisioner.core.no_such_module": {}}
    (tmp_path / "wrong.yml").write_text(yaml.safe_dump([{"name": "Wrong", "hosts": "m1", "tasks": [task]}]))
    with pytest.raises(AssertionError, match="no_such_module"):
        checked(tmp_path, tmp_path / "wrong.yml")


def test_a_role_without_a_drain_has_nothing_to_hand_over(tmp_path: Path) -> None:
    assert not (roles_dir() / "common/tasks/drain.yml").exists()
    assert re.search(r"ok=1 .*skipped=1", plain(tmp_path, "playbooks/drain.yml", component_name="common", component_role="common"))


def test_the_part_of_mesos_is_known_by_the_components_name(tmp_path: Path) -> None:
    """A master has nothing to hand over; an agent would ask the masters, of which this one is told none."""
    assert "skipped=1" in plain(tmp_path, "playbooks/drain.yml", component_name="mesos_master", component_role="mesos")
    with pytest.raises(AssertionError, match="No Mesos master leads"):
        plain(tmp_path, "playbooks/drain.yml", component_name="mesos_agent", component_role="mesos", mesos_address="192.0.2.1")


@pytest.mark.parametrize(("extra", "refused"), [({}, True), ({"containerizers": "mesos"}, False)])
def test_an_agent_that_is_told_to_run_no_containers_of_docker_needs_no_docker(tmp_path: Path, extra: dict[str, str], refused: bool) -> None:
    role = roles_dir() / "mesos"
    now = {"cgroup": "v1", "cgroup2": "", "controllers": True, "systemd": True, "root_slice": True, "docker": False, "docker_api": ""}
    problems = "{{ __mesos_agent_rules | selectattr('when') | map(attribute='say') | list }}"
    play = {"name": "Judge", "hosts": "m1", "gather_facts": False, "tasks": [{"name": "Say", "ansible.builtin.debug": {"msg": problems}}],
            "vars_files": [str(role / "defaults/main.yml"), str(role / "vars/main.yml")]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    said = plain(tmp_path, tmp_path / "play.yml", component_name="mesos_agent", mesos_agent_extra_flags=extra, __mesos_now=now,
                 mesos_authentication="none")
    assert ("There is no /var/run/docker.sock" in said) is refused


def test_ansible_is_told_nothing_of_the_drivers_insides() -> None:
    assert "provisioner/" not in (project_dir() / "ansible.cfg").read_text()


@pytest.mark.parametrize("role", ROLES)
def test_the_plugins_of_a_role_are_all_that_it_names(role: str) -> None:
    text = "".join(path.read_text() for path in (roles_dir() / role).rglob("*") if path.suffix in (".yml", ".j2"))
    plugins = fingerprint.plugins_of(role, collection_dir())
    offered = {Path(name).stem for name in plugins} | {
        name for path in plugins.values() if path.parent.name == "filter" for name in re.findall(r'"(\w+)":', path.read_text())}
    assert {*re.findall(r"provisioner\.core\.(\w+)", text)} - offered == set()
    halves = {kind: {Path(name).stem for name in plugins if name.startswith(f"{kind}/")} for kind in ("action", "modules")}
    both = {path.stem for path in (collection_dir() / "plugins/modules").glob("*.py")
            if (collection_dir() / "plugins/action" / path.name).exists()}
    assert both & halves["modules"] == both & halves["action"], "what a module's action does would change unseen"


def test_a_changed_plugin_is_a_reason_to_run_the_roles_that_use_it_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def digests(changed: str) -> tuple[str, str]:
        folder = tmp_path / (changed or "same")
        for path in collection_dir().rglob("*.py"):
            copy = folder / path.relative_to(collection_dir())
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text() + ("# changed\n" if changed == path.name else ""))
        monkeypatch.setattr(fingerprint, "collection_dir", lambda: folder)
        zookeeper, mesos = (fingerprint.digest(component(name), {}, {}, "id", {}) for name in ("zookeeper", "mesos_agent"))
        return zookeeper, mesos

    before = digests("")
    assert digests("events.py") == before, "no role names it"
    for name in ("component_check.py", "probe.py"):  # named by both, and imported by what they name
        assert [old == new for old, new in zip(before, digests(name), strict=True)] == [False, False], name
    for name, same in (("host.py", [False, False]), ("zookeeper_info.py", [False, True]), ("mesos_agent.py", [True, False]),
                       ("mesos.py", [True, False]), ("docker.py", [True, True]), ("flags.py", [False, False]),
                       ("service.py", [False, False]), ("packages.py", [False, False]), ("units.py", [False, False])):
        assert [old == new for old, new in zip(before, digests(name), strict=True)] == same, name
