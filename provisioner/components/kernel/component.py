"""The kernel: new enough for overlay networks, with the modules and settings that Docker needs."""

from provisioner.components.model import Component

COMPONENT = Component("kernel", "kernel", "all", "Kernel", after=("common",), reboots="kernel_upgrade")
