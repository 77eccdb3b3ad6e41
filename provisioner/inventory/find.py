"""Which inventory a command works on."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from provisioner.errors import UsageError

ENVIRONMENT = "PROVISION_HOSTS"
#: Characters of another inventory: the name of its cluster stands near the top.
SEARCHED = 64 * 1024


class Labs(Protocol):
    """What is asked of the labs on this machine, where their distribution is installed."""

    def inventory_of(self, name: str) -> Path:
        """Where the inventory of a lab is, whether the lab exists or not. Raises UsageError for an invalid name."""

    def names(self) -> Iterable[str]:
        """The labs whose inventory lies here."""

    def ensure(self, name: str, say: Callable[[str], None]) -> None:
        """Make the lab unless it exists."""


def find_inventory(hosts: str | None, lab: str | None, labs: Callable[[], Labs | None]) -> Path:
    """`--hosts`, else `--lab`, else $PROVISION_HOSTS, else ./inventory.yml, else that of the running default lab.

    `labs` is called only when a lab can be meant. Raises UsageError that says where it looked.
    """
    if hosts:
        return Path(hosts)
    if not lab and os.environ.get(ENVIRONMENT):
        return Path(os.environ[ENVIRONMENT])
    here = Path("inventory.yml")
    if not lab and here.is_file():
        return here
    found = labs()
    if lab:
        path = installed(found).inventory_of(lab)
        if not path.is_file():
            raise UsageError(f"there is no lab {lab!r} on this machine", hint=f"provision lab up --name {lab}")
        return path
    default = found.inventory_of("default") if found else None
    if default and default.is_file():
        return default
    raise UsageError(
        f"no inventory: no --hosts, no ${ENVIRONMENT}, no inventory.yml in {Path.cwd()}, no running lab",
        hint="'provision init' writes an inventory.yml to fill in; 'provision lab up' makes hosts on this machine",
    )


#: What an inventory has somewhere: hosts below a group, in YAML, JSON or INI.
_AN_INVENTORY = re.compile(r"""["']?hosts["']?\s*:|^\[[\w=.-]+(:\w+)?\]\s*$""", re.MULTILINE)
_NO_INVENTORIES = ("group_vars", "host_vars", "roles", "collections", "playbooks")
#: How many files of a folder beside an inventory are looked at.
FILES = 50


def installed(labs: Labs | None) -> Labs:
    """The labs. Raises UsageError where their distribution is not installed."""
    if labs is None:
        raise UsageError("the lab is not installed", hint="pip install provisioner-lab")
    return labs


def namesakes(path: Path, name: str, *, default: bool = False) -> list[str]:
    """Other inventories beside this one that give their cluster the same name: all would share one identity and one set of secrets.

    With `default` also those that give it none.
    """
    says = re.compile(rf"""\bcluster_name["']?\s*[:=]\s*["']?{re.escape(name)}["']?\s*(?:[,}}#]|$)""", re.MULTILINE)
    found = []
    for other in sorted(path.parent.glob("*")):
        if other.name == path.name or other.name in _NO_INVENTORIES or other.name.startswith("."):
            continue
        text = "\n".join(_beginning(file) for file in ([other] if other.is_file() else sorted(other.rglob("*"))[:FILES]))
        if _AN_INVENTORY.search(text) and (says.search(text) or (default and "cluster_name" not in text)):
            found.append(other.name)
    return found


def _beginning(file: Path) -> str:
    """Of a file that may be an inventory or hold variables of one."""
    if file.suffix not in ("", ".yml", ".yaml", ".json", ".ini", ".cfg") or not file.is_file():
        return ""
    with file.open(errors="replace") as text:
        return text.read(SEARCHED)
