"""The questions that are asked before something is changed."""

from __future__ import annotations

import shlex
import sys

from provisioner.errors import UsageError


def confirm(question: str, *, yes: bool) -> None:
    """Ask the user at the terminal, unless `yes`. Raises UsageError when they do not agree; without a terminal nobody is asked."""
    if yes or not sys.stdin.isatty():
        return
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was changed: not confirmed", hint="answer y, or pass --yes")


def refuse_unasked(typed: str, name: str) -> None:
    """UsageError at once where nobody can be asked and the name was not given: the hosts need not be looked at for that."""
    if typed or not sys.stdin.isatty():
        _agree(typed, name)


def confirm_by_name(typed: str, name: str, consequence: str) -> None:
    """Confirm what can't be undone by typing a name, or by giving it as --yes NAME. Raises UsageError."""
    _agree(typed or (input(f"{consequence} Type {name} to continue: ") if sys.stdin.isatty() else ""), name)


def _agree(typed: str, name: str) -> None:
    if typed.strip() != name:
        raise UsageError(f"nothing was changed: {name} was not typed", hint=f"--yes {shlex.quote(name)}")
