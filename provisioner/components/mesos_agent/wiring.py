"""What a Mesos agent is told."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.components.mesos_master.wiring import shared
from provisioner.inventory.wiring import Variables, Wiring


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    note = w.entry("mesos").get("note")
    return {
        **shared(host, w),
        "mesos_agent_credential": {"principal": "agent", "secret": w.secret("mesos_agent_secret")},
        "mesos_agent_probe": {"unit": "mesos-agent", "address": host.cluster_address, "port": w.value(host, "mesos_agent_port"),
                              "hostname": host.name, "masters": w.at("mesos_master", "mesos_master_port"),
                              "drained": host.name in w.ledger.drained, **({"note": note} if note else {})},
    }
