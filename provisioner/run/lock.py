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
from types import TracebackType
from typing import Any, Self

from provisioner.cluster.model import Cluster, Host
from provisioner.errors import LockedError, UnreachableError
from provisioner.hosts.failures import SshError, printable
from provisioner.hosts.remote_process import RemoteProcess, StartProcess
from provisioner.plan.make import voters

PATH = "/run/provisioner.lock"
SILENCE_SECONDS = 30.0
BEAT_SECONDS = 5.0
ANSWER_SECONDS = 20.0

# Python 3.6 on the host. Prints one JSON line: {"held": true}, or {"held": false} with what the holder wrote about itself.
# /run is emptied by a reboot, and `since` is the host's monotonic clock, which only this host reads again.
_KEEPER = """
import base64, fcntl, json, os, select, sys, time
path, silence, mode = sys.argv[1], float(sys.argv[2]), sys.argv[3]
file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
def held():
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
def said():
    file.seek(0)
    try:
        found = json.loads(file.read(65536))
        found["seconds"] = round(time.monotonic() - found.pop("since"))
        return found
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
got = held()
if mode == "break" and not got:
    holder = said()
    if holder.get("pid"):
        os.kill(int(holder["pid"]), 9)
        for _ in range(50):
            if held():
                break
            time.sleep(0.1)
    print(json.dumps({"held": False, "holder": holder}), flush=True)
    sys.exit()
print(json.dumps({"held": got, "holder": {} if got else said()}), flush=True)
if not got or mode != "hold":
    sys.exit()
mine = dict(json.loads(base64.b64decode(sys.argv[4]).decode()), pid=os.getpid(), since=time.monotonic())
heard, rest = time.monotonic(), b""
while True:
    file.seek(0)
    file.write(json.dumps(mine))
    file.truncate()
    file.flush()
    ready = select.select([0], [], [], 1.0)[0]
    if ready:
        data = os.read(0, 65536)
        if not data:
            break
        heard = time.monotonic()
        lines = (rest + data).split(b"\\n")
        rest = lines.pop()
        mine["doing"] = ([mine["doing"]] + [l.decode("utf-8", "replace") for l in lines if l])[-1][:200]
    elif time.monotonic() - heard > silence:
        break
file.seek(0)
file.truncate()
"""


class Lock:
    """Held from `acquire` to `release`; a context manager that releases."""

    def __init__(self, cluster: Cluster, hold: StartProcess, doing: str) -> None:
        self._hosts = [h for h in cluster.hosts if h.name in voters(cluster)]
        self._hold = hold
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
            held = self._hold(host, keeper("hold", self._doing))
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
                              hint="wait until that is over; if it can't be ('provision unlock' shows it again and asks), break the lock")
        self._held[host.name] = held

    def _live(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            with self._guard:
                self._tell()

    def _tell(self) -> None:
        for held in self._held.values():
            held.send(self._doing)


def unlock(cluster: Cluster, hold: StartProcess, *, force: bool) -> dict[str, str]:
    """Who holds the lock, by voter; with `force` it is taken from them. Voters that don't answer are left out."""
    found = {}
    for host in cluster.hosts:
        if host.name in voters(cluster):
            try:
                held = hold(host, keeper("break" if force else "show", ""))
                answer = read(held)
            except UnreachableError:
                continue
            held.close()
            if not answer["held"]:
                found[host.name] = describe(answer["holder"])
    return found


def keeper(mode: str, doing: str) -> str:
    """The shell command that takes, shows or breaks the lock on a host."""
    me = {"who": getpass.getuser(), "where": socket.gethostname(), "process": os.getpid(), "doing": doing}
    words = ["python3", "-IS", "-c", _KEEPER, PATH, str(SILENCE_SECONDS), mode, base64.b64encode(json.dumps(me).encode()).decode()]
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
            f"for {holder.get('seconds', '?')} s, {holder.get('doing') or 'doing nothing that it tells'}")
    return printable(text[:500].encode("utf-8", "replace"))
