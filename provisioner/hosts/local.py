"""This machine itself as a host of its cluster: the same commands by the same shell, without SSH."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable

from provisioner.cluster.model import Host
from provisioner.hosts.failures import become_failure
from provisioner.hosts.login import login
from provisioner.hosts.openssh import MAX_OUTPUT, Completed, overdue, too_much
from provisioner.hosts.process import DeadlineError, OutputTooLargeError, run_bounded
from provisioner.hosts.sudo import as_root

#: Where programs are looked for: those of the system, never those of the virtual environment that this program may run in.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Local:
    """A Transport to the machine that this program runs on."""

    def run(self, host: Host, command: str, stdin: bytes = b"", *, become: bool = False, timeout: float = 60.0,
            line: Callable[[bytes], None] | None = None) -> Completed:
        """See Transport."""
        found, began = login(host), time.monotonic()
        if become:
            command, stdin = as_root(command, stdin, found.become_password, found.sudo)
        try:
            code, stdout, stderr = run_bounded(words(command), stdin, environment(), timeout=timeout, limit=MAX_OUTPUT, line=line)
        except DeadlineError:
            raise overdue(host, found, timeout) from None
        except OutputTooLargeError:
            raise too_much(host, found) from None
        wrong = become_failure(host, found, stderr) if become and code else None
        if wrong:
            raise wrong
        return Completed(code, stdout, stderr, time.monotonic() - began)


def words(command: str) -> list[str]:
    """A shell command as sshd would start it: in the home directory."""
    return ["/bin/sh", "-c", f"cd; {command}"]


def environment() -> dict[str, str]:
    """What a login over SSH would find, and nothing of this process's own environment."""
    account = pwd.getpwuid(os.geteuid())
    return {"PATH": PATH, "HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name, "SHELL": account.pw_shell,
            "LC_ALL": "C.UTF-8"}
