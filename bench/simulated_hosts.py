"""A thousand hosts that were never installed: what each of them answers to the driver's probe.

The answers are those of real hosts of a lab (`bench/recordings/cluster.json`, see `bench/record.py`): three masters as they were, and one
agent, which every simulated agent repeats with a name, addresses and identities of its own. What counts the members of the cluster counts
these. Whether something is still as it was applied is judged by the rule of `provisioner/probe/applied.py`: a host compares the digest that
it is asked about with the one in its note, and says what that says where they differ.
"""

from __future__ import annotations

import copy
import hashlib
import ipaddress
import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from provisioner.probe.main import VERSION

RECORDING = Path(__file__).parent / "recordings" / "cluster.json"
#: A probe's answer or a part of it: JSON.
Answer = dict[str, Any]
INVENTORY = "inventory.yml"
#: By host and component: the digest of what was applied.
Notes = Mapping[str, Mapping[str, str]]
#: Where SSH finds the simulated hosts, and the addresses by which their cluster knows them (RFC 2544: reserved for benchmarks). The
#: masters keep those that they had when they were recorded.
SSH_FIRST, AGENT_FIRST = ipaddress.IPv4Address("127.77.0.1"), ipaddress.IPv4Address("198.19.0.1")
NETWORKS = "198.18.0.0/15"
#: How many agents a leading master lists (`components/mesos_master/health.py`).
LISTED_AGENTS = 300
#: What `probe/applied.py` says of a component without a note, and of one that was applied with another digest.
NOT_APPLIED = "not applied yet, or a run was broken off"
APPLIED_OTHERWISE = "other settings or another version of the role than applied"


