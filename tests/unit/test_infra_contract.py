"""What a Terraform module has to tell, and how a wrong output is named."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from provisioner.errors import InventoryError
from provisioner.verbs.infra.contract import Machine, read

GOOD: dict[str, Any] = {
    "hosts": {"m1": {"address": "192.0.2.11", "groups": ["masters"], "variables": {"cluster_address": "10.0.0.11", "ansible_port": None}},
              "a1": {"address": "a1.example.com", "groups": ["agents", "chronos"]}},
    "variables": {"cluster_name": "cloud", "ansible_user": "provision", "ansible_ssh_private_key_file": None, "docker_overlay": "none"},
}


def changed(path: str, value: object) -> dict[str, Any]:
    """GOOD with one thing in it replaced."""
    outputs = copy.deepcopy(GOOD)
    *way, last = path.split("/")
    place: Any = outputs
    for step in way:
        place = place[step]
    place[last] = value
    return outputs


def test_machines_and_variables_without_nulls() -> None:
    found = read(GOOD, "terraform/aws")
    assert found.hosts["m1"] == Machine("m1", "192.0.2.11", ("masters",), {"cluster_address": "10.0.0.11"})
    assert found.hosts["a1"] == Machine("a1", "a1.example.com", ("agents", "chronos"), {})
    assert found.variables == {"cluster_name": "cloud", "ansible_user": "provision", "docker_overlay": "none"}
    assert found.cluster_name == "cloud"


@pytest.mark.parametrize(("path", "value", "message"), [
    ("hosts", [], "output hosts is a list, expected is a map"),
    ("hosts", {}, "output hosts is empty"),
    ("hosts", {"M 1": GOOD["hosts"]["m1"]}, "output hosts: the name 'M 1' must be made of"),
    ("hosts/m1", "192.0.2.11", "output hosts.m1 is text, expected is a map"),
    ("hosts/m1/address", None, "output hosts.m1.address is empty, expected is where SSH reaches"),
    ("hosts/m1/address", 7, "output hosts.m1.address is a number"),
    ("hosts/m1/address", "1.2.3", "output hosts.m1.address: '1.2.3' is neither an IP address"),
    ("hosts/m1/groups", ["bosses"], r"output hosts.m1.groups is \['bosses'\]"),
    ("hosts/m1/groups", [], "output hosts.m1.groups"),
    ("hosts/m1/groups", "masters", "output hosts.m1.groups is 'masters', expected is a list"),
    ("hosts/m1/size", "large", "output hosts.m1 has the unknown key size"),
    ("hosts/m1/variables", {"zookeper_id": 1}, "output hosts.m1.variables has zookeper_id, which is not an inventory variable"),
    ("hosts/m1/variables", {"cluster_name": "x"}, "output hosts.m1.variables has cluster_name"),
    ("hosts/m1/variables", {"zookeeper_id": 300}, "output hosts.m1.variables.zookeeper_id must be between"),
    ("variables/cluster_name", "Not A Name", "output variables.cluster_name must be made of"),
    ("variables/cluster_name", None, "output variables has no cluster_name"),
    ("variables/ansible_user", None, "output variables has no ansible_user"),
    ("variables/cluster_address", "10.0.0.1", "output variables has cluster_address"),
    ("variables/docker_overlay", "maybe", "output variables.docker_overlay is none of its choices"),
])
def test_a_wrong_output_is_named_with_what_is_expected(path: str, value: object, message: str) -> None:
    with pytest.raises(InventoryError, match=message) as error:
        read(changed(path, value), "terraform/aws")
    assert (error.value.where, bool(error.value.hint)) == ("terraform/aws", True)


@pytest.mark.parametrize("missing", ["hosts", "variables"])
def test_a_missing_output_is_named(missing: str) -> None:
    with pytest.raises(InventoryError, match=f"output {missing} is missing"):
        read({name: value for name, value in GOOD.items() if name != missing}, "terraform/aws")
