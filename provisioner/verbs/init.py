"""`provision init`: an annotated inventory to start from."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.inventory.by_ansible import Vault


EPILOG = """\
Examples:
  provision init mycluster && $EDITOR mycluster/inventory.yml
  provision init --from hosts.ini
  provision init --local && provision up"""


@dataclass(frozen=True)
class Options:
    """The options of `init`: where to write it, whether it is for this machine alone; or whose inventory to show the way from."""

    directory: str = "."
    local: bool = False
    from_: str | None = None
    vault_password_file: tuple[str, ...] = ()
    ask_vault_pass: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    parser.add_argument("directory", nargs="?", default=".", metavar="DIR", help="where to write it (default: here)")
    parser.add_argument("--local", action="store_true", help="one for this machine alone, reached without SSH")
    parser.add_argument("--from", dest="from_", metavar="PATH",
                        help="write nothing: show which groups of an existing inventory would be what, and the lines to add to it")
    parser.add_argument("--vault-password-file", metavar="FILE", action="append", default=[], help="opens vaults in it (repeatable)")
    parser.add_argument("--ask-vault-pass", action="store_true", help="ask for the password of vaults in it")


def run(console: Console, options: Options) -> int:
    """Write it. Raises UsageError where there is one already."""
    from provisioner.errors import UsageError
    from provisioner.inventory.by_ansible import Vault

    if options.from_ is not None:
        if options.local:
            raise UsageError("--from and --local are two ways to begin", hint="name one of them")
        return _show(console, Path(options.from_), Vault(options.vault_password_file, ask=options.ask_vault_pass))
    from provisioner.inventory.starter import write_inventory

    path = write_inventory(Path(options.directory), "this-machine" if options.local else "example")
    name, first = shlex.quote(str(path)), "" if options.local else "add your hosts, then "
    console.say(f"wrote {path}\nNext: {first}'provision validate --hosts {name}' and 'provision up --hosts {name}'.")
    return 0


def _show(console: Console, path: Path, vault: Vault) -> int:
    """How an inventory maps. Raises InventoryError where it can't be read."""
    from provisioner.inventory import move
    from provisioner.inventory.load import describe
    from provisioner.inventory.schema import load_schema
    from provisioner.state.problems import Problems

    described = describe(path, load_schema(), Problems(str(path)), vault=vault)
    rows = move.mapped(described)
    console.table(f"groups of {path}", ("group", "hosts", "becomes", "why"),
                  [(r.group, str(r.hosts), r.becomes or "-", r.why) for r in rows])
    if alone := move.without_group(described):
        console.say(f"in no group: {', '.join(alone)}")
    added = move.lines(rows, ini=path.suffix not in (".yml", ".yaml", ".json"))
    if added:
        console.say("Add to the inventory (or to a second file in one directory with it, its group_vars and its host_vars), and correct "
                    "what was guessed wrong:\n")
        console.write(added)
    words = ["--hosts", str(path), *(word for file in vault.password_files for word in ("--vault-password-file", file)),
             *(["--ask-vault-pass"] if vault.ask else [])]
    console.say(f"Next: 'provision validate {shlex.join(words)}'.")
    return 0
