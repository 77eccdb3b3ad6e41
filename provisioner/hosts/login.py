"""How OpenSSH is called for a cluster and for one host. Ansible gets the same, so both share keys and connections."""

from __future__ import annotations

import hashlib
import os
import shlex
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from provisioner.cluster.model import Cluster, Host
from provisioner.errors import UsageError

CONNECT_SECONDS = 10
#: How long an idle connection is kept for the next question.
PERSIST_SECONDS = 60
#: sun_path of a unix socket is 104 bytes on macOS and the BSDs (108 on Linux); ssh adds 17 while it makes the socket,
#: and %C is 40 hexadecimal digits.
SOCKET_PATH_MAX = 104 - 17 - 40
ASKPASS = Path(__file__).with_name("askpass")


@dataclass(frozen=True)
class Login:
    """How one host is entered. Empty texts mean that SSH's own configuration decides."""

    address: str
    port: int
    user: str
    key: str
    password: str
    become_password: str
    extra: tuple[str, ...]

    @property
    def known_as(self) -> str:
        """The host's name in known_hosts: other ports than 22 are part of it."""
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"

    @property
    def identity(self) -> tuple[str, str, str]:
        """What the host judges: hosts with the same identity accept or refuse it alike."""
        return (self.user, self.key, self.password)


def login(host: Host) -> Login:
    """What the inventory says about entering a host."""

    def text(name: str) -> str:
        return str(host.variables.get(name) or "")

    extra = shlex.split(text("ansible_ssh_common_args")) + shlex.split(text("ansible_ssh_extra_args"))
    return Login(
        address=host.address, port=host.port, user=host.user, key=text("ansible_ssh_private_key_file"),
        password=text("ansible_password"), become_password=text("ansible_become_password"), extra=tuple(extra),
    )


def known_hosts_file(cluster: Cluster) -> Path:
    """The one place where this cluster's host keys are kept."""
    return cluster.state_dir.absolute() / "known_hosts"


def cluster_options(cluster: Cluster) -> list[str]:
    """Options that hold for every host. They come first, so that no later argument or configuration file weakens them."""
    settings = {
        "UserKnownHostsFile": _value(_literal(known_hosts_file(cluster))),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "ForwardAgent": "no",
        "ControlMaster": "auto",
        "ControlPersist": f"{PERSIST_SECONDS}s",
        "ControlPath": _value(f"{_literal(control_dir(cluster))}/%C"),
        "ConnectTimeout": str(CONNECT_SECONDS),
        "ServerAliveInterval": "5",  # a dead connection is noticed after 20 s
        "ServerAliveCountMax": "4",
        "NumberOfPasswordPrompts": "1",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def ansible_ssh_args(cluster: Cluster) -> str:
    """The value of ANSIBLE_SSH_ARGS: Ansible trusts the same host keys and reuses the connections that are open."""
    return shlex.join(cluster_options(cluster))


def host_options(found: Login) -> list[str]:
    """Options for one host: whom to log in as and with which single method, so that one call is one attempt."""
    options = ["-p", str(found.port), *(("-l", found.user) if found.user else ())]
    if found.key:
        options += ["-i", found.key, "-o", "IdentitiesOnly=yes"]
    if not found.password:
        return [*options, "-o", "BatchMode=yes", *found.extra]
    methods = "publickey,password" if found.key else "password"
    return [*options, "-o", f"PreferredAuthentications={methods}", *found.extra]


def environment(found: Login) -> dict[str, str]:
    """The environment of ssh. A password reaches it through this process alone, answered by the `askpass` program."""
    given = {**os.environ, "LC_ALL": "C.UTF-8"}  # messages in the language they are read in
    given.pop("LANGUAGE", None)
    if found.password:
        given.update(SSH_ASKPASS=str(ASKPASS), SSH_ASKPASS_REQUIRE="force", PROVISION_SSH_PASSWORD=found.password,
                     PROVISION_SSH_HOST=found.address)
        given.setdefault("DISPLAY", ":0")  # without one, OpenSSH before 8.4 does not ask a program
    return given


def control_dir(cluster: Cluster) -> Path:
    """A private folder for the sockets of open connections, short enough for a socket's name.

    Each cluster has its own: a lab that was made anew reuses addresses. Raises UsageError when the folder is not ours.
    """
    name = hashlib.sha256(str(cluster.state_dir.absolute()).encode()).hexdigest()[:8]
    parents = [p for p in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()) if p and _ours(Path(p))]
    folders = [Path(parent) / f"provision-{os.geteuid()}" / name for parent in parents]
    short = [folder for folder in folders if len(str(folder)) + 1 <= SOCKET_PATH_MAX]
    if not short:
        raise UsageError(f"no folder for SSH's sockets has a name short enough: {', '.join(map(str, folders))}",
                         hint="set TMPDIR to a short path such as /tmp")
    for folder in (short[0].parent, short[0]):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise UsageError("the folder for SSH's sockets is not private", where=str(folder),
                             hint="remove it if it is yours; somebody else's may be an attempt to read along")
    return short[0]


def any_open(cluster: Cluster) -> bool:
    """Whether any shared connection to the cluster is open. A socket that a killed ssh left behind is none."""
    return any(_answers(path) for path in control_dir(cluster).iterdir())


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        return client.connect_ex(str(path)) == 0


def _ours(parent: Path) -> bool:
    """Whether a folder of ours can be made there; sudo leaves another user's XDG_RUNTIME_DIR in the environment."""
    return parent.is_dir() and (parent.stat().st_uid == os.geteuid() or bool(parent.stat().st_mode & stat.S_ISVTX))


def _literal(path: Path) -> str:
    """A path as an ssh option's value, where % starts a token."""
    return str(path).replace("%", "%%")


def _value(text: str) -> str:
    """An option's value, where a space would end it."""
    return f'"{text}"' if " " in text else text
