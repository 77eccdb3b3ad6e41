"""How the components are wired to each other: the role variables that the driver computes.

Every function takes one host and the wiring and returns that host's variables for one role, as flat literal values.
Secrets are written as references into the vault file (`secrets.yml`), never as values.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.cluster.catalogue import Catalogue, Entry
from provisioner.cluster.model import Cluster, Host
from provisioner.errors import InventoryError
from provisioner.inventory.ports import task_ports
from provisioner.state.ledger import Ledger

Variables = dict[str, Any]
#: Swarm managers beyond this only slow its raft down (Docker's own guidance: 3, 5 or 7).
SWARM_MANAGERS_MAX = 7


@dataclass(frozen=True)
class Wiring:
    """What the functions below look things up in."""

    cluster: Cluster
    ledger: Ledger
    catalogue: Catalogue
    defaults: Mapping[str, Any]

    @functools.cached_property
    def everybody(self) -> list[dict[str, str]]:
        """All hosts by name and address: made once, for a thousand hosts it is long."""
        return _named(self.cluster.hosts)

    @functools.cached_property
    def addresses(self) -> list[str]:
        """Of all hosts."""
        return [h.cluster_address for h in self.cluster.hosts]

    def value(self, host: Host, name: str) -> Any:
        """A variable as the user set it for this host, else its role's default."""
        return host.variables.get(name, self.defaults.get(name))

    def setting(self, name: str, default: Any = "") -> Any:
        """A `cluster_*` variable."""
        return self.cluster.variables.get(name, default)

    def entry(self, component: str) -> Entry:
        """The artefact that this cluster uses for a component."""
        versions = self.setting("cluster_versions", {}) or {}
        return self.catalogue.pick(component, str(versions.get(component, "")), str(self.setting("cluster_profile", "current")))

    def at(self, group: str, port: str) -> list[str]:
        """`address:port` of every member of a group; `port` is a variable's name."""
        return [f"{h.cluster_address}:{self.value(h, port)}" for h in self.cluster.members(group)]

    def url(self, path: str) -> str:
        """A path on the site's mirror."""
        return f"{str(self.setting('cluster_mirror')).rstrip('/')}/{path}"

    def image(self, component: str) -> str:
        """The full name of a component's image, in the site's registry where there is one."""
        name, registry = str(self.entry(component).get("image")), str(self.setting("cluster_registry"))
        return f"{registry}/{name}" if registry else name

    def zookeepers(self, sep: str = ",") -> str:
        """The connection string without scheme, credentials and path."""
        return sep.join(self.at("zookeeper", "zookeeper_client_port"))

    @property
    def authentication(self) -> bool:
        """Does everybody bring a password?"""
        return bool(self.setting("cluster_authentication", True))

    def zk_url(self, user: str, path: str) -> str:
        """A `zk://` URL with its password as a reference."""
        login = f"{user}:{{{{ vault_zookeeper_{user}_password }}}}@" if self.authentication else ""
        return f"zk://{login}{self.zookeepers()}/{path}"

    def secret(self, name: str) -> str:
        """A reference to the secret of this name; empty where nobody brings one."""
        return f"{{{{ vault_{name} }}}}" if self.authentication else ""


def _named(hosts: tuple[Host, ...]) -> list[dict[str, str]]:
    return [{"name": h.name, "address": h.cluster_address} for h in hosts]


def quorum(members: int) -> int:
    """The majority of an ensemble (Mesos operational guide)."""
    return members // 2 + 1


def common(host: Host, w: Wiring) -> Variables:
    return {
        "common_cluster": w.cluster.name,
        "common_cluster_id": w.ledger.cluster_id,
        "common_address": host.cluster_address,
        "common_hosts": w.everybody,
        "common_firewall_ports": [{"port": p, "protocol": protocol} for p, protocol in port_table(host, w)],
        "common_firewall_sources": w.addresses,
        "common_probe": {"firewall": w.value(host, "common_firewall")},
    }


def port_table(host: Host, w: Wiring) -> list[tuple[str, str]]:
    """What the other hosts reach on this one: (port or range, protocol), by the components it runs."""
    ports: list[tuple[str, str]] = [("53", "tcp"), ("53", "udp"), ("8301", "tcp"), ("8301", "udp")]
    if "consul_server" in host.groups:
        ports += [("8300", "tcp"), ("8302", "tcp"), ("8302", "udp")]
    if w.value(host, "docker_overlay") == "swarm":
        ports += [("2377", "tcp"), ("7946", "tcp"), ("7946", "udp"), ("4789", "udp")]
    by_group = {
        "zookeeper": ("zookeeper_client_port", "zookeeper_peer_port", "zookeeper_election_port"),
        "mesos_master": ("mesos_master_port",), "mesos_agent": ("mesos_agent_port",),
        "marathon": ("marathon_port", "marathon_libprocess_port"), "chronos": ("chronos_port", "chronos_libprocess_port"),
        "logstash_server": ("logstash_port",),
    }
    for group, names in by_group.items():
        if group in host.groups:
            ports += [(str(w.value(host, n)), "tcp") for n in names]
    if "mesos_agent" in host.groups:
        ports += [(f"{first}-{last}", "tcp") for first, last in task_ports(str(w.value(host, "mesos_agent_resources") or ""))]
    return ports


