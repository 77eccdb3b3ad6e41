"""The inventory of Terraform's machines: its own lines follow the outputs, every other byte stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.errors import InventoryError
from provisioner.inventory.edit import host_names
from provisioner.inventory.load import load
from provisioner.paths import inventory_examples_dir
from provisioner.verbs.infra.contract import Outputs, read
from provisioner.verbs.infra.inventory import HEADER, merged, tree, without

SOURCE = "inventory.yml"


def outputs(*names: str, address: str = "192.0.2", **variables: object) -> Outputs:
    """m1 is a master, a1 an agent …"""
    hosts = {name: {"address": f"{address}.{number}", "groups": ["masters" if name.startswith("m") else "agents"]}
             for number, name in enumerate(names, 1)}
    return read({"hosts": hosts, "variables": {"cluster_name": "cloud", "ansible_user": "provision", **variables}}, "terraform")


def merge(text: str, of: Outputs) -> str:
    return merged(text, tree(of), SOURCE)


def test_a_new_inventory_is_complete_and_says_whose_lines_are_whose(tmp_path: Path) -> None:
    text = merge("", outputs("m1", "a1", consul_extra_config={"performance": {"raft_multiplier": 5}}))
    assert text == HEADER + """\
all:  # terraform
  vars:  # terraform
    cluster_name: cloud  # terraform
    ansible_user: provision  # terraform
    consul_extra_config: {"performance": {"raft_multiplier": 5}}  # terraform
  children:  # terraform
    masters:  # terraform
      hosts:  # terraform
        m1:  # terraform
          ansible_host: 192.0.2.1  # terraform
    agents:  # terraform
      hosts:  # terraform
        a1:  # terraform
          ansible_host: 192.0.2.2  # terraform
"""
    path = tmp_path / "inventory.yml"
    path.write_text(text)
    assert {h.name: h.address for h in load(path).hosts} == {"m1": "192.0.2.1", "a1": "192.0.2.2"}
    assert merge(text, outputs("m1", "a1", consul_extra_config={"performance": {"raft_multiplier": 5}})) == text
    assert without(text, SOURCE) == ""


def test_hosts_come_and_go_and_the_operators_lines_and_comments_stay() -> None:
    before = merge("", outputs("m1", "a1", "a2"))
    edited = before.replace("          ansible_host: 192.0.2.2  # terraform\n", """\
          ansible_host: 192.0.2.2  # terraform
          mesos_agent_attributes: {rack: r1}   # ours
        # the one in the cellar
        cellar:
          ansible_host: 198.51.100.9
""").replace("  children:", "    docker_overlay: none\n\n  # who does what\n  children:") + "    # the end\n"
    after = merge(edited, outputs("m1", "a1", "a3"))
    assert after == edited.replace("        a2:  # terraform\n          ansible_host: 192.0.2.3  # terraform\n",
                                   "        a3:  # terraform\n          ansible_host: 192.0.2.3  # terraform\n")
    assert merge(merge(after, outputs("m1")), outputs("m1", "a1", "a3")).count("# the one in the cellar\n        cellar:\n") == 1
    left = without(after, SOURCE)
    assert yaml.safe_load(left)["all"]["children"]["agents"]["hosts"] == {"cellar": {"ansible_host": "198.51.100.9"}}
    assert [line for line in left.splitlines() if line.endswith("# terraform")] == [
        "all:  # terraform", "  vars:  # terraform", "  children:  # terraform", "    agents:  # terraform", "      hosts:  # terraform"]
    for comment in ("    docker_overlay: none\n\n  # who does what\n", "        # the one in the cellar\n", "    # the end\n"):
        assert comment in left
    assert host_names(left, SOURCE) == {"cellar"}
    assert merge(left, outputs("m1")).count("cellar:") == 1, "and it can be used again"


def test_a_machine_made_anew_gets_its_new_address_and_a_changed_output_its_new_value() -> None:
    before = merge("", outputs("m1", docker_overlay="none")).replace("ansible_user: provision  # terraform", "ansible_user: me")
    after = merge(before, outputs("m1", address="198.51.100", docker_overlay="swarm"))
    assert after == before.replace("192.0.2.1", "198.51.100.1").replace("docker_overlay: none", "docker_overlay: swarm")
    assert "ansible_user: me\n" in after, "without the mark it is the operator's"


def test_an_inventory_prepared_by_hand_gets_hosts(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    mine = ("# mine\nall:\n  vars:\n    cluster_name: cloud\n    docker_overlay: none\n"
            "agents:\n  hosts:\n    mine: {ansible_host: 198.51.100.9}\n")
    path.write_text(merge(mine, outputs("m1", "a1")))
    found = load(path)
    assert [h.name for h in found.members("mesos_agent")] == ["a1", "mine"]
    assert {host.variables["docker_overlay"] for host in found.hosts} == {"none"}
    assert without(path.read_text(), SOURCE) == mine


@pytest.mark.parametrize(("text", "message"), [
    ("all:\n  vars:\n    cluster_name: other\n", "3: this is the inventory of another cluster; Terraform's is 'cloud'"),
    ("all:\n  children:\n    masters:\n      hosts:\n        m1:\n          ansible_host: 1.1.1.1\n", "5: the host m1 is your own"),
    ("all:\n  children:\n    masters:\n      hosts: {}\n", "4: this is written on one line"),
    ("all:\n  children:\n    masters: {hosts: {mine: {}}}\n", "3: this is written on one line"),
    ("all: {}\n", "1: this is written on one line"),
    ("all:\n  children:\n    masters:\n      hosts:\n        m1: {ansible_host: 1.1.1.1}  # terraform\n", "5: this is written on one line"),
    ("all: [\n", "broken YAML"),
    ("all: 7\n", "1: this is written on one line"),
])
def test_what_it_did_not_write_is_refused_with_the_line(text: str, message: str) -> None:
    with pytest.raises(InventoryError) as error:
        merge(text, outputs("m1"))
    assert message in str(error.value)
    assert error.value.hint


def test_the_example_inventory_keeps_every_line() -> None:
    text = (inventory_examples_dir() / "example.yml").read_text().replace("cluster_name: example", "cluster_name: cloud")
    after = merge(text, outputs("m7", "a7"))
    assert [line for line in after.splitlines() if not line.endswith("# terraform")] == text.splitlines()
    assert without(after, SOURCE) == text


_NAMES = st.lists(st.sampled_from(["m1", "m2", "m3", "a1", "a2", "a3"]), unique=True, min_size=1)
_VALUES = st.one_of(st.text("ab1:#-'\"{}[]&*!|>%@`,? é🙂", min_size=1, max_size=8), st.sampled_from(
    ["yes", "1:20", ":", "a:", "...", "---", "2020-01-01", "a: b", "a #b", "'", '"', "- x", "~", "null", "1e3", "0x1f", "x # terraform"]))


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(_NAMES, _NAMES, st.dictionaries(st.sampled_from(["k1", "k2", "k3"]), _VALUES))
def test_any_outputs_after_any_others_read_back_as_they_are(first: list[str], second: list[str], values: dict[str, str]) -> None:
    def wanted(names: list[str]) -> dict[str, Any]:
        return {"all": {"vars": values, "children": {"masters": {"hosts": {name: {"ansible_host": name} for name in names}}}}}

    text = merged(merged("", wanted(first), SOURCE), wanted(second), SOURCE)
    found = yaml.safe_load(text)["all"]
    assert (found["vars"] or {} if "vars" in found else {}) == values
    assert found["children"]["masters"]["hosts"] == wanted(second)["all"]["children"]["masters"]["hosts"]
    assert without(text, SOURCE) == ""
