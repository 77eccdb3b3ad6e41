"""The base of a host: its firewall is as asked."""

import os
from pathlib import Path
from typing import Any

from provisioner.probe.health.answer import answer
from provisioner.probe.health.systemd import expect, unit

# ruff: noqa: S605 - the shell gets our own words only
FIREWALLS = ("firewalld", "ufw")
expect(*FIREWALLS)
#: Whether file and table are what they were when the unit provisioner-network loaded the one and noted the sum of both.
RULES = "{ cat /etc/provisioner/network.nft; nft -s list table inet provisioner; } | sha256sum -c /run/provisioner-network"
OS_RELEASE = Path("/etc/os-release")
#: Whom a host of a closed cluster trusts.
AUTHORITY = Path("/etc/provisioner/tls/ca.pem")


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for the base system. The version is the operating system's."""
    active = [name for name in FIREWALLS if unit(name).get("ActiveState") == "active"]
    wanted = request.get("firewall", "keep")
    if wanted == "off" and active:
        return answer("degraded", f"the firewall {active[0]} is on, although none is wanted", _system())
    if wanted == "managed" and not active:
        return answer("down", "the firewall is off, although it is to be managed", _system())
    if request.get("network") and os.system(RULES):
        return answer("degraded", "network rules changed", _system())
    facts = {"firewall": active, "authority": AUTHORITY.exists()}
    return answer("ok", "firewall {}".format(active[0] if active else "off"), _system(), facts=facts)


def _system() -> str:
    try:
        lines = OS_RELEASE.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return " ".join(values.get(name, "").strip('"') for name in ("ID", "VERSION_ID")).strip()
