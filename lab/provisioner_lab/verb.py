"""`provision lab ACTION`, and what `--lab NAME` asks of the labs. What does the work is loaded only when it is asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import StepFailed
from provisioner.verbs import Action

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context
    from provisioner_lab.work import LabStatus


def inventory_of(name: str) -> Path:
    """Where the inventory of a lab is, whether the lab exists or not. Raises UsageError for an invalid name."""
    from provisioner_lab.model import default_inventory

    return default_inventory(name)


def names() -> list[str]:
    """The labs whose inventory lies here, without asking anybody."""
    return sorted(path.parent.name for path in inventory_of("default").parent.parent.glob("*/inventory.yml"))


def ensure(name: str, say: Callable[[str], None]) -> None:
    """Make the lab unless it exists."""
    if not inventory_of(name).is_file():
        from provisioner_lab import work

        work.up(name, say=say)


@dataclass(frozen=True)
class Named:
    """The options of actions on one lab."""

    name: str = "default"


def add_name(parser: argparse.ArgumentParser) -> None:
    """The argument of Named."""
    parser.add_argument("--name", default="default", metavar="LAB", help="which lab (default: default)")


@dataclass(frozen=True)
class Up(Named):
    """The options of `lab up`; None is the default of a new lab, or what an existing one has."""

    masters: int | None = None
    agents: int | None = None
    os: str | None = None
    artifacts: str | None = None
    backend: str | None = None
    vendors: bool = False


def add_up(parser: argparse.ArgumentParser) -> None:
    """The arguments of Up."""
    parser.add_argument("--masters", type=int, metavar="N", help="hosts m1..mN (default 3)")
    parser.add_argument("--agents", type=int, metavar="N", help="hosts a1..aN (default 2)")
    parser.add_argument("--os", metavar="OS", help="operating system of the hosts (default debian12)")
    parser.add_argument("--artifacts", metavar="DIR", help="DIR/deb/*.deb and DIR/images/*.tar replace the stand-ins of the same name")
    parser.add_argument("--backend", metavar="BACKEND", help="who makes the hosts: docker or vagrant (default docker)")
    parser.add_argument("--vendors", action="store_true", help="play the vendors' hosts, too, for an inventory without a mirror")
    add_name(parser)


def run_up(console: Console, options: Up) -> int:
    """Make the lab, or complete it."""
    from provisioner_lab import work

    artifacts = Path(options.artifacts) if options.artifacts else None
    return _show(work.up(options.name, masters=options.masters, agents=options.agents, operating_system=options.os, artifacts=artifacts,
                         backend=options.backend, vendors=options.vendors, say=console.say), console)


def run_status(console: Console, options: Named) -> int:
    """Show what runs of a lab."""
    from provisioner_lab import work

    return _show(work.status(options.name), console)


@dataclass(frozen=True)
class Down(Named):
    """The options of `lab down`."""

    ignore_missing: bool = False


def add_down(parser: argparse.ArgumentParser) -> None:
    """The arguments of Down."""
    parser.add_argument("--ignore-missing", action="store_true", help="succeed if the lab does not exist")
    add_name(parser)


def run_down(console: Console, options: Down) -> int:
    """Throw the lab away."""
    from provisioner_lab import work

    work.down(options.name, ignore_missing=options.ignore_missing, say=console.say)
    return 0


@dataclass(frozen=True)
class NoOptions:
    """No options."""


def add_nothing(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run_list(console: Console, _: NoOptions) -> int:
    """List the labs on this machine."""
    from provisioner_lab import work

    console.table("labs", ("name", "system", "backend", "network", "folder"),
                  ([each.name, each.system, each.backend, str(each.subnet), str(each.directory)] for each in work.labs()))
    return 0


@dataclass(frozen=True)
class Snapshot(Named):
    """The options of `lab snapshot`."""

    snapshot: str = ""
    replace: bool = False


def add_snapshot(parser: argparse.ArgumentParser) -> None:
    """The arguments of Snapshot."""
    parser.add_argument("snapshot", metavar="SNAPSHOT", help="the name to keep it under")
    parser.add_argument("--replace", action="store_true", help="replace the snapshot of this name")
    add_name(parser)


def run_snapshot(console: Console, options: Snapshot) -> int:
    """Keep a lab as it is."""
    from provisioner_lab.freeze import take

    kept = take(options.snapshot, options.name, again=options.replace, say=console.say)
    console.say(f"kept; start it again after 'provision lab down': provision lab restore {kept.name}")
    return 0


@dataclass(frozen=True)
class Snapshots:
    """The options of `lab snapshots`."""

    remove: str | None = None


def add_snapshots(parser: argparse.ArgumentParser) -> None:
    """The arguments of Snapshots."""
    parser.add_argument("--remove", metavar="SNAPSHOT", help="remove this one")


def run_snapshots(console: Console, options: Snapshots) -> int:
    """List the snapshots, or remove one."""
    from provisioner_lab.snapshots import store

    if options.remove:
        store.remove(options.remove)
        return 0
    rows = ([each.name, each.lab, " ".join(each.hosts), each.subnet, each.made, f"{store.bytes_on_disk(each.name) / 1e6:.0f} MB"]
            for each in store.snapshots())
    console.table("snapshots", ("name", "of lab", "hosts", "network", "made (UTC)", "size"), rows)
    return 0


@dataclass(frozen=True)
class Restore:
    """The options of `lab restore`; without a name the lab is called as it was."""

    snapshot: str
    name: str = ""


def add_restore(parser: argparse.ArgumentParser) -> None:
    """The arguments of Restore."""
    parser.add_argument("snapshot", metavar="SNAPSHOT")
    parser.add_argument("--name", default="", metavar="NAME", help="name of the lab (default: as it was)")


def run_restore(console: Console, options: Restore) -> int:
    """Start a lab from a snapshot."""
    from provisioner_lab.restore import restore

    return _show(restore(options.snapshot, options.name, say=console.say), console)


@dataclass(frozen=True)
class Vagrantfile:
    """The options of `lab vagrantfile`."""

    provider: str = "virtualbox"
    box: str = "debian/bookworm64"
    master_memory: int = 2048
    master_cpus: int = 2
    agent_memory: int = 2048
    agent_cpus: int = 2


def add_vagrantfile(parser: argparse.ArgumentParser) -> None:
    """The arguments of Vagrantfile."""
    parser.add_argument("--provider", default="virtualbox", metavar="NAME", help="virtualbox or libvirt (default virtualbox)")
    parser.add_argument("--box", default="debian/bookworm64", help="what the machines start from (default debian/bookworm64)")
    for role, who in (("master", "every other host"), ("agent", "a host with a Mesos agent")):
        parser.add_argument(f"--{role}-memory", type=int, default=2048, metavar="MIB", help=f"memory of {who} in MiB (default 2048)")
        parser.add_argument(f"--{role}-cpus", type=int, default=2, metavar="N", help=f"virtual processors of {who} (default 2)")


def run_vagrantfile(context: Context, console: Console, options: Vagrantfile) -> int:
    """Print a Vagrantfile."""
    from provisioner_lab.hosts.vagrantfile import Machines, Size, of_inventory

    master, agent = Size(options.master_memory, options.master_cpus), Size(options.agent_memory, options.agent_cpus)
    sys.stdout.write(of_inventory(context.cluster, Machines(options.provider, options.box, master, agent)))
    return 0


ACTIONS = (
    Action("up", "make a lab, or complete it", Up, add_up, run_up),
    Action("status", "show what runs of a lab", Named, add_name, run_status),
    Action("list", "list the labs on this machine", NoOptions, add_nothing, run_list),
    Action("down", "throw a lab away", Down, add_down, run_down),
    Action("snapshot", "keep a lab as it is, hosts and cluster; its hosts stop and start again", Snapshot, add_snapshot, run_snapshot),
    Action("restore", "start a lab from a snapshot: the same cluster, at the same addresses", Restore, add_restore, run_restore),
    Action("snapshots", "list the snapshots on this machine and their size", Snapshots, add_snapshots, run_snapshots),
    Action("vagrantfile", "print a Vagrantfile of virtual machines for an inventory", Vagrantfile, add_vagrantfile, run_vagrantfile,
           inventory=True),
)


def _show(found: LabStatus, console: Console) -> int:
    rows = [[node.name, node.address, found.states[node.name]] for node in found.nodes]
    rows.append(["mirror", found.lab.mirror, found.states.get("mirror", "missing")])
    if "vendors" in found.states:
        rows.append(["vendors", found.lab.vendors, found.states["vendors"]])
    console.table(f"lab {found.lab.name}", ("host", "address", "state"), rows)
    console.say(f"inventory: {found.lab.inventory}")
    if "vendors" in found.states:
        console.say(f"the vendors from this machine: https_proxy=http://{found.lab.vendors}:3128 "
                    f"SSL_CERT_FILE={found.lab.vendors_folder / 'ca.pem'}")
    return 0 if all(row[2] == "running" for row in rows) else StepFailed.exit_code
