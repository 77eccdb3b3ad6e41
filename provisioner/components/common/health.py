"""The base of a host: its firewall is as asked."""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

from provisioner.probe.health.answer import answer
from provisioner.probe.health.systemd import expect, unit

FIREWALLS = ("firewalld", "ufw")
expect(*FIREWALLS)
#: The unit provisioner-network notes in the last one the sum of what it loaded and of what the kernel then listed.
RULES, LOADED = Path("/etc/provisioner/network.nft"), Path("/run/provisioner-network")
LIST = ("/usr/sbin/nft", "-s", "list", "table", "inet", "provisioner")
OS_RELEASE = Path("/etc/os-release")


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for the base system. The version is the operating system's."""
    active = [name for name in FIREWALLS if unit(name).get("ActiveState") == "active"]
    wanted = request.get("firewall", "keep")
    if wanted == "off" and active:
        return answer("degraded", f"the firewall {active[0]} is on, although none is wanted", _system())
    if wanted == "managed" and not active:
        return answer("down", "the firewall is off, although it is to be managed", _system())
    if request.get("network") and not _rules():
        return answer("degraded", "the cluster's network rules are not in force as they were written", _system())
    return answer("ok", "firewall {}".format(active[0] if active else "off"), _system(), facts={"firewall": active})


def _rules() -> bool:
    """Whether the kernel has the table that role `common` loaded, of the file as it is now."""
    try:
        live = subprocess.run(LIST, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=9, check=True).stdout
        return hashlib.sha256(RULES.read_bytes() + live).hexdigest() == LOADED.read_text().split()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return False


def _system() -> str:
    try:
        lines = OS_RELEASE.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return " ".join(values.get(name, "").strip('"') for name in ("ID", "VERSION_ID")).strip()
