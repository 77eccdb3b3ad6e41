"""Two clients that never stop, and the longest time each had to wait: what an operator's change costs its users."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from marathon import MarathonClient
from marathon.models import MarathonApp

from tests.lab.support.checkout import eventually
from tests.lab.support.results import keep

PATH = "/two-clients"
PORT = 31900
PAUSE_SECONDS = 0.1


@dataclass
class Client:
    """Asks again and again in a thread; `longest` is the longest time between two answers since `reset`. `session` is what it asks by."""

    ask: Callable[[], None]
    session: Any = None
    longest: float = 0.0
    answered: float = field(default_factory=time.monotonic)
    errors: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Client:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)

    def reset(self) -> None:
        """Forget the gaps so far."""
        self.longest, self.answered = 0.0, time.monotonic()

    def gap(self) -> float:
        """The longest gap since `reset`, one that still lasts included."""
        return max(self.longest, time.monotonic() - self.answered)

    def _run(self) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            try:
                self.ask()
            except (KazooException, KazooTimeoutError, OSError, urllib.error.URLError):
                self.errors += 1
                continue
            now = time.monotonic()
            self.longest, self.answered = max(self.longest, now - self.answered), now


@contextmanager
def writer(zookeepers: str, password: str) -> Iterator[tuple[Client, list[str]]]:
    """A client that creates one znode after another, and the names of those that were acknowledged.

    `zookeepers` is a connection string; the client logs in as the super user.
    """
    zookeeper = KazooClient(hosts=zookeepers, timeout=6, auth_data=[("digest", f"super:{password}")])
    zookeeper.start(timeout=30)
    zookeeper.ensure_path(PATH)
    acknowledged: list[str] = []

    def write() -> None:
        acknowledged.append(zookeeper.create_async(f"{PATH}/n", sequence=True).get(timeout=5))

    with Client(write, zookeeper) as client:
        yield client, acknowledged
    zookeeper.delete(PATH, recursive=True)
    zookeeper.stop()
    zookeeper.close()


@contextmanager
def asker(marathon: MarathonClient, registry: str, agents: list[str]) -> Iterator[Client]:
    """A client of an app with an instance on each of two agents; it goes on to the next agent when one does not answer."""
    docker = {"image": f"{registry}/busybox:1.35", "network": "BRIDGE", "portMappings": [{"containerPort": 8000, "hostPort": PORT}]}
    app = {"id": "/two-clients", "instances": 2, "cpus": 0.1, "mem": 32, "constraints": [["hostname", "UNIQUE"]],
           "cmd": "echo alive > /tmp/index.html && exec httpd -f -p 8000 -h /tmp", "container": {"type": "DOCKER", "docker": docker}}

    def ask() -> None:
        for address in agents:
            with suppress(OSError):
                urllib.request.urlopen(f"http://{address}:{PORT}/", timeout=2).read()
                return
        raise OSError("no instance answers")

    with _app(marathon, app):
        # Both: who compares what runs before and after must not take the second one's start for a change.
        eventually("both instances run", 120, lambda: marathon.get_app(app["id"]).tasks_running == app["instances"])
        eventually("the app answers", 120, lambda: _works(ask))
        with Client(ask) as client:
            yield client


@contextmanager
def _app(client: MarathonClient, app: dict[str, Any]) -> Iterator[None]:
    client.create_app(app["id"], MarathonApp.from_json(app))
    try:
        yield
    finally:
        client.delete_app(app["id"], force=True)


def _works(ask: Callable[[], None]) -> bool:
    try:
        ask()
    except OSError:
        return False
    return True


def report_gaps(name: str, rows: Sequence[tuple[str, float, float]], acknowledged: int, refused: int, more: str = "") -> None:
    """The table of what each change cost each client: what was done, seconds without ZooKeeper, seconds without the app; then `more`."""
    heading = f"{acknowledged} writes acknowledged, none lost; {refused} refused\n\nlongest gap, seconds{'ZooKeeper':>30}{'app':>8}\n"
    keep(name, heading + "\n".join(f"{what:<38}{write:>12.1f}{ask:>8.1f}" for what, write, ask in rows) + (f"\n\n{more}" if more else ""))
