"""What an operator can ask for. One verb = one module of that name; this table is all that `provision --help` loads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from provisioner.extensions import entry_points, load

if TYPE_CHECKING:
    import argparse

    from provisioner.inventory.find import Labs

    AddArguments = Callable[[argparse.ArgumentParser], None]

#: The group of entry points by which another distribution adds a verb: name → an object of class Verb.
ENTRY_POINTS = "provisioner.verbs"


class Verb(NamedTuple):
    """A verb: where it stands in `provision --help`, and the module that does it, which is loaded only when it is asked for.

    That module has `Options`, a frozen dataclass with one field per argument; `add_arguments(parser)`; and
    `run(context, console, options) -> exit code`, without the context where `inventory` is False. Or it has ACTIONS instead.
    An `EPILOG` is shown below its help. `makes_lab`: `--lab NAME` makes the lab where there is none.
    """

    name: str
    group: str
    help: str
    module: str
    inventory: bool = True
    makes_lab: bool = False


class Action(NamedTuple):
    """One action of a verb that has several, such as `lab up`. The fields are what a verb's module has."""

    name: str
    help: str
    options: type[Any]
    add_arguments: AddArguments
    run: Callable[..., int]
    inventory: bool = False
    epilog: str = ""


def added() -> dict[str, Verb]:
    """The verbs of other distributions, by name."""
    return {name: cast(Verb, load(reference)) for name, reference in entry_points(ENTRY_POINTS).items()}


def labs() -> Labs | None:
    """The lab, where it is installed."""
    reference = entry_points(ENTRY_POINTS).get("lab")
    return cast("Labs", load(cast(Verb, load(reference)).module)) if reference else None

