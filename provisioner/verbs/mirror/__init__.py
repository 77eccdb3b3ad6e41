"""`provision mirror ACTION`: a folder with all that a cluster is made of, for hosts that have no Internet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.verbs import Action
from provisioner.verbs.shared.arguments import add_yes

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context

_FAULTS = {5: "something did not come, or is not as it is locked"}
_EPILOG = """\
Examples:
  provision lock && provision mirror pull /srv/mirror     # what the inventory needs; again to continue
  provision mirror check /srv/mirror                      # read all of it again"""
_ADDING = """\
Examples:
  provision mirror add /srv/mirror aventer-mesos_1.11.0-0.9.0_amd64.deb
  docker save -o registrator.tar registrator:7.4.0 && provision mirror add /srv/mirror registrator.tar
Then: provision lock, which adds what packages depend on, and provision mirror pull."""
_SERVING = """\
Examples:
  provision mirror serve /srv/mirror                          # files at port 8080, images at port 5000
  provision mirror serve /srv/mirror --listen 10.0.0.5:80     # on one address"""


@dataclass(frozen=True)
class Pull:
    """The options of `mirror pull`."""

    dir: str
    make: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()


@dataclass(frozen=True)
class Add:
    """The options of `mirror add`."""

    dir: str
    files: tuple[str, ...]
    system: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """The options of `mirror check`."""

    dir: str


@dataclass(frozen=True)
class Prune:
    """The options of `mirror prune`."""

    dir: str
    yes: bool = False


@dataclass(frozen=True)
class Serve:
    """The options of `mirror serve`."""

    dir: str
    listen: str = ""
    registry_port: int = 5000
    certificate: str = ""
    key: str = ""


def add_pull(parser: argparse.ArgumentParser) -> None:
    """The arguments of `mirror pull`."""
    parser.add_argument("dir", metavar="DIR", help="the mirror's folder; it is made if need be")
    parser.add_argument("--make", action="append", default=[], metavar="COMPONENT",
                        help="make what nobody serves of this component, for evaluation, and lock it (repeatable): mesos")
    parser.add_argument("--from", dest="origin", action="append", default=[], metavar="LINE",
                        help="with --make: take what it depends on from this one-line apt source (repeatable)")


def add_add(parser: argparse.ArgumentParser) -> None:
    """The arguments of `mirror add`."""
    parser.add_argument("dir", metavar="DIR", help="the mirror's folder; it is made if need be")
    parser.add_argument("files", metavar="FILE", nargs="+", help="a Debian package, a saved image, or an archive under its vendor's name")
    parser.add_argument("--system", action="append", default=[], metavar="SYSTEM",
                        help="without a lock: for this system, such as debian12/amd64, instead of those of the hosts (repeatable)")


def add_check(parser: argparse.ArgumentParser) -> None:
    """The arguments of `mirror check`."""
    parser.add_argument("dir", metavar="DIR", help="the mirror's folder")


def add_prune(parser: argparse.ArgumentParser) -> None:
    """The arguments of `mirror prune`."""
    parser.add_argument("dir", metavar="DIR", help="the mirror's folder")
    add_yes(parser, "removing files")


def add_serve(parser: argparse.ArgumentParser) -> None:
    """The arguments of `mirror serve`."""
    parser.add_argument("dir", metavar="DIR", help="the mirror's folder")
    parser.add_argument("--listen", default="", metavar="ADDRESS:PORT", help="where files are served (default: all addresses, port 8080)")
    parser.add_argument("--registry-port", type=int, default=5000, metavar="PORT", help="where images are served (default: %(default)s)")
    parser.add_argument("--certificate", default="", metavar="FILE", help="serve by HTTPS with this certificate (PEM), and --key")
    parser.add_argument("--key", default="", metavar="FILE", help="the certificate's key (PEM)")


def run_pull(context: Context, console: Console, options: Pull) -> int:
    """Fill the mirror."""
    from provisioner.verbs.mirror.work import pull

    return pull(context, console, options)


def run_add(context: Context, console: Console, options: Add) -> int:
    """Take files into the mirror."""
    from provisioner.verbs.mirror.add import add

    return add(context, console, options)


def run_check(console: Console, options: Check) -> int:
    """Read the mirror again."""
    from provisioner.verbs.mirror.work import check

    return check(console, options)


def run_prune(console: Console, options: Prune) -> int:
    """Remove what is no longer needed."""
    from provisioner.verbs.mirror.work import prune

    return prune(console, options)


def run_serve(console: Console, options: Serve) -> int:
    """Serve until it is interrupted."""
    from provisioner.verbs.mirror.work import serve

    return serve(console, options)


ACTIONS = (
    Action("pull", "download all that provision.lock names, verified; again to continue", Pull, add_pull, run_pull, inventory=True,
           epilog=_EPILOG, codes=_FAULTS),
    Action("add", "take files that nobody serves into it, and into provision.lock", Add, add_add, run_add, inventory=True,
           epilog=_ADDING, codes={5: "a file was refused, and nothing of it was taken"}),
    Action("check", "verify every file, index and signature again; exit 5 if one is wrong", Check, add_check, run_check, codes=_FAULTS),
    Action("serve", "serve it to hosts until interrupted, read-only", Serve, add_serve, run_serve, epilog=_SERVING),
    Action("prune", "remove what the mirror's lock no longer names", Prune, add_prune, run_prune),
)
