"""`provision bundle ACTION`: the mirror, the lock and this tool in one file, carried to where no network is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.verbs import Action
from provisioner.verbs.shared.arguments import add_json, add_yes

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console


@dataclass(frozen=True)
class Save:
    """The options of `bundle save`."""

    file: str
    mirror: str | None = None
    hosts: str | None = None
    wheels: str | None = None
    with_key: bool = False


@dataclass(frozen=True)
class Load:
    """The options of `bundle load`."""

    file: str
    dir: str
    fingerprint: str = ""
    tool_only: bool = False
    mirror_only: bool = False
    yes: bool = False


@dataclass(frozen=True)
class Show:
    """The options of `bundle show`."""

    file: str
    json: bool = False


def add_save(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bundle save`."""
    parser.add_argument("file", metavar="FILE", help="the bundle to write")
    parser.add_argument("--mirror", metavar="DIR", help="the mirror to carry (default: none, the tool only)")
    parser.add_argument("--hosts", metavar="FILE", help="the inventory whose provision.lock is carried (default: the mirror's)")
    parser.add_argument("--wheels", metavar="DIR", help="the wheels of provision and all it needs (default: made by pip)")
    parser.add_argument("--with-key", action="store_true", help="carry the key that signs the mirror's repositories, too")


def add_load(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bundle load`."""
    parser.add_argument("file", metavar="FILE", help="the bundle")
    parser.add_argument("dir", metavar="DIR", help="the folder to make; one that was loaded before is replaced")
    parser.add_argument("--fingerprint", metavar="SHA256", default="", help="who must have signed it, as 'bundle save' printed it")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--tool-only", action="store_true", help="leave the mirror out")
    only.add_argument("--mirror-only", action="store_true", help="leave the tool's packages out")
    add_yes(parser, "trusting a signer that is not known yet")


def add_show(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bundle show`."""
    parser.add_argument("file", metavar="FILE", help="the bundle")
    add_json(parser)


def run_save(console: Console, options: Save) -> int:
    """Write a bundle."""
    from provisioner.verbs.bundle.work import save

    return save(console, options)


def run_load(console: Console, options: Load) -> int:
    """Verify a bundle and put it in place."""
    from provisioner.verbs.bundle.work import load

    return load(console, options)


def run_show(console: Console, options: Show) -> int:
    """Say what a bundle holds."""
    from provisioner.verbs.bundle.work import show

    return show(console, options)


ACTIONS = (
    Action("save", "write the mirror, the lock and this tool into one signed file", Save, add_save, run_save),
    Action("load", "verify a bundle and put its mirror and tool into a folder", Load, add_load, run_load),
    Action("show", "show what a bundle holds, who signed it, and whether it fits this machine", Show, add_show, run_show),
)
