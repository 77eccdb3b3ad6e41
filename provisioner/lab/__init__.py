"""The lab: hosts made on the spot on this machine, a mirror to install from, and an inventory that names them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from provisioner.lab.model import DEFAULT_NAME, Lab, LabNode, default_inventory

if TYPE_CHECKING:
    from provisioner.lab.nodes import connect, disconnect, kill, pause, unpause
    from provisioner.lab.nodes import exec_in as node_exec
    from provisioner.lab.nodes import stop as stop_node
    from provisioner.lab.systems import DEFAULT_SYSTEM, SYSTEMS
    from provisioner.lab.work import DEFAULT_AGENTS, DEFAULT_MASTERS, LabStatus, down, find, labs, start_node, status, up

__all__ = [
    "DEFAULT_AGENTS",
    "DEFAULT_MASTERS",
    "DEFAULT_NAME",
    "DEFAULT_SYSTEM",
    "SYSTEMS",
    "Lab",
    "LabNode",
    "LabStatus",
    "connect",
    "default_inventory",
    "disconnect",
    "down",
    "find",
    "kill",
    "labs",
    "node_exec",
    "pause",
    "start_node",
    "status",
    "stop_node",
    "unpause",
    "up",
]

_NODES = {"connect": "connect", "disconnect": "disconnect", "kill": "kill", "pause": "pause", "unpause": "unpause",
          "node_exec": "exec_in", "stop_node": "stop"}
_SYSTEMS = ("DEFAULT_SYSTEM", "SYSTEMS")


def __getattr__(name: str) -> object:
    """Loads what makes labs at its first use: a command that only needs an inventory's place should not wait for it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _NODES:
        return getattr(importlib.import_module("provisioner.lab.nodes"), _NODES[name])
    return getattr(importlib.import_module("provisioner.lab.systems" if name in _SYSTEMS else "provisioner.lab.work"), name)
