"""Our quick reader and Ansible's code on the same inventories: the same groups, hosts and values."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner.inventory import plain
from provisioner.paths import inventory_examples_dir
from provisioner.state.problems import Problems
from provisioner.state.yaml_document import NotPlainError

RANDOM = 300
GROUPS = ("masters", "agents", "zookeeper", "chronos", "rack1", "dc=dc1", "kube-node", "ungrouped")
NAMES = ("m1", "m[1:3]", "m[01:03]", "a[1:2]", "h[a:c]", "box.example.com", "m[1:5:2]", "198.51.100.7")
VARIABLES = ("zookeeper_heap_mb", "own", "ansible_user", "deep", "flag", "cluster_name")
VALUES = (1, "text", "yes", True, None, 2.5, ["a", 1], {"k": {"l": "x"}}, "", "007", "a: b # c")
#: Variables that Ansible adds to every host's.
MAGIC = {"ansible_facts", "ansible_local", "inventory_dir", "inventory_file", "playbook_dir", "inventory_hostname",
         "inventory_hostname_short", "group_names", "groups", "ansible_playbook_python", "ansible_version", "ansible_config_file", "omit"}

Found = tuple[dict[str, set[str]], dict[str, dict[str, Any]]]


def ours(path: Path) -> Found:
    """Members of every group, variables of every host."""
    problems = Problems(str(path))
    described = plain.read(path.read_text(), problems)
    problems.raise_if_any()
    settings = {name: {variable: s.value for variable, s in own.items()} for name, own in described.settings.items()}
    return {name: group.hosts for name, group in described.groups.items()}, settings


def ansibles(path: Path) -> Found:
    """The same by Ansible's own classes, as `ansible-inventory` uses them."""
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.vars.manager import VariableManager

    loader = DataLoader()
    manager = InventoryManager(loader, sources=[str(path)])
    variables = VariableManager(loader, manager)
    members = {name: {h.name for h in group.get_hosts()} for name, group in manager.groups.items()}
    values = {h.name: {k: v for k, v in variables.get_vars(host=h, include_hostvars=False, stage="all").items() if k not in MAGIC}
              for h in manager.get_hosts()}
    return members, values


def inventory(chance: random.Random) -> dict[str, Any]:
    """A random one that is valid: groups inside groups without circles, hosts in several places, values at every level."""

    def variables() -> dict[str, Any]:
        return {name: copy.deepcopy(chance.choice(VALUES)) for name in chance.sample(VARIABLES, chance.randint(0, 3))}

    def group(rest: tuple[str, ...]) -> dict[str, Any]:
        content: dict[str, Any] = {}
        if chance.random() < 0.6:
            content["vars"] = variables()
        if chance.random() < 0.8:
            content["hosts"] = {name: variables() or None for name in chance.sample(NAMES, chance.randint(0, 3))}
        if rest and chance.random() < 0.5:
            inner = chance.sample(rest, chance.randint(1, min(2, len(rest))))
            content["children"] = {name: group(rest[rest.index(name) + 1:]) if chance.random() < 0.7 else None for name in inner}
        return content or {"hosts": {}}

    order = tuple(chance.sample(GROUPS, len(GROUPS)))
    top = {name: group(order[order.index(name) + 1:]) for name in chance.sample(order, chance.randint(1, 4))}
    whole = {"vars": variables(), "hosts": {name: variables() or None for name in chance.sample(NAMES, 1)}}
    return {"all": {**whole, "children": top}} if chance.random() < 0.5 else {"all": whole, **top}


def same(path: Path) -> bool:
    groups, values = ours(path)
    their_groups, their_values = ansibles(path)
    assert values == their_values, path.read_text()
    for name in {*groups, *their_groups}:
        assert groups.get(name, set()) == their_groups.get(name, set()), f"{name} in:\n{path.read_text()}"
    return True


def test_random_inventories_are_read_alike(tmp_path: Path) -> None:
    chance = random.Random(24)  # noqa: S311  # reproducible
    path = tmp_path / "inventory.yml"
    read = left = 0
    while read < RANDOM and left < RANDOM:
        path.write_text(yaml.safe_dump(inventory(chance), sort_keys=False))
        try:
            read += same(path)
        except NotPlainError:  # left to Ansible
            left += 1
    assert read == RANDOM


@pytest.mark.parametrize("path", sorted(inventory_examples_dir().glob("*.yml")), ids=lambda p: p.name)
def test_the_examples_are_read_alike(path: Path) -> None:
    assert same(path)


REAL: Mapping[str, str] = {
    "dcos-ansible": """
all:
  children:
    common:
      children:
        agents:
          children:
            agents_private: {hosts: {agent1.example.com: {node_type: agent}, agent2.example.com: {node_type: agent}}}
            agents_public: {hosts: {publicagent1.example.com: {}}}
        bootstraps: {hosts: {bootstrap1.example.com: {node_type: bootstrap}}}
        masters: {hosts: {'master[1:3].example.com': {node_type: master}}}
""",
    "mantl": """
all:
  children:
    dc=dc1: {hosts: {'control-[01:03]': {}, 'worker-[001:002]': {}}}
    role=control: {vars: {consul_is_server: 'true'}, hosts: {'control-[01:03]': {lvm_physical_device: /dev/sda3}}}
    role=worker: {vars: {consul_is_server: 'false'}, hosts: {'worker-[001:002]': {private_ipv4: 198.51.100.11}}}
""",
    "ungrouped": """
all:
  vars: {ansible_user: everybody}
  hosts: {spare: {ansible_host: 198.51.100.40}}
  children:
    ungrouped: {vars: {ansible_user: u}, hosts: {m1: {ansible_host: 198.51.100.11}}}
    masters: {hosts: {m1: }}
    agents: {hosts: {a1: {ansible_host: 198.51.100.21}}}
""",
}


@pytest.mark.parametrize("name", REAL)
def test_the_shapes_of_other_tools_are_read_alike(tmp_path: Path, name: str) -> None:
    path = tmp_path / "inventory.yml"
    path.write_text(REAL[name])
    assert same(path)