def repos(host: Host, w: Wiring) -> Variables:
    own = w.catalogue.repository()
    if own and w.setting("cluster_mirror"):
        key = {"key_url": w.url(own.get("key")), "key_fingerprint": own.get("key_fingerprint")}
        apt = [{"name": "site", "uri": w.url(own.get("uri")), "suite": own.get("suite"), "components": own.get("components"), **key}]
        yum = [{"name": "site", "baseurl": w.url(own.get("yum")), **key}] if own.get("yum") else []
        return {"repos_apt": apt, "repos_yum": yum, "repos_probe": {}}
    apt, yum = [], []
    for component in ("docker", "logstash", "mesos"):
        entry = w.entry(component)
        key = {"key_url": entry.get("key_url"), "key_fingerprint": entry.get("key_fingerprint")}
        apt += [{"name": component, **entry.get("apt"), **key}] if entry.get("apt") else []
        yum += [{"name": component, **entry.get("yum"), **key}] if entry.get("yum") else []
    return {"repos_apt": apt, "repos_yum": yum, "repos_probe": {}}


def kernel(host: Host, w: Wiring) -> Variables:
    overlay = w.value(host, "docker_overlay") != "none"
    return {"kernel_overlay": overlay, "kernel_probe": {"overlay": overlay}}


def docker(host: Host, w: Wiring) -> Variables:
    entry = w.entry("docker")
    managers = (w.cluster.members("masters") or w.cluster.members("zookeeper"))[:SWARM_MANAGERS_MAX]
    return {
        "docker_address": host.cluster_address,
        # The vendor's packages have the same names in both families; the distribution's engine exists for Debian's only.
        "docker_packages": entry.get("packages")["Debian"],
        "docker_version": _pinned(entry),
        "docker_registry": w.setting("cluster_registry"),
        "docker_registry_insecure": bool(w.setting("cluster_registry")) and not w.value(host, "docker_registry_ca"),
        "docker_dns": [host.cluster_address],
        "docker_swarm_managers": _named(managers),
        "docker_probe": {"unit": "docker", "overlay": w.value(host, "docker_overlay"),
                         "network": w.value(host, "docker_overlay_network")},
    }


def consul(host: Host, w: Wiring) -> Variables:
    servers = w.cluster.members("consul_server")
    server = "consul_server" in host.groups
    return {
        **_archive("consul", w),
        "consul_address": host.cluster_address,
        "consul_node_name": host.name,
        "consul_server": server,
        "consul_servers": [h.cluster_address for h in servers],
        "consul_gossip_key": "{{ vault_consul_gossip_key }}",
        "consul_probe": {"unit": "consul", "http": "127.0.0.1:8500", "server": server, "servers": len(servers),
                         "hosts": len(w.cluster.hosts)},
    }


def dns(host: Host, w: Wiring) -> Variables:
    domain = w.value(host, "consul_domain")
    return {"dns_address": host.cluster_address, "dns_domain": domain, "dns_consul_port": 8600,
            "dns_probe": {"unit": "dnsmasq", "address": "127.0.0.1", "domain": domain}}


def zookeeper(host: Host, w: Wiring) -> Variables:
    members = w.cluster.members("zookeeper")
    entry = w.entry("zookeeper")
    return {
        "zookeeper_source": "archive" if entry.kind == "archive" else "package",
        "zookeeper_packages": entry.get("packages", {}),
        **_archive("zookeeper", w),
        "zookeeper_version": _pinned(entry),
        "zookeeper_id": w.ledger.zookeeper_ids[host.name],
        "zookeeper_address": host.cluster_address,
        "zookeeper_servers": [{"id": i, "address": a}
                              for i, a in sorted((w.ledger.zookeeper_ids[h.name], h.cluster_address) for h in members)],
        "zookeeper_super_digest": "{{ vault_zookeeper_super_digest }}",
        "zookeeper_probe": {"unit": "zookeeper", "address": host.cluster_address,
                            "port": w.value(host, "zookeeper_client_port"), "members": len(members)},
    }


def _mesos(host: Host, w: Wiring) -> Variables:
    entry = w.entry("mesos")
    return {
        "mesos_package": entry.get("package"),
        "mesos_version": entry.version,
        "mesos_cluster": w.cluster.name,
        "mesos_address": host.cluster_address,
        "mesos_hostname": host.name,
        "mesos_zk_url": w.zk_url("mesos", "mesos"),
        "mesos_authentication": "required" if w.authentication else "none",
        "mesos_masters": w.at("mesos_master", "mesos_master_port"),
        "mesos_cgroup_requirement": entry.get("cgroup", "any"),
        "mesos_docker_requirement": entry.get("docker"),
        "mesos_docker_api": str(entry.get("docker_api", "") or ""),
    }


