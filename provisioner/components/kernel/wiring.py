"""What the kernel must be able to do."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.inventory.wiring import Variables, Wiring


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    overlay = w.value(host, "docker_overlay") != "none"
    return {"kernel_overlay": overlay, "kernel_probe": {"overlay": overlay}}
