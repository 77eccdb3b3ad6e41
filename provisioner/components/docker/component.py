"""Docker Engine and, where one is asked for, its swarm with the overlay network."""

from provisioner.components.model import Component, Need, Port

_SWARM = ("docker_overlay", "swarm")

COMPONENT = Component(
    "docker", "docker", "all", "Docker", unit="docker", after=("kernel",),
    rolling="marathon", batched=True, carries=("marathon", "chronos"), ends_tasks=True,
    upgraded_before="mesos_agent",
    ports=(
        Port(2377, "Docker swarm's managers", when=_SWARM),
        Port(7946, "Docker swarm's gossip", protocols=("tcp", "udp"), when=_SWARM),
        Port(4789, "Docker swarm's VXLAN", protocols=("udp",), when=_SWARM, by_kernel=True),
    ),
    needs=(Need(128, {"/usr": 400, "/var": 256, "{docker_data_root}": 1024}, programs=("{docker_data_root}",)),),
    vendor=True, networks=True, bridges=("docker0", "docker_gwbridge", "br-*"),
    # A host that is reset leaves no swarm: nobody who could agree to it may be left.
    reset={"docker_overlay": "none"},
    data=("docker_remove_data", True),
)
