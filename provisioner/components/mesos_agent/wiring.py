"""What a Mesos agent is told."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.components.mesos_master.wiring import OPERATOR, VIEWER, known_by, shared
from provisioner.inventory.wiring import Variables, Wiring, in_turn


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    note = w.entry("mesos").get("note")
    return {
        **shared(host, w),
        "mesos_agent_credential": {"principal": in_turn("agent", "mesos_agent_secret"), "secret": w.secret("mesos_agent_secret")},
        # Whoever gets at an agent's files is not the masters' operator by that.
        "mesos_agent_http_credentials": [*known_by(OPERATOR, "mesos_agent_operator_secret", w), *known_by(VIEWER, "mesos_viewer_secret", w)]
        if w.closed else [],
        "mesos_agent_probe": {"unit": "mesos-agent", "address": host.cluster_address, "port": w.value(host, "mesos_agent_port"),
                              "hostname": host.name, "masters": w.at("mesos_master", "mesos_master_port"),
                              "drained": host.name in w.ledger.drained, **({"note": note} if note else {})},
    }
