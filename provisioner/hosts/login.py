"""How OpenSSH is called for a cluster and for one host. Ansible gets the same, so both share keys and connections."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shlex
import socket
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from provisioner.cluster.model import Cluster, Host
from provisioner.errors import UsageError
from provisioner.inventory import ssh_arguments
from provisioner.inventory.connection import ARGUMENTS, SILENT, sudo_flags

CONNECT_SECONDS = 10
#: How long an idle connection is kept for the next question.
PERSIST_SECONDS = 60
#: sun_path of a unix socket is 104 bytes on macOS and the BSDs (108 on Linux); ssh adds 17 while it makes the socket,
#: and %C is 40 hexadecimal digits.
SOCKET_PATH_MAX = 104 - 17 - 40
ASKPASS = Path(__file__).with_name("askpass")


@dataclass(frozen=True)
class Login:
    """How one host is entered. Empty texts, and a port that is not `port_told`, mean that SSH's own configuration decides.

    `settings` are options of ssh_config(5) by name, which come before the `arguments` of the inventory; the first words of these are
    `shared` by ssh, sftp and scp. `retries` is how often a connection that does not come about is tried again.
    """

    address: str
    port: int
    user: str
    key: str
    password: str
    become_password: str
    port_told: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    program: str = "ssh"
    sudo: str = "sudo"
    retries: int = 0

    @property
    def known_as(self) -> str:
        """The host's name in known_hosts: other ports than 22 are part of it."""
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"

    @property
    def identity(self) -> tuple[str, str, str]:
        """What the host judges: hosts with the same identity accept or refuse it alike."""
        return (self.user, self.key, self.password)

    @property
    def told(self) -> Mapping[str, str]:
        """The values of what the arguments say, by its name in ssh_config(5) in small letters."""
        return _told(self.arguments)

    @property
    def connect_seconds(self) -> float:
        """How long a connection may take to come about."""
        return seconds(self.settings.get("ConnectTimeout", "")) or CONNECT_SECONDS


def login(host: Host) -> Login:
    """What the inventory says about entering a host."""

    def text(name: str) -> str:
        return str(host.variables.get(name) or "")

    shared, *others = (text(name) for name in ARGUMENTS)
    found = Login(
        address=host.address, port=host.port, user=host.user, key=text("ansible_ssh_private_key_file"),
        password=text("ansible_password"), become_password=text("ansible_become_password"),
        port_told=host.port != 22 or "ansible_port" in host.variables, shared=ssh_arguments.words(shared),
        arguments=ssh_arguments.words(" ".join((shared, *others))), program=text("ansible_ssh_executable") or "ssh",
        sudo=_sudo(text("ansible_become_exe") or "sudo", text("ansible_become_flags")),
        retries=int(text("ansible_ssh_retries") or "0"),
    )
    # As with Ansible, its own time-out is stronger than that in arguments that are not for all its programs.
    timeout = ssh_arguments.values(shared).get("connecttimeout") or text("ansible_ssh_timeout") or found.told.get("connecttimeout")
    return replace(found, settings=_settings(found, timeout or str(CONNECT_SECONDS)))


@functools.lru_cache(1024)
def _told(arguments: tuple[str, ...]) -> Mapping[str, str]:
    return ssh_arguments.values(shlex.join(arguments))


@functools.lru_cache(1024)
def _sudo(program: str, flags: str) -> str:
    return shlex.join([program, *sudo_flags(flags)])


def _settings(found: Login, timeout: str) -> dict[str, str]:
    """By which single method to log in, so that one call is one attempt, and how long to wait; what the inventory tells ssh holds."""
    told, settings = found.told, {"ConnectTimeout": timeout}
    if "controlpersist" not in told:
        settings["ControlPersist"] = f"{PERSIST_SECONDS}s"
    if not told.keys() & {"serveraliveinterval", "serveralivecountmax"}:
        settings |= {"ServerAliveInterval": "5", "ServerAliveCountMax": "4"}  # a dead connection is noticed after 20 s
    if found.key and "identitiesonly" not in told:
        settings["IdentitiesOnly"] = "yes"
    if not found.password:
        settings["BatchMode"] = "yes"
    elif "preferredauthentications" not in told:
        settings["PreferredAuthentications"] = "publickey,password" if found.key else "password"
    if told.get("loglevel", "").lower() in SILENT:
        settings["LogLevel"] = "error"
    return settings


def seconds(text: str) -> float:
    """A time as sshd_config(5) writes it, such as 90, 90s or 1m30s; 0 for none."""
    if not re.fullmatch(r"([0-9]+[smhdw]?)+", text.lower()):
        return 0
    units = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"([0-9]+)([smhdw]?)", text.lower()))


def known_hosts_file(cluster: Cluster) -> Path:
    """The one place where this cluster's host keys are kept."""
    return cluster.state_dir.absolute() / "known_hosts"


def no_ssh(found: Login, error: OSError) -> UsageError:
    """What to say where ssh itself can't be started."""
    return UsageError(f"{found.program} can't be started: {error.strerror}", where="ssh",
                      hint="install the OpenSSH client on this machine" if found.program == "ssh" else "look at ansible_ssh_executable")


def cluster_options(cluster: Cluster) -> list[str]:
    """Options that hold for every host. They come first, so that no later argument or configuration file weakens them."""
    settings = {
        "UserKnownHostsFile": _value(_literal(known_hosts_file(cluster))),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "ForwardAgent": "no",
        "ControlMaster": "auto",
        "ControlPath": _value(f"{_literal(control_dir(cluster))}/%C"),
        "NumberOfPasswordPrompts": "1",
    }
    return _options(settings)


def ansible_ssh_args(options: Sequence[str], found: Login) -> str:
    """The value of ansible_ssh_args of a host: Ansible trusts the same host keys and reuses the connections that are open.

    `options` are those of the cluster. Port, user, key and the other arguments are told to Ansible by variables of their own.
    """
    return shlex.join([*options, *_options(found.settings), *found.shared])


def host_options(found: Login) -> list[str]:
    """Options for one host."""
    options = [*(("-p", str(found.port)) if found.port_told else ()), *(("-l", found.user) if found.user else ()),
               *(("-i", found.key) if found.key else ())]
    return [*options, *_options(found.settings), *found.arguments]


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


def _options(settings: Mapping[str, str]) -> list[str]:
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _literal(path: Path) -> str:
    """A path as an ssh option's value, where % starts a token."""
    return str(path).replace("%", "%%")


def _value(text: str) -> str:
    """An option's value, where a space would end it."""
    return f'"{text}"' if " " in text else text
