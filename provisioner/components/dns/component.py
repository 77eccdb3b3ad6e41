"""DNS: dnsmasq on every host, which asks Consul for the names of the cluster."""

from provisioner.components.model import LOOPBACK, Component, Need, Port

COMPONENT = Component(
    "dns", "dns", "all", "DNS", unit="dnsmasq", after=("consul",), batched=True,
    ports=(
        Port(53, "dnsmasq", protocols=("tcp", "udp"), address=LOOPBACK, public=False),
        Port(53, "dnsmasq", protocols=("tcp", "udp"), address="{dns_address}", reach="host"),
    ),
    needs=(Need(8),),
)
