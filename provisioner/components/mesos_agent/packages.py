"""What its role installs beside the packages that a variable names: the same on agents as on masters."""

from __future__ import annotations

from provisioner.components.mesos_master.packages import further

__all__ = ["further"]
