"""Ansible, loaded once for all playbooks of a run: `python ansible_server.py`, a program of its own.

Each line of its input asks for one `ansible-playbook`, as JSON: its `id`, its `arguments`, what its `environment` has besides ours, and the
`log` that gets what it prints. It plays in a fork of this process, which has all that takes time to load, beside others that still play;
when it is over, its id and its exit code are a line of the output. The line `null` ends it when nothing plays any more.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import multiprocessing
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

#: What every playbook of ours loads, by the names under which Ansible looks for it. One that is missing is loaded when it is needed.
PRELOADED = (
    "ansible.cli.playbook", "ansible.plugins.filter.core", "ansible.plugins.filter.mathstuff", "ansible.plugins.test.core",
    "ansible.plugins.action.normal", "ansible.plugins.action.template", "ansible.plugins.action.copy", "ansible.executor.module_common",
    "ansible.playbook.role_include", "ansible.playbook.included_file",
)
#: Plugins of ours whose options are read from the documentation in them, which takes Ansible longer than loading them, by kind.
PLUGINS = {"connection": ("ssh", "local"), "become": ("sudo",), "shell": ("sh",), "strategy": ("linear",), "cache": ("jsonfile",)}
#: Of these Ansible loads all there are, for every playbook.
WHOLE_KINDS = ("callback", "inventory", "vars")

INPUT, OUTPUT, ERRORS = 0, 1, 2


def play(arguments: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    """One playbook, in the process of its own that this is called in. Ends by SystemExit with Ansible's exit code."""
    # What the server cleans up in the end is not this process's to clean up.
    atexit._clear()
    os.environ.update(environment)
    printed = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for place in (OUTPUT, ERRORS):
        os.dup2(printed, place)
    from ansible.cli.playbook import PlaybookCLI

    try:
        PlaybookCLI.cli_executor(["ansible-playbook", *arguments])
    finally:
        # A process that multiprocessing made ends without; mitogen's own processes are to end with it.
        atexit._run_exitfuncs()


class Server:
    """Plays what its input asks for."""

    def __init__(self) -> None:
        self._playing: dict[int, tuple[int, BaseProcess]] = {}  # by what becomes ready when it is over
        self._forking = multiprocessing.get_context("fork")
        self._open, self._read = True, b""

    def serve(self) -> None:
        """Until the input ends and nothing plays."""
        while self._open or self._playing:
            ready = wait([*([INPUT] if self._open else []), *self._playing])
            for place in ready:
                if place == INPUT:
                    self._begin(self._asked())
                elif isinstance(place, int):
                    number, process = self._playing.pop(place)
                    process.join()
                    os.write(OUTPUT, b"%d %d\n" % (number, process.exitcode or 0))

    def _asked(self) -> Iterator[Any]:
        data = os.read(INPUT, 1 << 16)
        self._open = bool(data)
        *lines, self._read = (self._read + data).split(b"\n")
        yield from map(json.loads, lines)

    def _begin(self, asked: Iterator[Any]) -> None:
        for one in asked:
            if one is None:
                self._open = False
                return
            process = self._forking.Process(target=play, args=(one["arguments"], one["environment"], one["log"]))
            process.start()
            self._playing[process.sentinel] = (one["id"], process)


def load() -> None:
    """Whatever fails here fails again in the playbook that needs it, which says so in its log."""
    for name in PRELOADED:
        with suppress(ImportError):
            importlib.import_module(name)
    from ansible.plugins import loader

    # Each playbook does this for itself, too, and would be warned that it was done.
    warnings.filterwarnings("ignore", message="AnsibleCollectionFinder has already been configured")
    with suppress(Exception):
        loader.init_plugin_loader()
        # What became of each plugin that Ansible ever had: 9,000 lines of YAML, for the first plugin that is looked for.
        importlib.import_module("ansible_collections.ansible.builtin")
        for kind in WHOLE_KINDS:
            list(getattr(loader, f"{kind}_loader").all(class_only=True))
        for kind, names in PLUGINS.items():
            for name in names:
                getattr(loader, f"{kind}_loader").get(name, class_only=True)
    # A collection of garbage would write to, and so copy, every page that the forks have in common.
    gc.freeze()


def main() -> int:
    """Serve until the input ends."""
    load()
    Server().serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
