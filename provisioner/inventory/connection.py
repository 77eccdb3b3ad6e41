"""Ansible's connection variables: what each means here, and its one name from here on.

Every variable that Ansible's plugins `ssh` (connection), `sudo` (become) and `sh` (shell) document stands in the table, so that nothing
an inventory says about reaching its hosts is dropped in silence: it means the same to our ssh and to Ansible's, or is refused.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from provisioner.cluster.model import Cluster, Host
from provisioner.inventory import formats, ssh_arguments
from provisioner.inventory.described import Secret

#: Who follows a variable. What only Ansible's tasks have a use for is handed on to them; what nobody follows is warned of.
Followed = Literal["by all", "by Ansible", "by nobody", "refused"]
_TRUE, _FALSE = ("y", "yes", "on", "1", "true", "t"), ("n", "no", "off", "0", "false", "f")


@dataclass(frozen=True)
class Connection:
    """One variable. `names` are all that it goes by, the weakest first, as Ansible has it; `why` is the reason where it is not followed.

    With `default` "" an empty text is the same as none, so a host can undo what a group says.
    """

    name: str
    type: str
    meaning: str
    default: Any = None
    choices: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()
    followed: Followed = "by all"
    why: str = ""
    check: Callable[[object], str] | None = None

    @property
    def description(self) -> str:
        """For the reference."""
        also = [f"`{name}`" for name in self.names if name != self.name]
        told = {"by all": "", "by Ansible": " For Ansible's tasks alone.", "by nobody": f" No effect: {self.why}.",
                "refused": f" Refused: {self.why}."}
        return self.meaning + told[self.followed] + (f" Also {', '.join(also)}." if also else "")


_KNOWN = "host keys are always checked against the cluster's own known_hosts, where 'provision preflight' records those of new hosts"
_SHARED = "connections are shared between the driver and Ansible, in a private folder of the driver"
_KEY = "a key lies in a file, which ansible_ssh_private_key_file names"
_PASSPHRASE = "a key with a passphrase belongs into ssh-agent, where both find it"  # noqa: S105 - no password
#: Some variables have a good use that only Ansible's own tasks make of them.
TABLE = (
    Connection("ansible_host", "str", "Address or DNS name that SSH connects to.", names=("ansible_host", "ansible_ssh_host"),
               check=lambda value: formats.address(bare(str(value))[1])),
    Connection("ansible_port", "int", "Port that SSH connects to; without it SSH's own configuration decides.", 22,
               names=("ansible_port", "ansible_ssh_port")),
    Connection("ansible_user", "str", "User that logs in over SSH; without it SSH's own configuration decides.", "",
               names=("ansible_user", "ansible_ssh_user"), check=formats.user),
    Connection("ansible_password", "str", "Password of that user; a key is better.", "",
               names=("ansible_password", "ansible_ssh_pass", "ansible_ssh_password")),
    Connection("ansible_connection", "str", "How hosts are reached; local: a cluster of this one machine.", "ssh",
               ("ssh", "local", "smart", "ansible.builtin.ssh", "ansible.builtin.local")),
    Connection("ansible_become", "bool", "Become root; this always happens.", True, (True,)),
    Connection("ansible_become_method", "str", "How to become root.", "sudo", ("sudo", "ansible.builtin.sudo")),
    Connection("ansible_become_user", "str", "Whom to become.", "root", ("root",), ("ansible_become_user", "ansible_sudo_user")),
    Connection("ansible_become_password", "str", "Password for sudo.", "",
               names=("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")),
    Connection("ansible_ssh_private_key_file", "path", "Private key that SSH uses, a path relative to the inventory.", "",
               names=("ansible_private_key_file", "ansible_ssh_private_key_file")),
    Connection("ansible_ssh_args", "str", "More arguments for ssh, sftp and scp, in addition to the driver's.", "",
               check=lambda value: ssh_arguments.problem(str(value))),
    Connection("ansible_ssh_common_args", "str", "More arguments for ssh and sftp, such as -J jump.example.com.", "",
               check=lambda value: ssh_arguments.problem(str(value))),
    Connection("ansible_ssh_extra_args", "str", "More arguments for ssh alone.", "", check=lambda value: ssh_arguments.problem(str(value))),
    Connection("ansible_ssh_timeout", "int", "Seconds that a connection may take to come about.", 10,
               names=("ansible_timeout", "ansible_ssh_timeout")),
    Connection("ansible_ssh_retries", "int", "How often a connection that does not come about is tried again.", 0),
    Connection("ansible_ssh_executable", "path", "Program in the place of ssh, a path relative to the inventory.", "",
               check=formats.single_line),
    Connection("ansible_become_exe", "str", "Program in the place of sudo on the host.", "",
               names=("ansible_become_exe", "ansible_sudo_exe"),
               check=lambda value: "" if re.fullmatch(r"[\w./+-]+", str(value)) else "is not the name of a program"),
    Connection("ansible_become_flags", "str", "Flags for sudo; -n and -S are given where they are needed.", "",
               names=("ansible_become_flags", "ansible_sudo_flags"), check=lambda value: _sudo_problem(str(value))),
    Connection("ansible_python_interpreter", "path", "Python on the host: a path, a name, '/usr/bin/env NAME', or auto (as without it).",
               check=lambda value: interpreter(str(value))),
    Connection("ansible_sftp_executable", "str", "Program in the place of sftp.", "", followed="by Ansible"),
    Connection("ansible_scp_executable", "str", "Program in the place of scp.", "", followed="by Ansible"),
    Connection("ansible_scp_extra_args", "str", "More arguments for scp alone.", "", followed="by Ansible"),
    Connection("ansible_sftp_extra_args", "str", "More arguments for sftp alone.", "", followed="by Ansible"),
    Connection("ansible_sftp_batch_mode", "bool", "Whether sftp runs in batch mode.", True, followed="by Ansible"),
    Connection("ansible_ssh_transfer_method", "str", "How files reach a host.", "smart", ("sftp", "scp", "piped", "smart"),
               followed="by Ansible"),
    Connection("ansible_pipelining", "bool", "Whether modules are sent through ssh's standard input instead of as files.", True,
               names=("ansible_pipelining", "ansible_ssh_pipelining"), followed="by Ansible"),
    Connection("ansible_ssh_use_tty", "bool", "Whether ssh is asked for a terminal where nothing is sent to a program.", True,
               followed="by Ansible"),
    Connection("ansible_ssh_verbosity", "int", "How much ssh says in ansible.log.", 0, followed="by Ansible"),
    Connection("ansible_remote_tmp", "str", "Folder on the host for temporary files.", "~/.ansible/tmp", followed="by Ansible"),
    Connection("ansible_system_tmpdirs", "list", "Temporary folders of the host that everybody can use.", followed="by Ansible"),
    Connection("ansible_async_dir", "str", "Folder on the host for tasks in the background.", "~/.ansible_async", followed="by Ansible"),
    Connection("ansible_admin_users", "list", "Users of the host that count as administrators.", followed="by Ansible"),
    Connection("ansible_common_remote_group", "str", "Group that shares temporary files on the host.", "", followed="by Ansible"),
    Connection("ansible_shell_allow_world_readable_temp", "bool", "Whether temporary files on the host may be read by everybody.", False,
               followed="by Ansible"),
    Connection("ansible_shell_type", "str", "Shell of the host.", "sh", ("sh",), followed="by Ansible"),
    Connection("ansible_shell_executable", "str", "Shell that tasks run in.", "/bin/sh", followed="by Ansible"),
    Connection("ansible_module_compression", "str", "How modules are packed.", "ZIP_DEFLATED", followed="by Ansible"),
    Connection("ansible_sudo_chdir", "str", "Folder to go to before sudo.", "", followed="by Ansible"),
    Connection("ansible_host_key_checking", "bool", "Whether unknown host keys are refused.", True, (),
               ("ansible_host_key_checking", "ansible_ssh_host_key_checking"), "by nobody", _KNOWN),
    Connection("ansible_control_path", "str", "Socket of a shared connection.", "", followed="by nobody", why=_SHARED),
    Connection("ansible_control_path_dir", "str", "Folder of such sockets.", "", followed="by nobody", why=_SHARED),
    Connection("ansible_ssh_password_mechanism", "str", "How ssh gets a password.", "ssh_askpass", ("ssh_askpass",)),
    Connection("ansible_sshpass_prompt", "str", "Prompt at which a password is given.", "", followed="refused",
               why="passwords are given at OpenSSH's own prompt alone, so that nobody else gets them"),
    Connection("ansible_ssh_pkcs11_provider", "str", "Library of a smart card.", "", followed="refused",
               why="write -o PKCS11Provider=… into ansible_ssh_common_args, and add the card to ssh-agent, which knows its PIN"),
    Connection("ansible_ssh_private_key", "str", "Private key itself.", "", (), ("ansible_private_key", "ansible_ssh_private_key"),
               "refused", _KEY),
    Connection("ansible_ssh_private_key_passphrase", "str", "Its passphrase.", "", (),
               ("ansible_private_key_passphrase", "ansible_ssh_private_key_passphrase"), "refused", _PASSPHRASE),
)
NAMES: Mapping[str, Connection] = {name: each for each in TABLE for name in (each.names or (each.name,))}
#: Arguments for ssh, in the order in which it gets them.
ARGUMENTS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
#: Variables that name a plugin, and other names of those that are meant here.
_PLUGINS = ("ansible_connection", "ansible_become_method")
_SHORT = {"smart": "ssh", "ansible.builtin.ssh": "ssh", "ansible.builtin.local": "local", "ansible.builtin.sudo": "sudo"}
_WITH_FILES = ("ansible_ssh_private_key_file", "ansible_ssh_executable", *ARGUMENTS)
#: Levels of ssh's log at which nobody learns why a host is not reached.
SILENT = ("quiet", "fatal", "silent")
_SUDO_FLAG = re.compile(r"-[EHPSikn]+|--(login|non-interactive|preserve-env(=[\w,]+)?|preserve-groups|set-home|stdin)")
_DISCOVERED = ("auto", "auto_silent", "auto_legacy", "auto_legacy_silent")
_HOST_KEYS = {"stricthostkeychecking": ("yes", "true"), "globalknownhostsfile": ("/dev/null", "none"), "updatehostkeys": ("no", "false")}
#: What ssh is always told first, so that nobody's arguments change it: the values that agree, and why the others don't count.
_OURS: Mapping[str, tuple[tuple[str, ...], str]] = {
    **{keyword: (values, _KNOWN) for keyword, values in _HOST_KEYS.items()},
    "forwardagent": (("no", "false"), "no host gets the use of your keys"),
    "controlmaster": (("auto",), _SHARED), "controlpath": ((), _SHARED),
    "batchmode": (("yes", "true"), "nobody is there to answer ssh's questions"),
    "numberofpasswordprompts": (("1",), "a password is tried once, so that no account gets locked"),
}


def normalise(variables: Mapping[str, object], folder: Path) -> dict[str, object]:
    """What a host was given, every connection variable under its one name and as what it is; relative files lie in `folder`.

    Of several names for the same the one holds that Ansible prefers, wherever it is written. An empty text is left out.
    """
    found = {name: value for name, value in variables.items() if name not in NAMES}
    for each in {NAMES[name].name: NAMES[name] for name in variables if name in NAMES}.values():
        given = [variables[name] for name in each.names or (each.name,) if variables.get(name) is not None]
        value = as_ansible(each.type, given[-1]) if given else ""
        value = _SHORT.get(str(value), value) if each.name in _PLUGINS else value
        if value != "":
            found[each.name] = value
    user, host = bare(str(found.get("ansible_host", "")))
    if user:
        found.setdefault("ansible_user", user)
    if found.get("ansible_python_interpreter") in _DISCOVERED:
        del found["ansible_python_interpreter"]
    settled = {"ansible_host": host} | {name: _settled(name, str(found[name]), folder) for name in _WITH_FILES if name in found}
    # What needs no change stays the object it is: a text out of a vault knows that it came from there.
    for name, text in settled.items():
        if name in found and text != (before := found[name]):
            found[name] = Secret(text, before.label) if isinstance(before, Secret) else text
    return found


@functools.lru_cache(1024)
def _settled(name: str, text: str, folder: Path) -> str:
    """A text that may name files, for any working directory."""
    if name in ARGUMENTS:
        return ssh_arguments.settled(text, folder)
    return str(folder / ssh_arguments.expanded(text)) if "/" in text or name.endswith("_file") else text


def as_ansible(kind: str, value: object) -> object:
    """A value as Ansible's plugins take it: they read numbers and truth in texts, and texts in numbers. What is none stays."""
    text = str(value).strip().lower()
    if kind == "bool" and not isinstance(value, bool):
        return True if text in _TRUE else False if text in _FALSE else value
    if kind == "int" and isinstance(value, str) and re.fullmatch("[0-9]{1,9}", text):
        return int(text)
    if kind in ("str", "path") and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def bare(address: str) -> tuple[str, str]:
    """User and host of an address as ssh takes it, [user@]host; brackets around IPv6, which it does not take, are removed."""
    user, _, host = address.rpartition("@")
    return user, host[1:-1] if host.startswith("[") and host.endswith("]") else host


