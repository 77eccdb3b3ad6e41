"""Ansible, loaded once for all playbooks of a run: `python ansible_server.py`, a program of its own.

Each line of its input is the arguments of one `ansible-playbook`, as JSON; that plays in a fork of this process, which has all that takes
time to load, and its exit code is a line of the output. What it prints goes where errors go. The line `null` ends it.
"""

from __future__ import annotations

import atexit
import importlib
import json
import multiprocessing
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

#: What every playbook of ours loads, by the names under which Ansible looks for it. One that is missing is loaded when it is needed.
PRELOADED = (
    "ansible.cli.playbook", "ansible.plugins.strategy.linear", "ansible.plugins.connection.ssh", "ansible.plugins.connection.local",
    "ansible.plugins.become.sudo", "ansible.plugins.shell.sh", "ansible.plugins.callback.default", "ansible.plugins.cache.jsonfile",
    "ansible.plugins.inventory.yaml", "ansible.plugins.inventory.auto", "ansible.plugins.filter.core", "ansible.plugins.filter.mathstuff",
    "ansible.plugins.test.core", "ansible.plugins.action.normal", "ansible.plugins.action.template", "ansible.plugins.action.copy",
    "ansible.executor.module_common", "ansible.playbook.role_include", "ansible.playbook.included_file",
)


def play(arguments: Sequence[str]) -> None:
    """One playbook, in the process of its own that this is called in. Ends by SystemExit with Ansible's exit code."""
    # What the server cleans up in the end is not this process's to clean up.
    atexit._clear()
    os.dup2(2, 1)
    from ansible.cli.playbook import PlaybookCLI

    try:
        PlaybookCLI.cli_executor(["ansible-playbook", *arguments])
    finally:
        # A process that multiprocessing made ends without; mitogen's own processes are to end with it.
        atexit._run_exitfuncs()


def main() -> int:
    """Serve until the input ends."""
    for name in PRELOADED:
        with suppress(ImportError):
            importlib.import_module(name)
    forking = multiprocessing.get_context("fork")
    for line in sys.stdin.buffer:
        arguments = json.loads(line)
        if arguments is None:
            break
        process = forking.Process(target=play, args=(arguments,))
        process.start()
        process.join()
        os.write(1, b"%d\n" % (process.exitcode or 0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
