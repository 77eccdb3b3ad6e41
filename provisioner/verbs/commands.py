"""What each command does: opens the context, calls the parts, prints. One function per command, named after it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.cli import given, open_context
from provisioner.cluster.names import host_list
from provisioner.components import AGENT, QUORUMS
from provisioner.context import Context
from provisioner.errors import StepFailed, UnreachableError, UsageError
from provisioner.inventory.find import installed
from provisioner.verbs import labs

if TYPE_CHECKING:
    from provisioner.run.engine import Result


def command_init(options: argparse.Namespace) -> int:
    """Write an annotated inventory."""
    from provisioner.console import Console
    from provisioner.inventory.starter import write_inventory

    path = write_inventory(Path(options.directory))
    Console().say(f"wrote {path}\nNext: put your hosts in it, then 'provision validate --hosts {path}' and 'provision up --hosts {path}'.")
    return 0


def command_validate(options: argparse.Namespace) -> int:
    """Check the inventory offline."""
    context = open_context(options)
    cluster = context.cluster
    context.rendered  # noqa: B018  # rendering finds what only the whole shows
    for warning in cluster.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    groups = ", ".join(f"{len(cluster.members(g))} {g}" for g in (*QUORUMS.values(), AGENT.name))
    sys.stdout.write(f"{context.path}: valid: cluster {cluster.name}, {len(cluster.hosts)} hosts ({groups})\n")
    return 0


def command_inventory(options: argparse.Namespace) -> int:
    """Print the rendered inventory."""
    from provisioner.inventory.render import to_json, to_yaml

    context = open_context(options)
    sys.stdout.write(to_json(context.rendered) if options.json else to_yaml(context.rendered))
    return 0


def command_preflight(options: argparse.Namespace) -> int:
    """Look at every host, change nothing."""
    from provisioner.console import Console
    from provisioner.hosts.host_keys import establish
    from provisioner.observe.preflight import preflight

    context, console = open_context(options), Console()
    establish(context.cluster, say=console.say, strict=options.strict)
    report = preflight(context.cluster, context.rendered, context.transport, hosts=context.limited(options.limit))
    if options.json:
        console.json(report.as_json())
    else:
        console.table("preflight", ("", "host", "check", "finding"), report.rows())
    return report.exit_code


def command_plan(options: argparse.Namespace) -> int:
    """What `up` would do, and why."""
    from provisioner.console import Console
    from provisioner.verbs.plan import Options, run_plan

    return run_plan(open_context(options), Console(), given(Options, options))


def command_up(options: argparse.Namespace) -> int:
    """Build the cluster, or bring it to what the inventory says."""
    from provisioner.console import Console
    from provisioner.verbs.up import Options, run_up

    console = Console()
    if options.lab:
        installed(labs()).ensure(options.lab, console.say)
    context = open_context(options)
    result = run_up(context, console, given(Options, options))
    if options.json:
        console.json(result.as_json())
    return _reached(result)


def command_upgrade(options: argparse.Namespace) -> int:
    """Bring up new versions."""
    from provisioner.console import Console
    from provisioner.verbs.upgrade import Options, run_upgrade

    console = Console()
    result = run_upgrade(open_context(options), console, given(Options, options))
    if options.json:
        console.json(result.as_json())
    return _reached(result)


def _reached(result: Result) -> int:
    """0; raises UnreachableError when hosts were left out."""
    if result.unreachable:
        raise UnreachableError(f"not reached: {host_list(sorted(result.unreachable))}; the other hosts are up to date",
                               hint="bring them back and run the same command again")
    return 0


def command_drain(options: argparse.Namespace) -> int:
    """Move everything off an agent."""
    from provisioner.console import Console
    from provisioner.verbs.drain import run_drain

    return _reached(run_drain(open_context(options), Console(), options))


def command_undrain(options: argparse.Namespace) -> int:
    """Let a drained agent take work again."""
    from provisioner.console import Console
    from provisioner.verbs.drain import run_undrain

    return _reached(run_undrain(open_context(options), Console(), options))


def command_restart(options: argparse.Namespace) -> int:
    """A component's units anew."""
    from provisioner.console import Console
    from provisioner.verbs.restart import run_restart

    return _reached(run_restart(open_context(options), Console(), options))


