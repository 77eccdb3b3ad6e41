"""The inventory of a lab: a standard Ansible YAML inventory, written once and then only added to."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from provisioner.errors import InventoryError
from provisioner.state.files import private_dir, write_private
from provisioner_lab.model import Lab, LabNode

_HEADER = "# Written by `provision lab up`. Hosts are added when the lab grows; what you change here stays.\n"

_REPAIR = "correct it, or delete it and run `provision lab up` again"


def merged(text: str, lab: Lab, nodes: Sequence[LabNode], *, vendors: bool = False) -> str:
    """The inventory `text` ('' = none yet) with every node of the lab in it. Raises InventoryError when it can't be read.

    In a lab with played `vendors` a new one names them instead of the mirror.
    """
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096
    try:
        document = yaml.load(text) if text.strip() else CommentedMap()
    except YAMLError as error:
        reason = getattr(error, "problem", error)
        raise InventoryError(f"this is no YAML any more: {reason}", where=str(lab.inventory), hint=_REPAIR) from error
    if not isinstance(document, CommentedMap):
        raise InventoryError("an inventory must be a mapping of groups", where=str(lab.inventory), hint=_REPAIR)
    everything = _child(document, "all")
    variables = _child(everything, "vars")
    for key, value in lab_variables(lab, vendors=vendors).items():
        variables.setdefault(key, value)
    children = _child(everything, "children")
    for group in ("masters", "agents"):
        hosts = _child(_child(children, group), "hosts")
        for node in nodes:
            if node.group == group and node.name not in hosts:
                hosts[node.name] = CommentedMap(ansible_host=node.address)
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue() if text.strip() else _HEADER + out.getvalue()


def lab_variables(lab: Lab, *, vendors: bool = False) -> dict[str, object]:
    """What is the same for all hosts of a lab."""
    known_hosts = lab.cluster_state / "known_hosts"
    mirror = {"cluster_mirror": f"http://{lab.mirror}", "cluster_registry": f"{lab.mirror}:5000"}
    return {
        "cluster_name": lab.cluster,
        **({} if vendors else mirror),
        # Neither this machine nor the mirror is a member: what only members reach is closed to both.
        "cluster_networks": [lab.members],
        "cluster_catalogue": "vendors.json" if vendors else "catalogue.json",
        "ansible_user": "operator",
        "ansible_ssh_private_key_file": str(lab.key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={known_hosts} -o IdentitiesOnly=yes",
        "ansible_python_interpreter": "/usr/bin/python3",
        # All hosts share this machine: with the role's quick elections a busy moment would look like the loss of the leader. What
        # counts as contact must be longer than the time between two heartbeats, which the multiplier stretches too.
        "consul_extra_config": {"performance": {"raft_multiplier": 5}, "autopilot": {"last_contact_threshold": "5s"}},
    }


def save(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, whole or not at all, in folders that are closed to others too."""
    private_dir(path.parent)
    write_private(path, text.encode())


def _child(parent: CommentedMap, key: str) -> CommentedMap:
    if not isinstance(parent.get(key), CommentedMap):
        parent[key] = CommentedMap()
    child = parent[key]
    assert isinstance(child, CommentedMap)  # noqa: S101 - narrows the type only
    return child
