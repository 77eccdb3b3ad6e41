"""What a Mesos master is told, and what masters and agents share."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.components import COMPONENTS
from provisioner.inventory.wiring import Variables, Wiring, quorum

#: Who proves that the cluster works, beside the components: principal and secret.
VERIFY = ("verify", "verify")


def shared(host: Host, w: Wiring) -> Variables:
    """What masters and agents are told alike."""
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


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    principals = [(c.principal, c.name) for c in COMPONENTS if c.principal]
    masters = len(w.cluster.members("mesos_master"))
    return {
        **shared(host, w),
        "mesos_quorum": quorum(masters),
        "mesos_credentials": [{"principal": principal, "secret": w.secret(f"{name}_secret")} for principal, name in (*principals, VERIFY)],
        "mesos_master_probe": {"unit": "mesos-master", "address": host.cluster_address, "port": w.value(host, "mesos_master_port"),
                               "masters": masters, "quorum": quorum(masters)},
    }
