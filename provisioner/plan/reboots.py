"""Reboots: the steps that may follow a component's own where it asks for one, host after host. Pure functions.

Whether a host has to reboot only the run can tell: the role installs a newer kernel where the running one fails even with all modules
loaded. So the steps stand in the plan "if needed", for the hosts on which that can come about: those that ask for a reboot already
(a run that was cut off), and those that may get a newer kernel and whose own did not do all it should.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.components import AGENT
from provisioner.components.model import Component
from provisioner.inventory.render import host_variables
from provisioner.observe.observation import Observation
from provisioner.plan.steps import REBOOT, Step, serves
from provisioner.plan.upgrade_order import where_tasks_go


def reboots(kernel: Component, hosts: Sequence[str], cluster: Cluster, seen: Observation, rendered: Mapping[str, Any]) -> list[Step]:
    """For the hosts of its step. The tasks of an agent move away before, and its role lets it accept others afterwards."""
    steps: list[Step] = []
    for host in hosts:
        if not kernel.reboots or not _may_ask(kernel, host, seen, rendered):
            continue
        works = serves(seen, host, AGENT)
        steps += [Step(AGENT, (host,), verb="drain", why=where_tasks_go(cluster), if_needed=REBOOT)] if works else []
        steps += [Step(kernel, (host,), verb="reboot", why="a newer kernel is installed", if_needed=REBOOT),
                  Step(kernel, (host,), why="tried again after the reboot", if_needed=REBOOT)]
        steps += [Step(AGENT, (host,), why="accepts tasks again", if_needed=REBOOT)] if works else []
    return steps


def _may_ask(kernel: Component, host: str, seen: Observation, rendered: Mapping[str, Any]) -> bool:
    health = seen.health(host, kernel.name) or {}
    waits = (health.get("facts") or {}).get("reboot") == "pending"
    return waits or (bool(host_variables(rendered, host).get(kernel.reboots)) and health.get("state") != "ok")
