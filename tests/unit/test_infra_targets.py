"""The modules in `terraform/`: what can be known of them without a provider. The lab's is applied for real in tests/lab."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from provisioner.hosts.process import run_bounded
from provisioner.inventory.load import load
from provisioner.paths import project_dir
from provisioner.verbs.infra.contract import read
from provisioner.verbs.infra.inventory import merged, tree
from provisioner.verbs.infra.terraform import PROGRAMS, Terraform, find_binary

TERRAFORM = project_dir() / "terraform"
PROVIDERS = ("aws", "libvirt", "openstack")
needs_terraform = pytest.mark.skipif(not any(map(shutil.which, PROGRAMS)), reason="neither terraform nor tofu is installed")

#: Stands for a provider: machines with the addresses that were asked for, and what the machines would be told.
STUB = """
locals {
  addresses = { for name, host in local.hosts : name => { inside = host.inside, outside = name == "m1" ? "203.0.113.7" : null } }
}
resource "terraform_data" "host" {
  for_each = local.hosts
  input    = local.cloud_init[each.key]
}
resource "terraform_data" "rule" {
  for_each = local.rules
}
output "told" { value = { for name, host in terraform_data.host : name => host.output } }
output "rules" { value = keys(terraform_data.rule) }
"""


@needs_terraform
def test_every_module_is_formatted_and_can_be_parsed() -> None:
    code, out, complaint = run_bounded([find_binary(None), "fmt", "-check", "-diff", "-recursive", str(TERRAFORM)], b"", {},
                                       timeout=30, limit=1 << 20)
    assert code == 0, (out + complaint).decode()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_has_the_one_shape_and_uses_only_what_is_declared(provider: str) -> None:
    folder = TERRAFORM / provider
    assert (folder / "shape.tf").resolve() == TERRAFORM / "shape.tf"
    assert (folder / "ports.auto.tfvars.json").resolve() == TERRAFORM / "ports.json"
    own = (folder / "main.tf").read_text()
    assert "output " not in own, "outputs are the shape's"
    assert {"image", "sizes"} <= set(re.findall(r'^variable "(\w+)"', own, re.MULTILINE))
    everything = own + (folder / "shape.tf").read_text()
    assert set(re.findall(r"\bvar\.(\w+)", everything)) == set(re.findall(r'^variable "(\w+)"', everything, re.MULTILINE)) - (
        {"ssh_from"} if provider == "libvirt" else set())
    locals_ = "\n".join(re.findall(r"^locals \{\n(.*?)^\}", everything, re.MULTILINE | re.DOTALL))
    assert set(re.findall(r"\blocal\.(\w+)", re.sub("#.*", "", everything))) <= set(re.findall(r"^  (\w+)\s+=", locals_, re.MULTILINE))
    used = {tuple(found) for found in re.findall(r"\b((?:aws|openstack|libvirt)_\w+)\.(\w+)", own)}
    assert used <= {tuple(found) for found in re.findall(r'^(?:resource|data) "(\w+)" "(\w+)"', own, re.MULTILINE)}


@needs_terraform
def test_the_shape_gives_outputs_from_which_an_inventory_can_be_made(tmp_path: Path) -> None:
    shutil.copy(TERRAFORM / "shape.tf", tmp_path)
    shutil.copy(TERRAFORM / "ports.json", tmp_path / "ports.auto.tfvars.json")
    (tmp_path / "main.tf").write_text(STUB)
    given = ["masters=3", "agents=11", "name=cloud", "ssh_public_key=ssh-ed25519 AAAA me", 'ssh_from=["192.0.2.0/24"]',
             'variables={"docker_overlay": "none"}']
    terraform = Terraform(tmp_path, given, say=print)
    terraform.plan(tmp_path / "plan", print)
    terraform.apply(tmp_path / "plan")
    told = terraform.outputs()
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(merged("", tree(read({k: told[k] for k in ("hosts", "variables")}, "terraform")), "inventory.yml"))
    cluster = load(inventory)
    assert [h.name for h in cluster.members("mesos_agent")][-1] == "a11"
    assert {h.name: (h.address, h.cluster_address) for h in cluster.members("zookeeper")} == {
        "m1": ("203.0.113.7", "10.60.0.11"), "m2": ("10.60.0.12", "10.60.0.12"), "m3": ("10.60.0.13", "10.60.0.13")}
    assert cluster.hosts[0].user == "provision"
    assert {host.variables["docker_overlay"] for host in cluster.hosts} == {"none"}
    assert {"masters-tcp-2181", "masters-tcp-5050", "agents-tcp-31000", "agents-udp-4789"} <= set(told["rules"])
    first = told["told"]["m1"]
    assert first.startswith("#cloud-config\n")
    assert yaml.safe_load(first)["hostname"] == "m1"
    assert yaml.safe_load(first)["users"][0]["ssh_authorized_keys"] == ["ssh-ed25519 AAAA me"]
