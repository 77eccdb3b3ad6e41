"""The command line: what each command takes. What it does is in `commands.py`, imported only when it runs."""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from provisioner import __version__
from provisioner.errors import ProvisionError, UsageError
from provisioner.extensions import load
from provisioner.verbs import Action, Verb, added, labs

if TYPE_CHECKING:
    from provisioner.context import Context

DESCRIPTION = """\
Turns a list of machines into a working ZooKeeper, Mesos, Marathon, Chronos, Consul, Registrator, Docker and Logstash
cluster, and keeps it so. The same command builds it, completes it and proves that nothing needs doing."""

EPILOG = """\
Which inventory: --hosts, else $PROVISION_HOSTS, else ./inventory.yml, else that of the running default lab.
Exit codes: 0 done, 1 unexpected, 2 usage, 3 inventory, 4 unreachable, 5 a step failed, 6 locked, 130 stopped by Ctrl-C."""

#: Conventional exit code of a program that Ctrl-C ended.
INTERRUPTED = 130


T = TypeVar("T")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # ours raises, argparse's exits
        raise UsageError(message, hint=f"{self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(prog="provision", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--version", action="version", version=f"provision {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    init = _command(commands, "init", "write an annotated inventory.yml", inventory=False)
    init.add_argument("directory", nargs="?", default=".", metavar="DIR", help="where to write it (default: here)")
    _command(commands, "validate", "check the inventory without touching any host")
    inventory = _command(commands, "inventory", "print the rendered Ansible inventory")
    inventory.add_argument("--json", action="store_true", help="as JSON instead of YAML")

    _strict(_limit(_json(_command(commands, "preflight", "look at every host before anything is changed"))))
    plan = _steps(_strict(_limit(_json(_command(commands, "plan", "what 'up' would do, and why; changes nothing")))))
    plan.add_argument("--diff", action="store_true", help="also what would change in which file (secrets left out); takes as long as a run")
    plan.add_argument("--detailed-exitcode", action="store_true", help="exit 2 when there is something to do")
    plan.add_argument("--out", metavar="FILE", help="keep the plan, for 'up --plan FILE'")
    up = _steps(_strict(_limit(_json(_command(commands, "up", "build the cluster, or bring it to what the inventory says")))))
    up.add_argument("--plan", metavar="FILE", help="do exactly what 'plan --out FILE' wrote, or nothing")
    up.add_argument("--yes", action="store_true", help="do not ask before the first change")
    upgrade = _steps(_strict(_limit(_json(_command(commands, "upgrade", "'up' to new versions: a backup first, pauses where you ask")))))
    upgrade.add_argument("--pause-after", metavar="COMPONENT", help="stop when this component is done; the same command goes on")
    upgrade.add_argument("--no-backup", action="store_true", help="do not back up first")
    upgrade.add_argument("--yes", action="store_true", help="do not ask before the first change")

    drain = _command(commands, "drain", "move everything off an agent; it takes no work until 'undrain'")
    drain.add_argument("host", metavar="HOST")
    drain.add_argument("--force", action="store_true", help="also when the other agents lack resources for what runs there")
    _command(commands, "undrain", "let a drained agent take work again").add_argument("host", metavar="HOST")
    restart = _batch(_limit(_command(commands, "restart", "a component's units anew, one voter at a time, the leader last")))
    restart.add_argument("component", metavar="COMPONENT")
    restart.add_argument("--yes", action="store_true", help="do not ask before the first restart")
    repair = _command(commands, "repair", "get a new framework for Marathon or Chronos when Mesos has removed theirs")
    repair.add_argument("component", metavar="COMPONENT", help="marathon or chronos")
    repair.add_argument("--yes", metavar="NAME", default="", help="the cluster's name, instead of being asked for it")
    remove = _batch(_command(commands, "remove", "take hosts out: drained, out of every membership, cleaned, out of the inventory"))
    remove.add_argument("names", metavar="HOST", nargs="+")
    remove.add_argument("--lost", action="store_true", help="those that do not answer are gone for good and never start again")
    remove.add_argument("--yes", metavar="NAMES", default="", help="the hosts' names in one word, instead of being asked for them")

    replace = _batch(_command(commands, "replace", "another machine in the place of one that is gone: new key, same name and ids"))
    replace.add_argument("host", metavar="HOST")
    replace.add_argument("--yes", metavar="NAME", default="", help="the host's name, instead of being asked for it")

    reset = _command(commands, "reset", "take everything off every host; inventory, ledger and secrets stay")
    reset.add_argument("--data", action="store_true", help="also what ZooKeeper, Consul, Mesos, Docker and Logstash have stored")
    reset.add_argument("--lost", action="store_true", help="leave hosts that do not answer as they are")
    reset.add_argument("--yes", metavar="NAME", default="", help="the cluster's name, instead of being asked for it")

    backup = _command(commands, "backup", "save ZooKeeper's nodes, Consul, apps, jobs, ledger and secrets in one file")
    backup.add_argument("--out", metavar="FILE", help="where to (default: beside the cluster's ledger)")
    restore = _command(commands, "restore", "put what a backup holds into this cluster, or its identity beside a fresh inventory")
    restore.add_argument("file", metavar="FILE")
    restore.add_argument("--identity", action="store_true", help="only ledger and secrets, before the cluster is built anew with 'up'")
    restore.add_argument("--yes", metavar="NAME", default="", help="the cluster's name, instead of being asked for it")

    unlock = _command(commands, "unlock", "show who is changing the cluster; once you are sure that nobody is, break the lock")
    unlock.add_argument("--break", action="store_true", dest="force", help="end the holder's hold; asks for the cluster's name")
    unlock.add_argument("--yes", metavar="NAME", default="", help="the cluster's name, instead of being asked for it")

    _json(_command(commands, "status", "who leads, who is in quorum, what is wrong; exit 0 only when all is well"))
    _json(_command(commands, "verify", "prove end to end that the stack works, and clean up"))

    ssh = _command(commands, "ssh", "a shell, or one command, on one host")
    ssh.add_argument("host", metavar="HOST")
    ssh.add_argument("arguments", nargs=argparse.REMAINDER, metavar="COMMAND", help="run this instead of a shell")
    run = _limit(_command(commands, "run", "one command on all hosts, or on some, side by side"))
    run.add_argument("text", metavar="COMMAND", help="a shell command, quoted")
    run.add_argument("--sudo", action="store_true", help="run it as root")

    for verb in added().values():
        _added(commands, verb)
    _infra(commands)
    return top


def _added(commands: argparse._SubParsersAction[_Parser], verb: Verb) -> None:
    """A verb of another distribution."""
    module: Any = load(verb.module)
    below = commands.add_parser(verb.name, help=verb.help).add_subparsers(dest="action", metavar="ACTION", required=True)
    for action in module.ACTIONS:
        parser = below.add_parser(action.name, help=action.help, epilog=action.epilog or (EPILOG if action.inventory else None),
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
        if action.inventory:
            _source(parser)
        action.add_arguments(parser)
        parser.set_defaults(added=action)


def _do(action: Action, options: argparse.Namespace) -> int:
    """One action of a verb of another distribution."""
    from provisioner.console import Console

    context = (open_context(options),) if action.inventory else ()
    return action.run(*context, Console(), given(action.options, options))


def given(kind: type[T], parsed: argparse.Namespace) -> T:
    """The options of a verb, which are a dataclass with a field for each argument."""
    values = {field.name: getattr(parsed, field.name) for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def open_context(options: argparse.Namespace) -> Context:
    """The context of a command; says on stderr which inventory is used."""
    from provisioner.context import Context
    from provisioner.inventory.find import find_inventory

    path = find_inventory(options.hosts, options.lab, labs)
    # Not through the console: this is on the path of commands that answer faster than its library loads.
    sys.stderr.write(f"inventory: {path}\n")
    return Context(path)


def _infra(commands: argparse._SubParsersAction[_Parser]) -> None:
    infra = commands.add_parser("infra", help="machines from a provider, by Terraform or OpenTofu, and their inventory")
    actions = infra.add_subparsers(dest="action", metavar="ACTION", required=True)
    plan = _json(actions.add_parser("plan", help="what Terraform would do"))
    plan.add_argument("--detailed-exitcode", action="store_true", help="exit 2 when there is something to do")
    up = _json(actions.add_parser("up", help="make the machines, write the inventory, wait for SSH; again: goes on"))
    up.add_argument("--wait", type=float, default=300.0, metavar="SECONDS", help="how long to wait for SSH on all of them (default 300)")
    up.add_argument("--yes", action="store_true", help="do not ask before Terraform's first change")
    down = actions.add_parser("down", help="destroy the machines, and take them out of the inventory")
    down.add_argument("--yes", metavar="NAME", default="", help="the cluster's name, instead of being asked for it")
    show = _json(actions.add_parser("show", help="the machines, and whether each answers; exit 4 when one does not"))
    for action in (plan, up, down, show):
        action.add_argument("--dir", default=".", metavar="DIR", help="Terraform's root module (default: here)")
        action.add_argument("--var", action="append", default=[], metavar="NAME=VALUE", help="a variable of the module (may be repeated)")
        action.add_argument("--hosts", metavar="FILE", help="the inventory (default: $PROVISION_HOSTS, else ./inventory.yml)")
        action.add_argument("--binary", metavar="PROGRAM", help="the program to run (default: terraform, else tofu)")


def _command(commands: argparse._SubParsersAction[_Parser], name: str, text: str,
             *, inventory: bool = True) -> _Parser:
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", epilog=EPILOG if inventory else None,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    if inventory:
        _source(command)
    return command


def _source(command: _Parser) -> None:
    source = command.add_mutually_exclusive_group()
    source.add_argument("--hosts", metavar="FILE", help="the inventory")
    source.add_argument("--lab", nargs="?", const="default", metavar="NAME",
                        help="the hosts of a lab on this machine ('up' makes it when it is not there)")


def _json(command: _Parser) -> _Parser:
    command.add_argument("--json", action="store_true", help="the result as one JSON object on stdout")
    return command


def _steps(command: _Parser) -> _Parser:
    command.add_argument("--only", metavar="COMPONENT", action="append", default=[], help="only this component (may be repeated)")
    command.add_argument("--full", action="store_true", help="run every role, also where nothing differs from what was applied")
    command.add_argument("--any-version", action="store_true", help="also a change of version that is known to lose data or to fail")
    return _batch(command)


def _batch(command: _Parser) -> _Parser:
    command.add_argument("--batch", metavar="N", default="20%", help="agents at a time, a number or a share (default 20%%)")
    return command


def _limit(command: _Parser) -> _Parser:
    command.add_argument("--limit", metavar="HOSTS", help="only these hosts or groups, separated by commas")
    return command


def _strict(command: _Parser) -> _Parser:
    command.add_argument("--strict", action="store_true", help="refuse hosts whose key is not known yet")
    return command


def write_report(error: BaseException) -> Path:
    """Write the traceback and the command into a file of its own (0600) and return its path."""
    import tempfile
    import traceback

    descriptor, name = tempfile.mkstemp(prefix="provision-report-", suffix=".txt")
    with os.fdopen(descriptor, "w") as report:
        report.write(f"provision {__version__}, Python {sys.version}\n{sys.argv}\n\n")
        report.write("".join(traceback.format_exception(error)))
    return Path(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Every error is printed as what, where and what to do next."""
    for ended in (signal.SIGTERM, signal.SIGHUP):  # from outside, or because the terminal is gone: like by Ctrl-C, children go with us
        if signal.getsignal(ended) is not signal.SIG_IGN:  # nohup: it is to go on without a terminal
            signal.signal(ended, signal.default_int_handler)
    try:
        options = parser().parse_args(arguments)
        if "added" in options:
            return _do(options.added, options)
        from provisioner.verbs import commands

        handler: Callable[[argparse.Namespace], int] = getattr(commands, f"command_{options.command}")
        return handler(options)
    except ProvisionError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:  # the user gets a path, not a traceback
        sys.stderr.write(f"error: unexpected {type(error).__name__}: {error}\n→ please report it with {write_report(error)}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