def sudo_flags(text: str) -> list[str]:
    """The flags that change what sudo does, not how it asks for a password."""
    words = (word if word.startswith("--") else re.sub("[nS]", "", word) for word in text.split())
    return [word for word in words if word not in ("-", "--non-interactive", "--stdin")]


def _sudo_problem(text: str) -> str:
    wrong = [word for word in text.split() if not _SUDO_FLAG.fullmatch(word)]
    return f"has {wrong[0]}, with which sudo would do something else than to run a program as root" if wrong else ""


def interpreter(value: str) -> str:
    """What is wrong with a Python of a host."""
    if value in _DISCOVERED or (re.fullmatch(r"(/usr/bin/env )?[\w./+-]+", value) and not value.startswith("-")):
        return ""
    return "must be an absolute path, like /usr/bin/python3"


def warnings(cluster: Cluster) -> tuple[str, ...]:
    """What is written but has no effect, and why; one sentence for all hosts for which it is the same."""
    found: dict[str, list[str]] = {}
    own = str(cluster.state_dir.absolute() / "known_hosts")
    for host in cluster.hosts:
        for text in _without_effect(host, own):
            found.setdefault(text, []).append(host.name)
    return tuple(f"{_who(names, cluster)}: {text}" for text, names in found.items())


def _who(names: Sequence[str], cluster: Cluster) -> str:
    if len(names) == len(cluster.hosts) > 1:
        return "all hosts"
    return f"{names[0]} and {len(names) - 1} more" if names[1:] else names[0]


def _without_effect(host: Host, known_hosts: str) -> Iterator[str]:
    for name, value in host.variables.items():
        each = NAMES.get(name)
        if each and each.followed == "by nobody" and value != each.default:
            yield f"{name} has no effect: {each.why}"
    for name in ARGUMENTS:
        for argument in ssh_arguments.read(str(host.variables.get(name, ""))):
            values, why = _OURS.get(argument.keyword, ((argument.value.lower(),), ""))
            if argument.keyword == "userknownhostsfile":
                values, why = (known_hosts.lower(),), _KNOWN
            if argument.keyword == "loglevel" and argument.value.lower() in SILENT:
                values, why = (), "ssh's messages say why a host is not reached"
            if argument.value.strip('"').lower() not in values:
                yield f"{' '.join(argument.words)} in {name} has no effect: {why}"
