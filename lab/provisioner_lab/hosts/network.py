"""The network of a lab: a bridge of its own without a way out."""

from __future__ import annotations

import ipaddress

from provisioner.mirror.programs import run
from provisioner_lab.hosts.machine import networks_in_use, parse_networks
from provisioner_lab.model import LABEL_BACKEND, LABEL_DIRECTORY, LABEL_LAB, LABEL_ORIGIN, LABEL_SIZE, LABEL_SYSTEM, Lab, free_subnet


def choose_subnet() -> ipaddress.IPv4Network:
    """A /24 that nothing on this machine uses."""
    return free_subnet(networks_in_use())


def create(lab: Lab, masters: int, agents: int) -> None:
    """Makes the network. It is the first thing of a lab, so it also remembers what the lab is to be."""
    origin = {LABEL_LAB: lab.name, LABEL_DIRECTORY: str(lab.directory), LABEL_BACKEND: lab.backend, LABEL_ORIGIN: lab.origin}
    labels = {**origin, LABEL_SYSTEM: lab.system, LABEL_SIZE: f"{masters} {agents}"}
    arguments = [argument for key, value in labels.items() for argument in ("--label", f"{key}={value}")]
    # --internal: nodes reach each other, the mirror and this machine. Whatever they need from elsewhere would be a fault.
    place = ["--subnet", str(lab.subnet), "--gateway", lab.gateway, "--internal"]
    run(["docker", "network", "create", "--driver", "bridge", *place, *arguments, lab.network], what=f"network {lab.subnet}")


def intended_size(lab: Lab) -> tuple[int, int]:
    """The numbers of masters and agents that the lab was made for; the least possible where it does not say so."""
    label = f'{{{{index .Labels "{LABEL_SIZE}"}}}}'
    numbers = run(["docker", "network", "inspect", "--format", label, lab.network], what="Docker network").split()
    return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 else (1, 0)


def subnet_of(name: str) -> ipaddress.IPv4Network:
    """The subnet of a Docker network of ours."""
    return parse_networks(run(["docker", "network", "inspect", name], what="Docker network"))[0]