def mesos_master(host: Host, w: Wiring) -> Variables:
    masters = len(w.cluster.members("mesos_master"))
    return {
        **_mesos(host, w),
        "mesos_quorum": quorum(masters),
        "mesos_credentials": [{"principal": p, "secret": w.secret(f"{v}_secret")} for p, v in
                              (("agent", "mesos_agent"), ("marathon", "marathon"), ("chronos", "chronos"), ("verify", "verify"))],
        "mesos_master_probe": {"unit": "mesos-master", "address": host.cluster_address, "port": w.value(host, "mesos_master_port"),
                               "masters": masters, "quorum": quorum(masters)},
    }


def mesos_agent(host: Host, w: Wiring) -> Variables:
    note = w.entry("mesos").get("note")
    return {
        **_mesos(host, w),
        "mesos_agent_credential": {"principal": "agent", "secret": w.secret("mesos_agent_secret")},
        "mesos_agent_probe": {"unit": "mesos-agent", "address": host.cluster_address, "port": w.value(host, "mesos_agent_port"),
                              "hostname": host.name, "masters": w.at("mesos_master", "mesos_master_port"),
                              "drained": host.name in w.ledger.drained, **({"note": note} if note else {})},
    }


def marathon(host: Host, w: Wiring) -> Variables:
    return {
        "marathon_image": w.image("marathon"),
        "marathon_address": host.cluster_address,
        "marathon_hostname": host.cluster_address,
        "marathon_zk_url": w.zk_url("marathon", "marathon"),
        "marathon_mesos_zk_url": w.zk_url("mesos", "mesos"),
        "marathon_principal": "marathon",
        "marathon_secret": w.secret("marathon_secret"),
        "marathon_probe": {"unit": "marathon", "address": host.cluster_address, "port": w.value(host, "marathon_port"),
                           "framework": str((w.value(host, "marathon_extra_flags") or {}).get("framework_name", "marathon")),
                           "masters": w.at("mesos_master", "mesos_master_port")},
    }


def chronos(host: Host, w: Wiring) -> Variables:
    return {
        "chronos_image": w.image("chronos"),
        "chronos_address": host.cluster_address,
        "chronos_hostname": host.cluster_address,
        "chronos_zk_hosts": w.zookeepers(),
        "chronos_zk_user": "chronos" if w.authentication else "",
        "chronos_zk_secret": w.secret("zookeeper_chronos_password"),
        "chronos_mesos_zk_url": w.zk_url("mesos", "mesos"),
        "chronos_principal": "chronos",
        "chronos_secret": w.secret("chronos_secret"),
        "chronos_probe": {"unit": "chronos", "address": host.cluster_address, "port": w.value(host, "chronos_port"),
                          "image": w.image("chronos"),
                          "framework": str((w.value(host, "chronos_extra_flags") or {}).get(
                              "mesos_framework_name", w.value(host, "chronos_framework_name"))),
                          "masters": w.at("mesos_master", "mesos_master_port")},
    }


def registrator(host: Host, w: Wiring) -> Variables:
    return {
        "registrator_image": w.image("registrator"),
        "registrator_address": host.cluster_address,
        "registrator_consul": "127.0.0.1:8500",
        "registrator_probe": {"unit": "registrator", "image": w.image("registrator"), "consul": "127.0.0.1:8500"},
    }


def logstash(host: Host, w: Wiring) -> Variables:
    entry = w.entry("logstash")
    servers = w.at("logstash_server", "logstash_port")
    if not servers:
        raise InventoryError("no host is in logstash_server", where=str(w.cluster.path),
                             hint="add a host to the group logstash_server (or masters)")
    server = "logstash_server" in host.groups
    own = f"{host.cluster_address}:{w.value(host, 'logstash_port')}"
    target = own if server else servers[_share(host.name, len(servers))]
    return {
        "logstash_server": server,
        "logstash_package": entry.get("package"),
        "logstash_version": entry.get("debian_version") or entry.version,
        "logstash_address": host.cluster_address,
        "logstash_target": target,
        "logstash_probe": {"unit": "logstash", "server": server, "api": f"127.0.0.1:{w.value(host, 'logstash_api_port')}",
                           "forwarder": "rsyslog", "target": target},
    }


def _share(name: str, servers: int) -> int:
    """Spreads the hosts over the collectors by name, so that adding a host moves nobody else."""
    return sum(name.encode()) % servers


def _pinned(entry: Entry) -> str:
    """The version that is installed; empty for whatever the distribution has."""
    return "" if entry.version == "distribution" else entry.version


def _archive(component: str, w: Wiring) -> Variables:
    entry = w.entry(component)
    url = w.url(entry.get("file")) if entry.get("file") else next(iter(entry.get("urls", [])), "")
    return {f"{component}_version": entry.version, f"{component}_archive_url": url,
            f"{component}_archive_sha256": entry.get("sha256") or entry.get("checksum")}


#: One function per component, in no particular order: each speaks only of its own role.
WIRINGS: Mapping[str, Callable[[Host, Wiring], Variables]] = {
    f.__name__: f for f in (common, repos, kernel, docker, consul, dns, zookeeper, mesos_master, mesos_agent, marathon, chronos,
                            registrator, logstash)
}
