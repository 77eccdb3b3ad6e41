"""The one error tree. Every error says what is wrong, where, and what to do next; users never see a traceback."""

from __future__ import annotations


class ProvisionError(Exception):
    """Something a user can act on.

    `message` says what is wrong, `where` names the file, line or host, `hint` what to do next.
    The exit code of the command is the class's `exit_code`.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        self.message = message
        self.where = where
        self.hint = hint
        super().__init__(message)

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n→ {self.hint}" if self.hint else text


class UsageError(ProvisionError):
    """The command line or the machine the command runs on is not as it must be."""

    exit_code = 2


class InventoryError(ProvisionError):
    """The inventory, or what is kept beside it, is wrong."""

    exit_code = 3


class UnreachableError(ProvisionError):
    """A host could not be reached, or could not be trusted."""

    exit_code = 4


class StepFailed(ProvisionError):
    """A step was tried on a host and did not succeed."""

    exit_code = 5


class LockedError(ProvisionError):
    """Somebody else is changing this cluster."""

    exit_code = 6


class StoppedError(ProvisionError):
    """Somebody asked the run to stop, and it did so between two steps."""

    exit_code = 130
