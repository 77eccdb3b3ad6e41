#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.host import (
    Listener,
    container,
    printed,
    refused,
    running,
    setting,
    text_of,
    works,
)

DOCUMENTATION = r"""
module: common_info
short_description: Names, firewalls and kernel settings of this host
description: Looks at them and says what /etc/hosts should hold. Changes nothing.
options:
  address: {description: Address of this host inside the cluster., type: str, default: ""}
  hosts:
    description: The hosts that /etc/hosts is to name. With none our block goes.
    type: list
    elements: dict
    default: []
    options:
      name: {description: Name of the host., type: str, required: true}
      address: {description: Its address inside the cluster., type: str, required: true}
  sysctl: {description: Kernel settings that are wanted., type: dict, default: {}}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Look at the host
  provisioner.core.common_info:
    address: 10.0.0.11
    hosts: [{name: m1, address: 10.0.0.11}]
    sysctl: {vm.swappiness: 1}
"""
RETURN = r"""
hosts: {description: /etc/hosts as it should be., returned: always, type: str}
absent: {description: The address if this host does not have it., returned: always, type: list}
firewalls: {description: "Of firewalld and ufw, those that run or start at boot.", returned: always, type: list}
firewalld_runs: {description: Whether firewalld runs and starts at boot., returned: always, type: bool}
ufw_on: {description: Whether ufw's own settings switch it on., returned: always, type: bool}
network_unit: {description: Whether the unit is there that loads our network rules., returned: always, type: bool}
network_rules: {description: "Whether they are in force, as their file says.", returned: always, type: bool}
docker: {description: Whether the Docker service runs (it has rules of its own in the firewall)., returned: always, type: bool}
sysctl: {description: The wanted settings that exist and may be written here., returned: always, type: dict}
sysctl_differs: {description: Whether a live value differs., returned: always, type: bool}
ssh_ports: {description: Where the SSH server listens., returned: always, type: list}
cloud_init: {description: Whether cloud-init could rewrite /etc/hosts at the next boot., returned: always, type: bool}
"""
ARGUMENTS: dict[str, Any] = {
    "address": {"type": "str", "default": ""},
    "hosts": {"type": "list", "elements": "dict", "default": [], "options": {
        "name": {"type": "str", "required": True}, "address": {"type": "str", "required": True}}},
    "sysctl": {"type": "dict", "default": {}},
}
HOSTS = "/etc/hosts"
#: What every machine calls itself, so a host of that name gets no entry by it.
LOCALHOST = "localhost"
BEGIN = "# Begin provisioner, role common"
END = "# End provisioner, role common"
NETWORK_UNIT = "/etc/systemd/system/provisioner-network.service"
NETWORK_RULES = "{ cat /etc/provisioner/network.nft; nft -s list table inet provisioner; } | sha256sum -c /run/provisioner-network"
LISTEN, ESTABLISHED = "0A", "01"  # states in /proc/net/tcp


def outside_our_block(text: str) -> list[str]:
    """The lines that are not ours."""
    lines, inside = [], False
    for line in text.splitlines():
        if line in (BEGIN, END):
            inside = line == BEGIN
        elif not inside:
            lines.append(line)
    return lines


def without_names(line: str, names: set[str]) -> str:
    """The line of /etc/hosts without these names: the first entry for a name wins, and Debian writes 127.0.1.1 for its own."""
    entry, _, comment = line.partition("#")
    address, *others = entry.split() or [""]
    kept = [name for name in others if name not in names]
    if kept == others:
        return line
    return " ".join([address, *kept]) + (" #" + comment if comment else "") if kept else ""


def wanted_hosts(text: str, address: str, hosts: list[dict[str, str]], own_name: str) -> str:
    """With no hosts at all our block goes, and the host's own name gets Debian's usual entry back if it would have none."""
    if not hosts:
        lines = outside_our_block(text)
        known = any(own_name in line.partition("#")[0].split()[1:] for line in lines)
        return "".join(line + "\n" for line in lines + ([] if known else ["127.0.1.1 " + own_name]))
    ours = {own_name, *(host["name"] for host in hosts)} - {LOCALHOST}
    others = [(line, without_names(line, ours)) for line in outside_our_block(text)]
    block = [BEGIN]
    for host in hosts:
        also = [own_name] if host["address"] == address else []
        names = [name for name in dict.fromkeys([host["name"], *also]) if name != LOCALHOST]
        block += [" ".join([host["address"], *names])] if names else []
    kept = [new for old, new in others if new or not old]
    return "".join(line + "\n" for line in kept + block + [END])


