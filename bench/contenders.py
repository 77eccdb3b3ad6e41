"""Who runs in the bench: a command each, its surroundings, and what is run beforehand and not measured."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.paths import project_dir, roles_dir
from provisioner.run import ansible

#: A Python environment with the other tools (bench/requirements.lock).
TOOLS = project_dir() / ".venv-bench"
PROVISION = str(Path(sys.executable).parent / "provision")
#: Whom the others are measured against.
OURS = "ours, new connections"
#: The one that a first run is compared with.
TUNED = "ansible-playbook, tuned"
#: `forks` of the tuned contenders: what we would take for many hosts.
FORKS = ansible.forks(1000)


@dataclass(frozen=True)
class Contender:
    """`command` gets a fresh, short, private folder for the sockets of shared connections, after `before` where there is one.

    What takes minutes is `slow`: it may be given fewer rounds than the others.
    """

    name: str
    command: Callable[[Path], list[str]]
    environment: Callable[[Path], Mapping[str, str]] = field(default=lambda sockets: {"TMPDIR": str(sockets)})
    before: list[str] = field(default_factory=list)
    slow: bool = False


def all_roles(inventory: Path, work: Path, hosts: list[tuple[str, str]], key: Path, known_hosts: Path, only: list[str]) -> list[Contender]:
    """Everybody who can bring up the whole cluster, and the floor: `ssh host true` on all hosts at once, one new connection each.

    `inventory` is ours, `work` what `plain.write` filled; `hosts` are (user, address); `only` are the components that are there, or none
    for all.
    """
    up = [PROVISION, "up", "--hosts", str(inventory), "--yes", *(word for name in only for word in ("--only", name))]
    options = ["-i", str(key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={known_hosts}"]
    return [
        Contender("floor: ssh host true", lambda _: at_once(["ssh", *options, "-o", "ControlPath=none"], [f"{u}@{a}" for u, a in hosts])),
        Contender(OURS, lambda _: up, _ours),
        Contender("ours, open connections", lambda _: up, _ours, before=[PROVISION, "run", "--hosts", str(inventory), "true"]),
        Contender("ours, --full", lambda _: [*up, "--full"], _ours, slow=True),
        *(whole_cluster(work, name) for name in ANSIBLE),
    ]


def one_role(inventory: Path, work: Path) -> list[Contender]:
    """Everybody who can do role zookeeper."""
    return [
        Contender(OURS, lambda _: [PROVISION, "up", "--hosts", str(inventory), "--yes", "--only", "zookeeper"], _ours),
        *(Contender(name, functools.partial(_playbook, work, "one.yml"), settings) for name, settings in ANSIBLE.items()),
        Contender("pyinfra", lambda _: [str(TOOLS / "bin/pyinfra"), "-y", "--chdir", str(work), str(work / "pyinfra_inventory.py"),
                                        str(project_dir() / "bench/pyinfra_zookeeper.py")]),
    ]


def at_once(ssh: list[str], hosts: list[str]) -> list[str]:
    """A command that runs `true` on all of them at the same time and fails when one does not answer."""
    return ["sh", "-c", f"printf '%s\\n' {shlex.join(hosts)} | xargs -P 0 -I HOST {shlex.join(ssh)} HOST true"]


def _ours(sockets: Path) -> Mapping[str, str]:
    return {"TMPDIR": str(sockets), "XDG_RUNTIME_DIR": ""}


def _playbook(work: Path, play: str, _: Path) -> list[str]:
    return [str(TOOLS / "bin/ansible-playbook"), "-i", str(work / "inventory.json"), str(work / play)]


def _default(sockets: Path) -> Mapping[str, str]:
    """What the roles need to be found, and nothing else: Ansible takes an empty file for its settings, but not /dev/null."""
    settings = sockets / "ansible.cfg"
    settings.touch()
    return {"ANSIBLE_CONFIG": str(settings), "ANSIBLE_ROLES_PATH": str(roles_dir()),
            "ANSIBLE_COLLECTIONS_PATH": str(project_dir() / "collections"), "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets)}


def _tuned(sockets: Path) -> Mapping[str, str]:
    """Facts gathered once a run, pipelining, as many forks as the machine bears; shared connections are the default already."""
    return {**_default(sockets), "ANSIBLE_GATHERING": "smart", "ANSIBLE_PIPELINING": "true", "ANSIBLE_FORKS": str(FORKS)}


def _mitogen(sockets: Path) -> Mapping[str, str]:
    found = next(TOOLS.glob("lib/python3*/site-packages/ansible_mitogen/plugins/strategy"), Path())
    return {**_tuned(sockets), "ANSIBLE_STRATEGY_PLUGINS": str(found), "ANSIBLE_STRATEGY": "mitogen_linear"}


def whole_cluster(work: Path, name: str) -> Contender:
    """All roles by one of the ways of ANSIBLE, with what `plain.write` filled."""
    return Contender(name, functools.partial(_playbook, work, "site.yml"), ANSIBLE[name], slow=True)


ANSIBLE: Mapping[str, Callable[[Path], Mapping[str, str]]] = {
    "ansible-playbook": _default, TUNED: _tuned, "ansible-playbook with mitogen": _mitogen,
}
