"""The cluster under loss: leaders killed and frozen in turn, and a whole host, while two clients never stop.

One client writes to ZooKeeper, one asks a Marathon app. Nothing that was acknowledged may be lost, and the cluster must
heal by itself; how long each client was without an answer is printed as a table, not asserted.
"""

from __future__ import annotations

import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from marathon import MarathonClient
from marathon.models import MarathonApp

from tests.cluster_under_test import ClusterUnderTest, eventually

PATH = "/failover"
PORT = 31900
PAUSE_SECONDS = 0.1
#: A frozen leader is let go after this time; its session has ended long before.
FREEZE_SECONDS = 30
HEAL_SECONDS = 180
UNITS = {"zookeeper": "zookeeper", "mesos_master": "mesos-master", "marathon": "marathon", "chronos": "chronos", "consul": "consul"}
GAPS: list[tuple[str, float, float]] = []


@dataclass
class Client:
    """Asks again and again in a thread; `longest` is the longest time between two answers since `reset`."""

    ask: Callable[[], None]
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


@pytest.fixture(scope="module")
def written(members: Callable[[str], dict[str, str]], inventory: dict[str, Any]) -> Iterator[tuple[Client, list[str]]]:
    """A client that creates one znode after another, and the names of those that were acknowledged."""
    hosts = ",".join(f"{address}:2181" for address in members("zookeeper").values())
    password = inventory["all"]["vars"]["vault_zookeeper_super_password"]
    zookeeper = KazooClient(hosts=hosts, timeout=6, auth_data=[("digest", f"super:{password}")])
    zookeeper.start(timeout=30)
    zookeeper.ensure_path(PATH)
    acknowledged: list[str] = []

    def write() -> None:
        acknowledged.append(zookeeper.create_async(f"{PATH}/n", sequence=True).get(timeout=5))

    with Client(write) as client:
        yield client, acknowledged
    zookeeper.delete(PATH, recursive=True)
    zookeeper.stop()
    zookeeper.close()


@pytest.fixture(scope="module")
def asked(members: Callable[[str], dict[str, str]], inventory: dict[str, Any]) -> Iterator[Client]:
    """A client of an app with one instance on each agent; it goes on to the next agent when one does not answer."""
    registry = inventory["all"]["vars"]["docker_registry"]
    marathon = next(iter(members("marathon").values()))
    docker = {"image": f"{registry}/busybox:1.35", "network": "BRIDGE", "portMappings": [{"containerPort": 8000, "hostPort": PORT}]}
    app = {"id": "/failover", "instances": 2, "cpus": 0.1, "mem": 32, "constraints": [["hostname", "UNIQUE"]],
           "cmd": "echo alive > /tmp/index.html && exec httpd -f -p 8000 -h /tmp", "container": {"type": "DOCKER", "docker": docker}}
    with _app(marathon, app):
        addresses = list(members("mesos_agent").values())

        def ask() -> None:
            for address in addresses:
                with suppress(OSError):
                    urllib.request.urlopen(f"http://{address}:{PORT}/", timeout=2).read()
                    return
            raise OSError("no instance answers")

        eventually("the app answers", 120, lambda: _works(ask))
        with Client(ask) as client:
            yield client


@contextmanager
def _app(marathon: str, app: dict[str, Any]) -> Iterator[None]:
    client = MarathonClient(f"http://{marathon}:8080", timeout=20)
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


def fault(cluster: ClusterUnderTest, what: str, component: str) -> str:
    """Do it to the leader's host; gives the host."""
    victim = cluster.leader(component)
    container = f"{cluster.lab}-{victim}"
    if what == "kill":
        cluster.on(victim, f"systemctl kill --signal=KILL {UNITS[component]}")
    elif what == "freeze":
        subprocess.run(["docker", "pause", container], check=True, capture_output=True)
        time.sleep(FREEZE_SECONDS)
        subprocess.run(["docker", "unpause", container], check=True, capture_output=True)
    else:
        subprocess.run(["docker", "kill", container], check=True, capture_output=True)
        eventually("another leader", 90, lambda: _another(cluster, component, victim))
        subprocess.run(["docker", "start", container], check=True, capture_output=True)
    return victim


def _another(cluster: ClusterUnderTest, component: str, victim: str) -> bool:
    leaders = [row["host"] for row in cluster.rows(component) if row["leader"]]
    return len(leaders) == 1 and leaders != [victim]


@pytest.mark.parametrize(("what", "component"), [
    *(("kill", component) for component in UNITS), *(("freeze", component) for component in UNITS), ("host", "mesos_master"),
])
def test_the_cluster_heals_by_itself(cluster: ClusterUnderTest, written: tuple[Client, list[str]], asked: Client, what: str,
                                     component: str) -> None:
    writer, _ = written
    writer.reset()
    asked.reset()
    victim = fault(cluster, what, component)
    eventually(f"all is well after {what} of {component}'s leader on {victim}", HEAL_SECONDS, lambda: bool(cluster.status()["healthy"]))
    eventually("both clients get answers again", 60, lambda: time.monotonic() - max(writer.answered, asked.answered) < 2)
    GAPS.append((f"{what} {component} ({victim})", writer.gap(), asked.gap()))


def test_nothing_acknowledged_was_lost(written: tuple[Client, list[str]], zookeeper: Callable[[str], KazooClient]) -> None:
    writer, acknowledged = written
    names = {path.rpartition("/")[2] for path in list(acknowledged)}
    client = zookeeper("m1")
    client.sync(PATH)
    assert names - set(client.get_children(PATH)) == set()
    print(f"\n{len(names)} writes acknowledged, none lost; {writer.errors} refused\n\nlongest gap, seconds{'ZooKeeper':>30}{'app':>8}")
    for name, write, ask in GAPS:
        print(f"{name:<38}{write:>12.1f}{ask:>8.1f}")
