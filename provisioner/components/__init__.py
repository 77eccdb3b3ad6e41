"""What a cluster runs: one row per component, in the order in which a fresh cluster is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Shorthand = Literal["all", "masters", "agents"]


@dataclass(frozen=True)
class Component:
    """One thing the cluster runs.

    `name` is also the inventory group; `shorthand` is the group a host joins it by when the component's own group is not
    written; `unit` is the systemd unit that runs it; `rolling` names the group whose members are changed one at a time once they
    serve (a quorum, or members that share a leader); `batched` means that all others are then changed in batches, because a
    change is felt by what runs on the host; `carries` names components with a leader that run in it and start anew with it;
    `endpoint` is how a user reaches it, with `{address}` for the host.
    """

    name: str
    role: str
    shorthand: Shorthand
    unit: str = ""
    rolling: str = ""
    batched: bool = False
    carries: tuple[str, ...] = ()
    endpoint: str = ""
    title: str = ""

    @property
    def probe_variable(self) -> str:
        """The role variable that holds this component's probe request."""
        return f"{self.name}_probe"


COMPONENTS: tuple[Component, ...] = (
    Component("repos", "repos", "all", title="Package sources"),
    Component("common", "common", "all", title="Base system"),
    Component("kernel", "kernel", "all", title="Kernel"),
    Component("docker", "docker", "all", unit="docker", rolling="marathon", batched=True, carries=("marathon", "chronos"),
              title="Docker"),
    Component("consul", "consul", "all", unit="consul", rolling="consul_server", batched=True, title="Consul"),
    Component("dns", "dns", "all", unit="dnsmasq", batched=True, title="DNS"),
    Component("zookeeper", "zookeeper", "masters", unit="zookeeper", rolling="zookeeper", title="ZooKeeper",
              endpoint="{address}:{zookeeper_client_port}"),
    Component("mesos_master", "mesos", "masters", unit="mesos-master", rolling="mesos_master", title="Mesos master",
              endpoint="http://{address}:{mesos_master_port}/"),
    Component("mesos_agent", "mesos", "agents", unit="mesos-agent", batched=True, title="Mesos agent"),
    Component("marathon", "marathon", "masters", unit="marathon", rolling="marathon", title="Marathon",
              endpoint="http://{address}:{marathon_port}/"),
    Component("chronos", "chronos", "masters", unit="chronos", rolling="chronos", title="Chronos",
              endpoint="http://{address}:{chronos_port}/"),
    Component("registrator", "registrator", "agents", unit="registrator", title="Registrator"),
    Component("logstash", "logstash", "all", unit="logstash", title="Logstash"),
)

_BY_NAME = {c.name: c for c in COMPONENTS}

#: Groups that mark some members of a host-wide component: Consul's and Logstash's servers.
SERVER_GROUPS: dict[str, Shorthand] = {"consul_server": "masters", "logstash_server": "masters"}


def component(name: str) -> Component:
    """The component of that name. Raises KeyError."""
    return _BY_NAME[name]


def component_names() -> tuple[str, ...]:
    """All names, in build order."""
    return tuple(c.name for c in COMPONENTS)
