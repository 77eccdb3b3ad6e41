"""The command line: what each command takes. What it does is in `commands.py`, imported only when it runs."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from provisioner import __version__
from provisioner.errors import ProvisionError, UsageError

DESCRIPTION = """\
Turns a list of machines into a working ZooKeeper, Mesos, Marathon, Chronos, Consul, Registrator, Docker and Logstash
cluster, and keeps it so. The same command builds it, completes it and proves that nothing needs doing."""

EPILOG = """\
Which inventory: --hosts, else $PROVISION_HOSTS, else ./inventory.yml, else that of the running default lab.
Exit codes: 0 done, 1 unexpected, 2 usage, 3 inventory, 4 unreachable, 5 a step failed, 6 locked, 130 stopped by Ctrl-C."""

#: Conventional exit code of a program that Ctrl-C ended.
INTERRUPTED = 130


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
    remove.set_defaults(only=[], limit=None, full=False, strict=False, json=False, plan=None, any_version=False)

    replace = _batch(_command(commands, "replace", "another machine in the place of one that is gone: new key, same name and ids"))
    replace.add_argument("host", metavar="HOST")
    replace.add_argument("--yes", metavar="NAME", default="", help="the host's name, instead of being asked for it")
    replace.set_defaults(only=[], limit=None, full=False, strict=False, json=False, plan=None, any_version=False)

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

    _lab(commands)
    _infra(commands)
    return top


def _lab(commands: argparse._SubParsersAction[_Parser]) -> None:
    lab = commands.add_parser("lab", help="machines on the spot: containers with systemd and sshd on this machine")
    actions = lab.add_subparsers(dest="action", metavar="ACTION", required=True)
    up = actions.add_parser("up", help="make the lab, or complete it")
    up.add_argument("--masters", type=int, default=None, metavar="N", help="hosts m1..mN (default 3)")
    up.add_argument("--agents", type=int, default=None, metavar="N", help="hosts a1..aN (default 2)")
    up.add_argument("--os", metavar="OS", help="operating system of the hosts (default debian12)")
    up.add_argument("--artifacts", metavar="DIR", help="DIR/deb/*.deb and DIR/images/*.tar replace the stand-ins of the same name")
    up.add_argument("--backend", metavar="BACKEND", help="who makes the hosts: docker or vagrant (default docker)")
    down = actions.add_parser("down", help="throw the lab away")
    down.add_argument("--ignore-missing", action="store_true", help="it is well when there is no such lab any more")
    snapshot = actions.add_parser("snapshot", help="keep a lab as it is, hosts and cluster; its hosts stop for that and start again")
    snapshot.add_argument("snapshot", metavar="SNAPSHOT", help="the name to keep it under")
    snapshot.add_argument("--replace", action="store_true", help="in the place of the one that has this name")
    for action in (up, snapshot, down, actions.add_parser("status", help="what runs of a lab")):
        action.add_argument("--name", default="default", metavar="N", help="which lab (default: default)")
    actions.add_parser("list", help="all labs on this machine")
    restore = actions.add_parser("restore", help="start a lab from a snapshot: the same cluster, at the same addresses")
    restore.add_argument("snapshot", metavar="SNAPSHOT")
    restore.add_argument("--name", default="", metavar="N", help="what the lab is to be called (default: as it was)")
    kept = actions.add_parser("snapshots", help="all snapshots on this machine, and what they take")
    kept.add_argument("--remove", metavar="SNAPSHOT", help="remove this one")
    machines = actions.add_parser("vagrantfile", help="print a Vagrantfile of virtual machines for an inventory", epilog=EPILOG,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    machines.add_argument("--hosts", metavar="FILE", help="the inventory")
    machines.add_argument("--provider", default="virtualbox", metavar="NAME", help="virtualbox or libvirt (default virtualbox)")
    machines.add_argument("--box", default="debian/bookworm64", help="what the machines start from (default debian/bookworm64)")
    for role, who in (("master", "every other host"), ("agent", "a host with a Mesos agent")):
        machines.add_argument(f"--{role}-memory", type=int, default=2048, metavar="MIB", help=f"memory of {who} in MiB (default 2048)")
        machines.add_argument(f"--{role}-cpus", type=int, default=2, metavar="N", help=f"virtual processors of {who} (default 2)")
    machines.set_defaults(lab=None)


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
        source = command.add_mutually_exclusive_group()
        source.add_argument("--hosts", metavar="FILE", help="the inventory")
        source.add_argument("--lab", nargs="?", const="default", metavar="NAME",
                            help="the hosts of a lab on this machine ('up' makes it when it is not there)")
    return command


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