def firewalls() -> dict[str, Any]:
    """Which firewalls run or start at boot."""
    units = ["firewalld.service", "ufw.service"]
    listed = printed("systemctl", "list-unit-files", "--no-legend", *units).splitlines()
    enabled = [line.split()[0] for line in listed if line.split()[1:2] == ["enabled"]]
    active = running(*units)
    return {
        "firewalls": sorted(unit.rpartition(".")[0] for unit in {*active, *enabled}),
        "firewalld_runs": units[0] in active and units[0] in enabled,
        "ufw_on": "ENABLED=yes" in text_of("/etc/ufw/ufw.conf").splitlines(),
    }


def network() -> dict[str, Any]:
    """Whether our network rules are there and in force. Their unit notes the sum of file and table; the health check asks the same."""
    return {"network_unit": Path(NETWORK_UNIT).exists(), "network_rules": works("sh", "-c", NETWORK_RULES)}


def sysctl(wanted: dict[str, Any], inside: str) -> tuple[dict[str, Any], bool]:
    """Settings that can be written here, and whether a live value differs. A container has only network settings of its own."""
    possible = {key: value for key, value in wanted.items()
                if os.access(setting(key), os.W_OK) and (key.startswith("net.") or not inside)}
    return possible, any(text_of(setting(key)).split() != str(value).split() for key, value in possible.items())


def ancestors() -> list[int]:
    """Process ids from our parent up to, without, PID 1: sudo, the shell, sshd."""
    pid, found = os.getppid(), []
    while pid > 1:
        found.append(pid)
        parent = re.search(r"^PPid:\s+(\d+)", text_of(f"/proc/{pid}/status"), re.MULTILINE)
        pid = int(parent.group(1)) if parent else 0
    return found


def ssh_ports() -> list[str]:
    """Local ports of the SSH server that carries this very connection, so that a firewall rule cannot miss it.

    Where none does (`ansible_connection: local`, perhaps below somebody else's server) those of any SSH server.
    """
    above = ancestors()
    everybody = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    servers = [pid for pid in above if is_ssh_server(pid)] or [pid for pid in everybody if is_ssh_server(pid)]
    return sorted(ports_of(servers) or ports_of(above) or {"22"})


def is_ssh_server(pid: int) -> bool:
    """Whether a process is a known SSH server, or one of its sessions."""
    with contextlib.suppress(OSError):  # it ended since it was listed
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").startswith(("sshd", "dropbear"))
    return False


def ports_of(processes: list[int]) -> set[str]:
    """Local ports on which these listen; where they listen on none, those of their connections."""
    inodes = set()
    for pid in processes:
        with contextlib.suppress(OSError):  # it ended since it was listed, or closed one
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    inodes.add(os.readlink(descriptor))
    listening: set[str] = set()
    connected: set[str] = set()
    for line in text_of("/proc/net/tcp").splitlines()[1:] + text_of("/proc/net/tcp6").splitlines()[1:]:
        _, local, _, state, *rest = line.split()
        address, _, port = local.rpartition(":")
        if f"socket:[{rest[5]}]" in inodes and address != "0100007F":
            {LISTEN: listening, ESTABLISHED: connected}.get(state, set()).add(str(int(port, 16)))
    return listening or connected


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """See RETURN."""
    inside = container()
    settings, differs = sysctl(asked["sysctl"], inside)
    return {
        "hosts": wanted_hosts(text_of(HOSTS), asked["address"], asked["hosts"], socket.gethostname()),
        "absent": refused([Listener(asked["address"], 0)])[0],
        **firewalls(),
        **network(),
        "docker": bool(running("docker")),
        "sysctl": settings,
        "sysctl_differs": differs,
        "ssh_ports": ssh_ports(),
        "cloud_init": Path("/etc/cloud/cloud.cfg.d").is_dir(),
    }


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, **look(module.params))


if __name__ == "__main__":
    main()
