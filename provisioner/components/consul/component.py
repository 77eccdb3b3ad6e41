"""Consul: servers on the masters, a client on every host."""

from provisioner.components.model import LOOPBACK, Component, Election, Need, Port, Versions

COMPONENT = Component(
    "consul", "consul", "all", "Consul", unit="consul", after=("kernel",),
    server_group="consul_server", rolling="consul_server", batched=True,
    leaves_in_turn=True,
    election=Election("consul_server", majority=True),
    ports=(
        Port(8301, "Consul's gossip", protocols=("tcp", "udp")),
        Port(8500, "Consul's API", address=LOOPBACK, public=False),
        Port(8600, "Consul's DNS", protocols=("tcp", "udp"), address=LOOPBACK, public=False),
        Port(8300, "a Consul server", group="consul_server"),
        # Servers open it, and nobody here uses it.
        Port(8302, "Consul's gossip between sites", protocols=("tcp", "udp"), group="consul_server", reach="host"),
    ),
    needs=(Need(96, {"/opt": 300, "{consul_data_dir}": 128}, programs=("/opt",)),),
    artefact="archive",
    # Consul's upgrade instructions: at most two minor releases at a time; 2.0 from 1.21.7 on.
    versions=Versions(alike=True, minors_at_once=2, way_into={2: (1, 21, 7)}),
    secrets={"consul_gossip_key": "key", "consul_management_token": "token", "consul_agent_token": "token", "consul_dns_token": "token",
             "consul_registrator_token": "token", "consul_operator_token": "token"},
    # A host that is reset leaves no cluster: nobody who could be told of it may be left.
    reset={"consul_leave": False},
    data=("consul_keep_data", False),
    saved_by="consul_server",
    reads=("/etc/consul.d/*.json", "/etc/consul.d/*.hcl"),
)
