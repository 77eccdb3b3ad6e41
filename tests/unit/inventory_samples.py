"""A schema that does not depend on the roles, and the way from a text to a Cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.cluster.model import Cluster
from provisioner.errors import InventoryError
from provisioner.inventory.load import load
from provisioner.inventory.schema import Schema, Variable, load_schema

_ROLE_VARIABLES = (
    Variable("consul_domain", "str", "Domain.", "consul", role="consul"),
    Variable("consul_servers", "list", "Rendered by the driver. Addresses.", role="consul", rendered=True),
    Variable("docker_daemon_options", "dict", "More options.", {}, role="docker"),
    Variable("docker_overlay", "str", "Network.", "none", ("none", "swarm", "cluster_store"), role="docker"),
    Variable("dns_upstream", "list", "Name servers.", [], elements="str", role="dns"),
    Variable("kernel_upgrade", "bool", "Whether to upgrade.", False, role="kernel"),
    Variable("marathon_port", "int", "Port of Marathon.", 8080, role="marathon"),
    Variable("mesos_agent_resources", "str", "What the agent offers.", "", role="mesos"),
    Variable("mesos_master_port", "int", "Port of the master.", 5050, role="mesos"),
    Variable("zookeeper_heap_mb", "int", "Heap in MB.", 512, role="zookeeper"),
    Variable("zookeeper_tick_factor", "float", "Factor.", 1.0, role="zookeeper"),
)
SCHEMA = Schema({**load_schema(Path("/nonexistent")).variables, **{v.name: v for v in _ROLE_VARIABLES}})

THREE = "masters:\n  hosts:\n    m[1:3]:\n"


def load_text(directory: Path, text: str | bytes) -> Cluster:
    """The cluster of an inventory with this content."""
    path = directory / "inventory.yml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(path, SCHEMA)


def refusal(directory: Path, text: str | bytes) -> str:
    """The error that an inventory with this content gives, its directory cut off."""
    with pytest.raises(InventoryError) as caught:
        load_text(directory, text)
    return str(caught.value).replace(f"{directory}/", "")