@dataclass(frozen=True)
class Simulated:
    """One host: `recorded` is the host whose answers it gives, `number` its place among all."""

    name: str
    recorded: str
    number: int
    address: str

    @property
    def ssh_address(self) -> str:
        """Where SSH finds it."""
        return str(SSH_FIRST + self.number)

    def identity(self, what: str) -> str:
        """32 hexadecimal digits of its own: its machine id, for example."""
        return hashlib.md5(f"{what} of {self.name}".encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Recording:
    """What the hosts of a lab answered, and what the cluster was made of: `agent` is the one that stands for all."""

    hosts: Mapping[str, Answer]
    addresses: Mapping[str, str]
    catalogue: list[Answer]
    variables: Mapping[str, Any]
    agent: str

    @classmethod
    def read(cls, path: Path = RECORDING) -> Recording:
        """As `bench/record.py` wrote it."""
        found = json.loads(path.read_text())
        return cls(found["hosts"], found["addresses"], found["catalogue"], found["variables"], found["agent"])

    @property
    def masters(self) -> list[str]:
        """All but the agent."""
        return [name for name in self.hosts if name != self.agent]


@dataclass(frozen=True)
class SimulatedCluster:
    """So many hosts of a recording, by the names m1, m2, m3, a1, a2 …

    `identity` is what the ledger calls the cluster; `notes` are what the hosts have noted.
    """

    recording: Recording
    count: int
    name: str = "simulated"
    identity: str = ""
    notes: Notes = field(default_factory=dict)

    @cached_property
    def hosts(self) -> Mapping[str, Simulated]:
        """All, by the address where SSH finds them."""
        masters = self.recording.masters
        found = [Simulated(name, name, place, self.recording.addresses[name]) for place, name in enumerate(masters)]
        found += [Simulated(f"a{n}", self.recording.agent, len(masters) + n - 1, str(AGENT_FIRST + (n - 1)))
                  for n in range(1, self.count - len(masters) + 1)]
        return {host.ssh_address: host for host in found}

    def write_inventory(self, folder: Path, port: int) -> Path:
        """The inventory that a user would have written, and the site's catalogue, into a folder that holds the key `id_ed25519`."""
        (folder / "catalogue.json").write_text(json.dumps(self.recording.catalogue))
        path = folder / INVENTORY
        path.write_text(self._inventory(folder / "id_ed25519", port))
        return path

    def _inventory(self, key: Path, port: int) -> str:
        lines = ["all:", "  vars:", f"    cluster_name: {self.name}", f"    cluster_networks: ['{NETWORKS}']",
                 "    cluster_catalogue: catalogue.json", "    ansible_user: operator", f"    ansible_port: {port}",
                 f"    ansible_ssh_private_key_file: {key}", "    ansible_python_interpreter: /usr/bin/python3",
                 *(f"    {name}: {json.dumps(value)}" for name, value in self.recording.variables.items()), "  children:"]
        for group, masters in (("masters", True), ("agents", False)):
            lines += [f"    {group}:", "      hosts:"]
            for host in self.hosts.values():
                if (host.recorded != self.recording.agent) == masters:
                    lines += [f"        {host.name}:", f"          ansible_host: {host.ssh_address}",
                              f"          cluster_address: {host.address}"]
        return "\n".join(lines) + "\n"

    def answer(self, host: Simulated, request: Mapping[str, Any]) -> Answer:
        """What it answers to a request of the driver's: the sections that are asked for, of health the components that are asked about."""
        began, all_of_it = time.time(), self._own(host)
        found: Answer = {"version": VERSION, "time": began, "errors": {}}
        for section in request["sections"]:
            if section == "health":
                asked = request["health"]
                found[section] = {name: one for name, one in all_of_it["health"].items() if name in asked}
                if "logstash" in found[section] and not asked["logstash"]["server"]:
                    found[section]["logstash"]["detail"] = f"forwards to {asked['logstash']['target']}"
            elif section == "unsettled":
                found[section] = {name: self._unsettled(host, name, one["digest"]) for name, one in request["applied"].items()}
            elif section == "facts":
                found[section] = {**all_of_it["facts"], "time": began}
            elif section in all_of_it:
                found[section] = all_of_it[section]
            else:
                found["errors"][section] = "this was not recorded"
        found["seconds"] = round(time.time() - began, 3)
        return found

    def _unsettled(self, host: Simulated, component: str, digest: str) -> str:
        noted = self.notes.get(host.name, {}).get(component)
        return NOT_APPLIED if noted is None else "" if noted == digest else APPLIED_OTHERWISE

    def _own(self, host: Simulated) -> Answer:
        """The recording, with its own name, addresses and identities in the places of those of the host that was recorded."""
        text = self._texts[host.recorded]
        if host.recorded == self.recording.agent:
            text = text.replace(self.recording.addresses[host.recorded], host.address)
            text = re.sub(rf"\b{re.escape(host.recorded)}\b", host.name, text)
        found: Answer = json.loads(text)
        found["facts"].update(machine_id=host.identity("machine"), boot_id=str(uuid.UUID(host.identity("boot"))),
                              cluster=f"{self.identity} {self.name}" if self.identity else "")
        agent = found["health"].get("mesos_agent")
        if agent:
            agent["facts"]["id"] = _agent_id(agent["facts"]["id"], host)
        return found

    @cached_property
    def _texts(self) -> Mapping[str, str]:
        """By recorded host its answer as JSON, in which what counts members counts those of this cluster."""
        return {name: json.dumps(self._counted(copy.deepcopy(answer))) for name, answer in self.recording.hosts.items()}

    def _counted(self, answer: Answer) -> Answer:
        health, agents = answer["health"], [h for h in self.hosts.values() if h.recorded == self.recording.agent]
        consul, master = health["consul"], health.get("mesos_master")
        consul["facts"]["alive"] = self.count
        consul["detail"] = re.sub(r"\d+ of \d+ members", f"{self.count} of {self.count} members", consul["detail"])
        if master and master["leader"]:
            recorded = next(row for row in master["facts"]["agents_listed"] if row["hostname"] == self.recording.agent)
            rows = [{**recorded, "id": _agent_id(recorded["id"], each), "hostname": each.name, "pid": f"slave(1)@{each.address}:5051"}
                    for each in agents]
            master["detail"] = f"leads with {len(rows)} active agents"
            master["facts"].update(agents=len(rows), agents_listed=rows[:LISTED_AGENTS], agents_inactive=[])
        return answer


def _agent_id(recorded: str, host: Simulated) -> str:
    """Mesos numbers its agents."""
    return f"{recorded.rpartition('-S')[0]}-S{host.number}"
