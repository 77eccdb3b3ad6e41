"""SSH keys: one that opens the nodes of a lab, and one that each node proves itself with."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import UsageError
from provisioner.mirror.programs import run
from provisioner.state.files import private_dir
from provisioner_lab.model import Lab, LabNode


@dataclass(frozen=True)
class KeyPair:
    """An Ed25519 key in OpenSSH's formats; `public` is one line: type, key, comment."""

    private: str
    public: str


def operator_key(lab: Lab, *, new: bool) -> str:
    """The public half of the lab's key; made for a new lab. Raises UsageError when an old lab has lost it."""
    if not lab.key.exists():
        if not new:
            raise UsageError("the lab's SSH key is gone, its hosts can't be reached any more", where=str(lab.key),
                             hint="make the lab again: provision lab down, provision lab up")
        private_dir(lab.home)
        _generate(lab.key, f"operator@{lab.cluster}")
    return lab.key.with_suffix(".pub").read_text()


def host_key(node: LabNode) -> KeyPair:
    """A new host key. It is made here, so it is known before the first connection."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "key"
        _generate(path, f"root@{node.name}")
        return KeyPair(path.read_text(), path.with_suffix(".pub").read_text())


def pin(known_hosts: str, address: str, public: str) -> str:
    """The text of a known_hosts file with this host's key in place of any it had."""
    kept = [line for line in known_hosts.splitlines() if line.split(maxsplit=1)[:1] != [address]]
    kind, key = public.split()[:2]
    return "\n".join([*kept, f"{address} {kind} {key}"]) + "\n"


def _generate(path: Path, comment: str) -> None:
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)], what=f"SSH key {comment}")
