"""`provision infra ACTION`: machines of a provider, made by Terraform or OpenTofu, and their inventory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.verbs import Action
from provisioner.verbs.shared.arguments import add_json, add_yes, add_yes_name

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.verbs.infra.work import Infra


@dataclass(frozen=True)
class Module:
    """Terraform's root module and the inventory that goes with it."""

    dir: str = "."
    var: tuple[str, ...] = ()
    hosts: str | None = None
    binary: str | None = None


@dataclass(frozen=True)
class Plan(Module):
    """The options of `infra plan`."""

    detailed_exitcode: bool = False
    json: bool = False


@dataclass(frozen=True)
class Up(Module):
    """The options of `infra up`; `wait` is in seconds."""

    wait: float = 300.0
    yes: bool = False
    json: bool = False


@dataclass(frozen=True)
class Down(Module):
    """The options of `infra down`; `yes` is the cluster's name."""

    yes: str = ""


@dataclass(frozen=True)
class Show(Module):
    """The options of `infra show`."""

    json: bool = False


def add_plan(parser: argparse.ArgumentParser) -> None:
    """The arguments of `infra plan`."""
    _add_module(parser)
    parser.add_argument("--detailed-exitcode", action="store_true", help="exit 2 if there is something to do")
    add_json(parser)


def add_up(parser: argparse.ArgumentParser) -> None:
    """The arguments of `infra up`."""
    _add_module(parser)
    parser.add_argument("--wait", type=float, default=300.0, metavar="SECONDS", help="how long to wait for SSH (default 300)")
    add_yes(parser, "Terraform's first change")
    add_json(parser)


def add_down(parser: argparse.ArgumentParser) -> None:
    """The arguments of `infra down`."""
    _add_module(parser)
    add_yes_name(parser)


def add_show(parser: argparse.ArgumentParser) -> None:
    """The arguments of `infra show`."""
    _add_module(parser)
    add_json(parser)


def run_plan(console: Console, options: Plan) -> int:
    """Show what Terraform would do."""
    return _ready(console, options).plan(options)


def run_up(console: Console, options: Up) -> int:
    """Make the machines."""
    return _ready(console, options).up(options)


def run_down(console: Console, options: Down) -> int:
    """Destroy the machines."""
    return _ready(console, options).down(options)


def run_show(console: Console, options: Show) -> int:
    """Show the machines."""
    return _ready(console, options).show(options)


ACTIONS = (
    Action("plan", "show what Terraform would do", Plan, add_plan, run_plan),
    Action("up", "create the machines, write the inventory, wait for SSH; again to continue", Up, add_up, run_up),
    Action("down", "destroy the machines and take them out of the inventory", Down, add_down, run_down),
    Action("show", "list the machines and whether each answers; exit 4 if one does not", Show, add_show, run_show),
)


def _add_module(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", default=".", metavar="DIR", help="Terraform's root module (default: here)")
    parser.add_argument("--var", action="append", default=[], metavar="NAME=VALUE", help="a variable of the module (repeatable)")
    parser.add_argument("--hosts", metavar="FILE", help="the inventory (default: $PROVISION_HOSTS, else ./inventory.yml)")
    parser.add_argument("--binary", metavar="PROGRAM", help="the program to run (default: terraform, else tofu)")


def _ready(console: Console, module: Module) -> Infra:
    from provisioner.verbs.infra.work import Infra

    infra = Infra(module, console)
    infra.ready()
    return infra
