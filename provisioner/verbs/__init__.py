"""What an operator can ask for. One verb = one module or package of that name; this table is all that `provision --help` loads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from provisioner.errors import ProvisionError
from provisioner.extensions import entry_points, load

if TYPE_CHECKING:
    import argparse

    from provisioner.inventory.find import Labs

    AddArguments = Callable[[argparse.ArgumentParser], None]

#: The group of entry points by which another distribution adds a verb: its name → an object of class Verb.
ENTRY_POINTS = "provisioner.verbs"
#: The groups of `provision --help`, with their titles.
GROUPS = {"build": "Build", "operate": "Operate", "change": "Change", "recover": "Recover", "lab": "Lab and shell"}


class Verb(NamedTuple):
    """A verb: its group and line in `provision --help`, and the module that does it, which is imported only when it is asked for.

    That module has `Options`, a frozen dataclass with a field for each argument; `add_arguments(parser)`; and
    `run(context, console, options) -> exit code`, without the context where `inventory` is False. Or it has ACTIONS instead.
    An `EPILOG` is shown below its help, and `CODES` say what else an exit code means there. With `makes_lab` the option --lab makes the
    lab where there is none. It must be light, as help and completion import it: what does the work is imported by `run`.
    """

    name: str
    group: str
    help: str
    module: str = ""
    inventory: bool = True
    makes_lab: bool = False

    def load(self) -> Any:
        """Its module."""
        return load(self.module or f"{__name__}.{self.name}")


class Action(NamedTuple):
    """One action of a verb that has several, such as `lab up`. The fields are what a verb's module has."""

    name: str
    help: str
    options: type[Any]
    add_arguments: AddArguments
    run: Callable[..., int]
    inventory: bool = False
    epilog: str = ""
    makes_lab: bool = False
    codes: Mapping[int, str] = {}


VERBS = (
    Verb("init", "build", "write an annotated inventory.yml to start from", inventory=False),
    Verb("infra", "build", "create machines with Terraform or OpenTofu, and their inventory", inventory=False),
    Verb("bundle", "build", "carry the mirror, the lock and this tool in one signed file", inventory=False),
    Verb("validate", "build", "check the inventory without contacting any host"),
    Verb("inventory", "build", "print the rendered Ansible inventory"),
    Verb("lock", "build", "write exact versions and digests of everything to provision.lock"),
    Verb("mirror", "build", "keep all that the lock names, for hosts without Internet", inventory=False),
    Verb("preflight", "build", "check every host before anything is changed"),
    Verb("sources", "build", "show where artefacts come from, and whether they are there"),
    Verb("plan", "build", "show what 'up' would do, and why; change nothing"),
    Verb("up", "build", "build the cluster, or bring it to what the inventory says", makes_lab=True),
    Verb("audit", "operate", "try every door of every host, from inside and outside"),
    Verb("status", "operate", "show leaders, members and problems; exit 0 only if healthy"),
    Verb("verify", "operate", "prove end to end that the stack works, then clean up"),
    Verb("restart", "operate", "restart a component, one voter at a time, the leader last"),
    Verb("drain", "operate", "move all tasks off an agent; it accepts none until 'undrain'"),
    Verb("undrain", "operate", "let a drained agent accept tasks again"),
    Verb("certificates", "operate", "show which certificate ends when"),
    Verb("credentials", "operate", "show who gets into which service, and with --show how"),
    Verb("secrets", "operate", "list the cluster's secrets without values, or rotate them"),
    Verb("ssh", "operate", "open a shell on one host, or run one command there"),
    Verb("run", "operate", "run one command on all hosts, or on some, in parallel"),
    Verb("upgrade", "change", "move to new versions: back up first, pause where you ask"),
    Verb("remove", "change", "drain hosts, take them out of the cluster and the inventory"),
    Verb("replace", "change", "replace a lost host with a new machine of the same name"),
    Verb("reset", "change", "uninstall from all hosts; keep inventory, ledger and secrets"),
    Verb("backup", "recover", "save ZooKeeper's nodes, Consul, apps, jobs and identity to a file"),
    Verb("restore", "recover", "load a backup into this cluster, or restore only its identity"),
    Verb("repair", "recover", "give Marathon or Chronos a new framework after Mesos removed it"),
    Verb("unlock", "recover", "show who holds the cluster's lock, and break it on demand"),
    Verb("completion", "lab", "print the completion script for bash, zsh or fish", inventory=False),
)


def verbs() -> dict[str, Verb]:
    """All verbs by name, those of other distributions included."""
    own = {verb.name: verb for verb in VERBS}
    return {**{name: _added(name, reference) for name, reference in entry_points(ENTRY_POINTS).items() if name not in own}, **own}


def find(name: str) -> Verb | None:
    """The verb of this name; other distributions are asked only for what is not our own."""
    own = next((verb for verb in VERBS if verb.name == name), None)
    return own or verbs().get(name)


def labs() -> Labs | None:
    """The lab, where it is installed."""
    reference = entry_points(ENTRY_POINTS).get("lab")
    return cast("Labs", _added("lab", reference).load()) if reference else None


def _added(name: str, reference: str) -> Verb:
    """A verb of another distribution. Raises ProvisionError where that is half removed, say, or made for another version of this one."""
    try:
        return cast(Verb, load(reference))
    except (ImportError, AttributeError) as error:
        raise ProvisionError(f"the command {name!r} that another package adds can't be loaded: {error}", where=reference,
                             hint="install that package in provisioner's version, or uninstall it") from None