def command_repair(options: argparse.Namespace) -> int:
    """Get a new framework."""
    from provisioner.console import Console
    from provisioner.verbs.repair import run_repair

    return _reached(run_repair(open_context(options), Console(), options))


def command_remove(options: argparse.Namespace) -> int:
    """Take hosts out of the cluster."""
    from provisioner.console import Console
    from provisioner.verbs.remove import run_remove

    return _reached(run_remove(open_context(options), Console(), options))


def command_replace(options: argparse.Namespace) -> int:
    """Another machine in the place of one that is gone."""
    from provisioner.console import Console
    from provisioner.verbs.replace import run_replace

    return _reached(run_replace(open_context(options), Console(), options))


def command_reset(options: argparse.Namespace) -> int:
    """Take everything off every host."""
    from provisioner.console import Console
    from provisioner.verbs.reset import run_reset

    return _reached(run_reset(open_context(options), Console(), options))


def command_backup(options: argparse.Namespace) -> int:
    """Save what the cluster keeps; prints the file."""
    from provisioner.console import Console
    from provisioner.verbs.backup.run import run_backup

    sys.stdout.write(f"{run_backup(open_context(options), Console(), options)}\n")
    return 0


def command_restore(options: argparse.Namespace) -> int:
    """Put back what a backup holds."""
    from provisioner.console import Console
    from provisioner.verbs.backup.run import run_restore

    run_restore(open_context(options), Console(), options)
    return 0


def command_unlock(options: argparse.Namespace) -> int:
    """Who holds the lock; with --break it is taken from them."""
    from functools import partial

    from provisioner.hosts.remote_process import SshProcess
    from provisioner.run.lock import unlock

    context = open_context(options)
    cluster = context.cluster
    hold = partial(SshProcess, cluster)
    holders = unlock(cluster, hold, force=False)
    for host, text in holders.items():
        sys.stdout.write(f"{host}: {text}\n")
    if not holders:
        sys.stdout.write("nobody holds the lock\n")
    elif options.force:
        typed = options.yes or (input(f"Type the cluster's name ({cluster.name}) to break the lock: ") if sys.stdin.isatty() else "")
        if typed.strip() != cluster.name:
            raise UsageError("the lock was not broken: the name is not the cluster's", hint=f"--yes {cluster.name}")
        unlock(cluster, hold, force=True)
        sys.stdout.write("the lock is broken; what its holder was doing may be half done: the next 'provision up' completes it\n")
    return 0


def command_status(options: argparse.Namespace) -> int:
    """Who leads, who is in quorum, what is wrong."""
    from provisioner.observe.observation import observe
    from provisioner.observe.status import summarize

    context = open_context(options)
    status = summarize(context.cluster, observe(context.cluster, context.rendered, context.one_question, sections=("health",)))
    if options.json:
        import json

        sys.stdout.write(json.dumps(status.as_json()) + "\n")
    else:
        from provisioner.console import Console, status_rows

        console = Console()
        console.table(f"{context.cluster.name}: {'healthy' if status.healthy else 'NOT healthy'}",
                      ("component", "host", "state", "", "version", "detail"), status_rows(status.as_json()["components"]))
        for problem in status.problems:
            console.warn(problem)
    return 0 if status.healthy else StepFailed.exit_code


def command_verify(options: argparse.Namespace) -> int:
    """Prove end to end that the stack works."""
    from provisioner.console import Console
    from provisioner.verbs.verify import verify

    context, console = open_context(options), Console()
    report = verify(context.cluster, context.rendered, context.transport, console.say)
    if options.json:
        console.json(report.as_json())
    return 0 if report.ok else StepFailed.exit_code


def command_ssh(options: argparse.Namespace) -> int:
    """A shell, or one command, on one host."""
    from provisioner.verbs.remote import ssh

    context = open_context(options)
    return ssh(context.cluster, options.host, options.arguments)


def command_run(options: argparse.Namespace) -> int:
    """One command on all hosts, or on some."""
    from provisioner.verbs.remote import run

    context: Context = open_context(options)
    return run(context.cluster, options.text, context.limited(options.limit), become=options.sudo)


def command_infra(options: argparse.Namespace) -> int:
    """Machines from a provider."""
    from provisioner.console import Console
    from provisioner.verbs.infra.run import run_infra

    return run_infra(options, Console())
