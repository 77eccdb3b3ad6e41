"""The same roles for a plain `ansible-playbook`, and for pyinfra: what the contenders of the bench are given.

An inventory with everything the driver would render, one playbook with all roles in their order, one with a single role, the
files of that role as they are on the hosts, and an inventory for pyinfra.
"""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from provisioner.components import COMPONENTS
from provisioner.context import Context
from provisioner.state import secrets
from provisioner.state.files import write_private

#: The role of which there is a port for pyinfra, and the files it writes.
PORTED = "zookeeper"
PORTED_FILES = ("/etc/zookeeper/provisioner/zoo.cfg", "/etc/zookeeper/provisioner/super.args", "/etc/systemd/system/zookeeper.service")


def write(context: Context, folder: Path, only: list[str]) -> None:
    """Into an existing private folder: inventory.json, and site.yml with the roles of these components (none: all)."""
    inventory = context.rendered
    inventory["all"]["vars"].update(secrets.load(context.cluster))
    write_private(folder / "inventory.json", json.dumps(inventory).encode())
    plays = [_play(c.name, c.role) for c in COMPONENTS if not only or c.name in only]
    (folder / "site.yml").write_text(yaml.safe_dump(plays, sort_keys=False))


def write_one_role(context: Context, folder: Path) -> None:
    """one.yml, pyinfra_inventory.py, and the ported role's files by host, into the same folder."""
    (folder / "one.yml").write_text(yaml.safe_dump([_play(PORTED, PORTED)]))
    members = context.cluster.members(PORTED)
    for host in members:
        own = folder / "files" / host.name
        own.mkdir(parents=True, exist_ok=True)
        for path in PORTED_FILES:
            content = context.transport.run(host, f"cat {path}", become=True).stdout
            write_private(own / Path(path).name, content)
    variables = context.rendered["all"]["vars"]
    hosts = [(h.address, {"name": h.name, "ssh_user": variables["ansible_user"], "ssh_key": variables["ansible_ssh_private_key_file"],
                          "ssh_known_hosts_file": str(context.cluster.state_dir / "known_hosts"),
                          "packages": context.rendered["all"]["hosts"][h.name]["zookeeper_packages"]["Debian"]})
             for h in members]
    (folder / "pyinfra_inventory.py").write_text(f"hosts = {hosts!r}\n")


def _play(group: str, role: str) -> dict[str, object]:
    own = {"vars": {"mesos_component": group.removeprefix("mesos_")}} if role == "mesos" else {}
    return {"name": group, "hosts": group, "become": True, "roles": [{"role": role, **own}]}
