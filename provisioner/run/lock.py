"""One operator at a time: a lock on every voter of the cluster, held by a process there as long as ours lives.

The kernel of each host keeps the lock (flock), so it is free the moment its holder's process ends: at once when our
connection breaks, and after SILENCE_SECONDS without a sign of life when nobody notices that it broke. No clock of any
machine is compared with another's. Two inventories of one cluster share at least one voter, and all take the voters in
the same order, so of two operators who start at once exactly one goes on.
"""

from __future__ import annotations

import base64
import getpass
import json
import os
import shlex
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from provisioner.cluster.model import Cluster, Host
from provisioner.cluster.names import no_answer
from provisioner.errors import LockedError, UnreachableError
from provisioner.hosts.failures import SshError, printable
from provisioner.hosts.remote_process import RemoteProcess, StartProcess
from provisioner.plan.make import voters

PATH = "/run/provisioner.lock"
SILENCE_SECONDS = 30.0
BEAT_SECONDS = 5.0
ANSWER_SECONDS = 20.0


class Lock:
    """Held from `acquire` to `release`; a context manager that releases."""

    def __init__(self, cluster: Cluster, start: StartProcess, doing: str) -> None:
        self._hosts = [h for h in cluster.hosts if h.name in voters(cluster)]
        self._start = start
        self._doing = doing
        self._held: dict[str, RemoteProcess] = {}
        self._over = threading.Event()
        self._beat = threading.Thread(target=self._live, daemon=True)
        self._guard = threading.Lock()

    def acquire(self) -> Self:
        """Take it on every voter that answers. Raises LockedError that says who holds it, and the SshError of a refused login."""
        try:
            for host in self._hosts:
                self._take(host)
        except BaseException:
            self.release()
            raise
        self._beat.start()
        return self

    def check(self, doing: str) -> None:
        """Still ours? Says what we do now, and takes it again where a host was rebooted. Raises LockedError when somebody else has it."""
        self._doing = doing
        with self._guard:
            for host in self._hosts:
                held = self._held.get(host.name)
                if held is not None and not held.alive():
                    held.close()
                    del self._held[host.name]
                    self._take(host)
            self._tell()

    def release(self) -> None:
        """Let go everywhere."""
        self._over.set()
        with self._guard:
            for held in self._held.values():
                held.close()
            self._held.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def _take(self, host: Host) -> None:
        try:
            held = self._start(host, keeper("hold", self._doing))
            answer = read(held)
        except SshError as error:
            if error.cause == "auth":  # the next host would refuse as well, and accounts get locked
                raise
            return  # the look at the hosts names it
        except UnreachableError:
            return
        if not answer["held"]:
            held.close()
            raise LockedError(f"somebody else is changing this cluster: {describe(answer['holder'])}", where=host.name,
                              hint="wait until it ends; if it never can, 'provision unlock --break'")
        self._held[host.name] = held

    def _live(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            with self._guard:
                self._tell()

    def _tell(self) -> None:
        for held in self._held.values():
            held.send(self._doing)


class Locks(NamedTuple):
    """Who holds the lock, by voter, and the voters that did not answer."""

    holders: dict[str, str]
    silent: tuple[str, ...]


def unlock(cluster: Cluster, start: StartProcess, *, force: bool) -> Locks:
    """Who holds the lock; with `force` it is taken from them.

    Raises UnreachableError when none answers: then nobody knows.
    """
    found, silent = dict[str, str](), dict[str, UnreachableError]()
    asked = [host for host in cluster.hosts if host.name in voters(cluster)]
    for host in asked:
        try:
            held = start(host, keeper("break" if force else "show", ""))
            answer = read(held)
        except UnreachableError as error:
            silent[host.name] = error
            continue
        held.close()
        if not answer["held"]:
            found[host.name] = describe(answer["holder"])
    if len(silent) == len(asked):
        first = silent[asked[0].name]
        raise UnreachableError(f"can't tell whether the cluster is locked: {no_answer(silent)}: {first.message}", hint=first.hint)
    return Locks(found, tuple(silent))


def keeper(mode: str, doing: str) -> str:
    """The shell command that takes, shows or breaks the lock on a host."""
    me = {"who": getpass.getuser(), "where": socket.gethostname(), "process": os.getpid(), "doing": doing}
    program = Path(__file__).with_name("lock_keeper.py").read_text()
    words = ["python3", "-IS", "-c", program, PATH, str(SILENCE_SECONDS), mode, base64.b64encode(json.dumps(me).encode()).decode()]
    return shlex.join(words)


def read(held: RemoteProcess) -> dict[str, Any]:
    """The keeper's answer. Raises SshError when it makes no sense."""
    text = held.line(ANSWER_SECONDS)
    try:
        answer = json.loads(text)
        return {"held": bool(answer["held"]), "holder": dict(answer["holder"])}
    except (ValueError, KeyError, TypeError):
        raise SshError("output", f"the keeper of the lock answered {text[:80]!r}", hint="does the host have Python 3?") from None


def describe(holder: Mapping[str, Any]) -> str:
    """Who, where, since when, doing what; hosts are not trusted, so control characters are left out."""
    text = (f"{holder.get('who', '?')} on {holder.get('where', '?')} (process {holder.get('process', '?')}), "
            f"for {holder.get('seconds', '?')} s, {holder.get('doing') or 'reporting no step'}")
    return printable(text[:500].encode("utf-8", "replace"))
