"""A lab's cluster as tests see it: the driver by its command line, hosts past SSH, services, and faults that end with the test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from provisioner.cluster.model import Host
from provisioner.components import component
from provisioner.context import Context
from provisioner.hosts.http_api import Api
from provisioner.hosts.remote_calls import RemoteCalls
from provisioner.hosts.tunnel import RELAY, Tunnel
from provisioner.inventory.render import host_variables
from provisioner.mirror.programs import attempt
from provisioner.state import secrets
from provisioner_lab import faults
from provisioner_lab.faults import Fault
from provisioner_lab.model import default_inventory
from provisioner_lab.services import FromHere, Service
from provisioner_lab.work import find, status

#: The command line that belongs to this Python.
PROVISION = shutil.which("provision", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}") or "provision"
#: Longest a single command may take before the test gives up on it, in seconds; the same for a script on a host.
COMMAND_SECONDS, SCRIPT_SECONDS = 1500.0, 300.0
#: Within what time a cluster gets well once nothing is broken any more, and an election ends, on a busy machine.
HEALTHY_SECONDS, LEADER_SECONDS = 180.0, 90.0
#: How many times longer than on a quiet machine a test waits: how fast something is, is for `make bench` to say.
PATIENCE = 3
#: Short names of components.
SHORT = {"mesos": "mesos_master"}


class LabHost:
    """One host of a lab."""

    def __init__(self, lab: str, name: str) -> None:
        self.name, self._lab = name, lab

    @property
    def address(self) -> str:
        """As the other hosts and this machine reach it."""
        return find(self._lab).node(self.name).address

    def run(self, script: str, *, check: bool = True) -> str:
        """What a shell script prints as root on this host, past SSH; with `check` one that fails fails the test."""
        done = attempt(["docker", "exec", f"{self._lab}-{self.name}", "sh", "-c", script], timeout=SCRIPT_SECONDS)
        said, complained = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {script}\nended with {done.returncode}\n{said}\n{complained}")
        return said


class ClusterUnderTest:
    """The cluster of a lab. `directory` is the folder that the lab was made in; `inventory` is another one than the lab's own."""

    def __init__(self, lab: str, directory: Path, inventory: Path | None = None) -> None:
        self.lab, self.directory = lab, directory
        self._inventory = inventory
        self._faults: list[Fault] = []
        self._tunnels: dict[str, Tunnel] = {}

    @property
    def select(self) -> tuple[str, str]:
        """The arguments of `provision` that mean this cluster."""
        return ("--hosts", str(self._inventory)) if self._inventory else ("--lab", self.lab)

    @property
    def inventory(self) -> Path:
        """The inventory that the driver reads."""
        return self._inventory or default_inventory(self.lab, self.directory)

    def run(self, command: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One `provision` command on this cluster."""
        return provision(command, *self.select, *arguments, directory=self.directory, check=check)

    def status(self) -> dict[str, Any]:
        """`status --json`, healthy or not."""
        answer: dict[str, Any] = json.loads(self.run("status", "--json", check=False).stdout)
        return answer

    def up(self, *arguments: str) -> dict[str, Any]:
        """`up --json`: the object it ends with."""
        result: dict[str, Any] = json.loads(self.run("up", "--yes", "--json", *arguments).stdout.splitlines()[-1])
        return result

    def host(self, name: str) -> LabHost:
        """A host of the lab: m1, a1 …"""
        return LabHost(self.lab, name)

    def rows(self, component: str, status: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The status rows of one component."""
        return [c for c in (status or self.status())["components"] if c["component"] == SHORT.get(component, component)]

    def leader(self, component: str) -> str:
        """The host that leads a component and does its work; an election is waited for, LEADER_SECONDS at most."""
        leaders: list[str] = []

        def one() -> bool:
            leaders[:] = [str(row["host"]) for row in self.rows(component) if row["leader"] and row["state"] != "down"]
            return len(leaders) == 1

        eventually(f"one leader of {component}", LEADER_SECONDS, one)
        return leaders[0]

    @property
    def zookeeper(self) -> str:
        """The connection string of the ensemble, for this machine."""
        return ",".join(self.zookeeper_at(host.name) for host in Context(self.inventory).cluster.members("zookeeper"))

    def zookeeper_at(self, host: str) -> str:
        """`address:port` on this machine that leads to a member: its own port is for members of the cluster only."""
        if host not in self._tunnels:
            address, port = next(server for member, server in self._servers("zookeeper", "zookeeper_client_port")
                                 if member.name == host).split(":")
            self._tunnels[host] = Tunnel(["docker", "exec", "-i", f"{self.lab}-{host}", "python3", "-IS", "-c", RELAY, address, port])
        return self._tunnels[host].server

    @property
    def mesos(self) -> Service:
        """The leading master, asked as an operator."""
        leader, way = self.leader("mesos"), FromHere(secrets.load(Context(self.inventory).cluster))
        servers = [pair for pair in self._servers("mesos_master", "mesos_master_port") if pair[0].name == leader]
        return Service(way, "Mesos", servers, credentials="mesos")

    @property
    def marathon(self) -> Service:
        """Any member: it passes on to the leader what it can't answer itself."""
        return self._scheduler("marathon")

    @property
    def chronos(self) -> Service:
        """As Marathon."""
        return self._scheduler("chronos")

    @property
    def consul(self) -> Api:
        """Consul answers on each host's loopback only, so it is asked there and has no address for others."""
        context = Context(self.inventory)
        servers = context.cluster.members("consul_server")
        return Api(RemoteCalls(context.transport), "Consul", [(host, "127.0.0.1:8500") for host in servers], "consul")

    def kill(self, host: str, component: str = "") -> Fault:
        """Cut a host's power; with `component` end only its processes on that host, which systemd then starts again."""
        lab, name = find(self.lab), SHORT.get(component, component)
        return self._broken(faults.kill_component(lab, host, name) if name else faults.kill_host(lab, host))

    def pause(self, host: str) -> Fault:
        """Freeze a host: it neither answers nor refuses."""
        return self._broken(faults.pause_host(find(self.lab), host))

    def partition(self, *hosts: str) -> Fault:
        """Cut these hosts off from all others of the lab; among themselves they still talk, and this machine reaches all of them."""
        found = status(self.lab)
        return self._broken(faults.partition(found.lab, hosts, [node.name for node in found.nodes if node.name not in hosts]))

    def heal(self) -> None:
        """Undo every fault, the last one first, and wait until all is well. Does nothing when nothing was broken since the last time."""
        if self._faults:
            self.undo()
            self._faults.clear()
            self.wait_healthy()

    def undo(self) -> None:
        """The same without waiting. Raises ProvisionError for one that can't be undone, when the others are."""
        with ExitStack() as stack:
            for fault in self._faults:
                stack.callback(fault.undo)

    def wait_healthy(self, seconds: float = HEALTHY_SECONDS) -> float:
        """Until `status` finds nothing wrong; gives the seconds it took. The test fails with what is wrong when time is up."""
        begin = time.monotonic()
        while not (found := self.status())["healthy"]:
            rows = (f"{row['component']} on {row['host']}: {row['detail']}" for row in found["components"] if row["state"] != "ok")
            assert time.monotonic() - begin < seconds, f"not healthy within {seconds:.0f} s: {'; '.join([*found['problems'], *rows])}"  # noqa: S101 - it is for tests
            time.sleep(1)
        return time.monotonic() - begin

    def _broken(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    def _scheduler(self, name: str) -> Service:
        """Asked with the password that the cluster made for it."""
        way = FromHere(secrets.load(Context(self.inventory).cluster))
        return Service(way, component(name).title, self._servers(name, f"{name}_port"), name)

    def _servers(self, name: str, port: str) -> list[tuple[Host, str]]:
        context = Context(self.inventory)
        seen = {host.name: {**context.defaults, **host_variables(context.rendered, host.name)} for host in context.cluster.members(name)}
        return [(host, f"{host.cluster_address}:{seen[host.name][port]}") for host in context.cluster.members(name)]


def provision(*arguments: str, directory: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one command in a folder; with `check`, one that fails fails the test with everything it said."""
    done = subprocess.run([PROVISION, *arguments], capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False,
                          stdin=subprocess.DEVNULL, cwd=directory)
    if check and done.returncode:
        raise AssertionError(f"provision {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def eventually(what: str, seconds: float, attempt: Callable[[], bool]) -> float:
    """Repeat until true; gives the seconds it took. The test fails when PATIENCE times the seconds of a quiet machine are over."""
    begin, limit = time.monotonic(), PATIENCE * seconds
    while not attempt():
        assert time.monotonic() - begin < limit, f"{what}: not within {limit:.0f} s"  # noqa: S101 - it is for tests
        time.sleep(1)
    return time.monotonic() - begin
