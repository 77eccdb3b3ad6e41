"""Terraform, or OpenTofu, in one folder. State, locks, backends and workspaces are its own: nothing here knows of them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from python_terraform import IsFlagged
from python_terraform import Terraform as Library

from provisioner.errors import ProvisionError, StepFailed, StoppedError, UsageError

#: Looked for on PATH, in this order.
PROGRAMS = ("terraform", "tofu")
#: Longest a command may take, in seconds; the resources' own timeouts are what normally ends one.
COMMAND_SECONDS = 7200.0
#: What a program that was asked to stop gets for ending what it has begun, and after a second request for saving its state.
STOP_SECONDS, LAST_SECONDS = 600.0, 30.0
#: Exit code of `plan -detailed-exitcode` when there is something to do.
CHANGES = 2


def find_binary(named: str | None) -> str:
    """The program to run: the one that was named, else the first of PROGRAMS. Raises UsageError when there is none."""
    for program in (named,) if named else PROGRAMS:
        found = shutil.which(program)
        if found:
            return str(Path(found).absolute())
    missing = named or " or ".join(PROGRAMS)
    raise UsageError(f"the program {missing} is not installed", hint="install Terraform or OpenTofu, or name its program with --binary")


class Terraform:
    """One root module. `variables` are `name=value`, as on Terraform's command line; `say` gets what the program prints, by line."""

    def __init__(self, directory: Path, variables: Sequence[str] = (), *, binary: str | None = None, say: Callable[[str], None],
                 seconds: float = COMMAND_SECONDS) -> None:
        if not any((*directory.glob("*.tf"), *directory.glob("*.tf.json"))):
            raise UsageError("no Terraform configuration found", where=str(directory),
                             hint="name a folder that holds *.tf files, for example: --dir terraform/lab")
        for text in variables:
            if not text.partition("=")[0] or "=" not in text:
                raise UsageError(f"--var {text!r} is not NAME=VALUE", hint="for example: --var agents=5")
        self.directory, self._variables, self._say, self._seconds = directory, list(variables), say, seconds
        self._binary = find_binary(binary)
        try:
            self._library = Library(working_dir=str(directory), terraform_bin_path=self._binary)
        except ValueError:  # it reads the state file at once
            raise UsageError("the state file is not JSON", where=str(directory / "terraform.tfstate"),
                             hint="restore it: Terraform keeps the one before in terraform.tfstate.backup") from None

    def init(self) -> None:
        """Fetch what the module needs and is not there yet; silent unless it fails. Raises StepFailed."""
        said: list[str] = []
        if self._run("init", said.append, input=False):
            raise self._failed("init", "\n" + "\n".join(said).strip())

    def plan(self, out: Path, line: Callable[[str], None], *, destroy: bool = False) -> bool:
        """Write what would be done to a file, and tell it by line; whether there is something to do. Raises StepFailed.

        With `destroy` everything in the state is to go.
        """
        code = self._run("plan", line, input=False, detailed_exitcode=IsFlagged, out=str(out), var=self._variables,
                         destroy=IsFlagged if destroy else None)
        if code not in (0, CHANGES):
            raise self._failed("plan")
        return code == CHANGES

    def planned(self, out: Path) -> dict[str, list[str]]:
        """The resources that a plan changes, by address, with Terraform's names of what is done to them."""
        changes = json.loads(self._ask("show", str(out), json=IsFlagged)).get("resource_changes", [])
        return {c["address"]: c["change"]["actions"] for c in changes if c["change"]["actions"] not in (["no-op"], ["read"])}

    def apply(self, plan: Path) -> None:
        """Do what a plan says. Raises StepFailed, StoppedError."""
        if self._run("apply", self._say, str(plan), input=False):
            raise self._failed("apply")

    def outputs(self) -> dict[str, Any]:
        """The outputs by name; none where nothing was applied. Raises StepFailed."""
        return {name: output["value"] for name, output in json.loads(self._ask("output", json=IsFlagged)).items()}

    def by_hand(self, command: str) -> str:
        """The same command for a shell."""
        words = [Path(self._binary).name, f"-chdir={self.directory}", command]
        return shlex.join([*words, *(f"-var={text}" for text in self._variables if command not in ("init", "output", "show"))])

    def _ask(self, command: str, *arguments: str, **options: object) -> str:
        """Standard output of a command that only reads."""
        code, out, complaint = self._library.cmd(command, *arguments, no_color=IsFlagged, **options)
        if code:
            raise self._failed(command, "\n" + str(complaint).strip())
        return str(out)

    def _run(self, command: str, line: Callable[[str], None], *arguments: str, **options: object) -> int:
        """Its exit code; what it says is handed over as it comes.

        The library builds the command but does not run it: it hands over nothing before the end, and Ctrl-C would leave a
        child behind. The child has a session of its own, so that the one signal it gets is ours.
        """
        words = self._library.generate_cmd_string(command, *arguments, no_color=IsFlagged, **options)
        with subprocess.Popen(words, cwd=self.directory, env=_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True) as child:
            reader = threading.Thread(target=_pass_on, args=(child, line), daemon=True)
            reader.start()
            try:
                return self._wait(child, command)
            finally:
                reader.join(LAST_SECONDS)

    def _wait(self, child: subprocess.Popen[str], command: str) -> int:
        error: ProvisionError
        try:
            return child.wait(self._seconds)
        except subprocess.TimeoutExpired:
            error = StepFailed(f"{self._named(command)} stopped after {self._seconds:.0f} s: it did not finish", where=str(self.directory),
                               hint=f"check what it was waiting for, then run it by hand: {self.by_hand(command)}")
        except KeyboardInterrupt:
            error = StoppedError(f"{self._named(command)} was stopped on request", where=str(self.directory),
                                 hint="the same command continues from the saved state")
        self._say(f"{self._named(command)} was asked to stop: it ends what it has begun and saves its state. "
                  "Ctrl-C again stops it at once, and what it is making now may get lost")
        _stop(child)
        raise error

    def _failed(self, command: str, said: str = "") -> StepFailed:
        """`said` is what the user has not seen yet."""
        return StepFailed(f"{self._named(command)} failed{':' if said else ', see above'}{said}", where=str(self.directory),
                          hint=f"correct the cause and run the same command again, or this one by hand: {self.by_hand(command)}")

    def _named(self, command: str) -> str:
        return f"{Path(self._binary).name} {command}"


def _environment() -> Mapping[str, str]:
    """A module that calls `provision` gets the one that runs; no advice to run further commands of Terraform."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}", "TF_IN_AUTOMATION": "1"}


def _pass_on(child: subprocess.Popen[str], line: Callable[[str], None]) -> None:
    for text in child.stdout or ():
        line(text.rstrip("\n"))


def _stop(child: subprocess.Popen[str]) -> None:
    """The first SIGINT lets it end in order, a second one is its own way to end at once with its state saved."""
    for seconds in (STOP_SECONDS, LAST_SECONDS):
        child.send_signal(signal.SIGINT)
        try:
            child.wait(seconds)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            continue
        return
    child.kill()
