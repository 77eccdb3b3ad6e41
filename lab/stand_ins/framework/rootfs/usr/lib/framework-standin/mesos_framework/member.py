"""The process of one member: ZooKeeper session, election, HTTP server, and the leader's threads."""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from kazoo.handlers.threading import KazooTimeoutError

from mesos_framework.election import LeaderLatch, MasterDetector, connect
from mesos_framework.http_api import Api, Leadership, Route, serve
from mesos_framework.mesos_client import Credential, Event, MesosScheduler, RefusedError
from mesos_framework.state_store import ZooKeeperStore
from mesos_framework.urls import ZkUrl

LOG = logging.getLogger("member")
FLAG_ERROR, TERMINATED = 1, 143
TICK_SECONDS = 1.0
LEAVE_SECONDS = 5.0


class Brain(Protocol):
    """What only the leader runs."""

    def load(self) -> None:
        """Takes over the stored state."""

    def tick(self) -> None:
        """Called once a second."""

    def on_event(self, event: Event) -> None:
        """One event of the Mesos subscription."""


@dataclass(frozen=True)
class ExitCodes:
    """How the process ends, by cause; the unit starts it again."""

    zookeeper_failure: int = 1
    zookeeper_loss: int = 1
    abdicated: int = 1
    refused: int = 1
    removed: int = 1
    bind: int = 1
    uncaught: int = 1


@dataclass(frozen=True)
class MemberSpec:
    """Who the member is and where it keeps things: `own` is host:port, `zk.path` the root of `state` and `latch`."""

    product: str
    own: str
    address: str
    port: int
    zk: ZkUrl
    state: str
    latch: str
    private_latch: bool
    master: str
    credential: Credential
    framework_info: Callable[[str], dict[str, Any]]
    exits: ExitCodes = ExitCodes()


def end(code: int, why: str) -> NoReturn:
    """Ends the process from any thread."""
    LOG.error("%s", why)
    sys.stdout.flush()
    os._exit(code)


def log_to_stdout() -> None:
    """One line per record, on standard output."""
    form = "[%(asctime)s] %(levelname)-5s %(message)s (%(name)s)"
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format=form)
    logging.getLogger("kazoo").setLevel(logging.WARNING)


class Member:
    """One member of a cluster of schedulers. Making it connects to ZooKeeper, and ends the process when that fails."""

    def __init__(self, spec: MemberSpec) -> None:
        self._spec = spec
        try:
            self._client = connect(spec.zk, self._lost)
            self._detector = MasterDetector(spec.master, self._lost)
        except KazooTimeoutError:
            end(spec.exits.zookeeper_failure, f"Failed to connect to ZooKeeper at {spec.zk.redacted}, exiting now.")
        self.store = ZooKeeperStore(self._client, f"{spec.zk.path}/{spec.state}")
        latch = f"{spec.zk.path}/{spec.latch}"
        self._latch = LeaderLatch(self._client, latch, spec.own, private=spec.private_latch)
        self._calls: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self._mesos: MesosScheduler | None = None
        self._leading = threading.Event()

    def emit(self, kind: str, body: dict[str, Any]) -> None:
        """Queues a Mesos call; it is sent outside the caller's locks."""
        self._calls.put((kind, body))

    def leader(self) -> str:
        """Who leads, as host:port; "" when nobody does."""
        return self._latch.leader

    def framework_id(self) -> str:
        """The id that Mesos gave, "" before the first registration."""
        return self._mesos.framework_id if self._mesos else ""

    def abdicate(self) -> None:
        """Hands the leadership over and ends the process."""
        self._latch.leave()
        end(self._spec.exits.abdicated, "Leadership ended gracefully")

    def run(self, brain: Brain, routes: tuple[Route, ...], headers: tuple[str, str], *more: Callable[[], None]) -> None:
        """Serves until the process ends; `more` runs in threads of its own on the leader."""
        leadership = Leadership(self._spec.own, self.leader, self._leading.is_set)
        api = Api(routes, leadership, *headers)
        try:
            server = serve(api, self._spec.address, self._spec.port, self._spec.product)
        except OSError as error:
            end(self._spec.exits.bind, f"Cannot listen on {self._spec.address}:{self._spec.port}: {error.strerror}")
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=self._terminate, daemon=True).start())
        self._latch.enter()
        self._start(lambda: self._latch.follow(lambda: self._lead(brain, more)))
        server.serve_forever()

    def _lead(self, brain: Brain, more: tuple[Callable[[], None], ...]) -> None:
        """Takes the cluster over from the last leader."""
        brain.load()
        info = self._spec.framework_info(str(self.store.load("framework").get("id", "")))

        def on_event(event: Event) -> None:
            if event["type"] == "SUBSCRIBED":
                self.store.put("framework", "id", event["subscribed"]["framework_id"]["value"])
                LOG.info("Registered as %s", self.framework_id())
            brain.on_event(event)

        self._mesos = MesosScheduler(self._detector.detect, info, self._spec.credential, on_event)
        mesos = self._mesos
        for work in (lambda: self._register(mesos), lambda: self._send_calls(mesos), lambda: _tick(brain), *more):
            self._start(work)
        self._leading.set()

    def _register(self, mesos: MesosScheduler) -> None:
        try:
            mesos.run()
        except RefusedError as error:
            removed = "removed" in str(error) or "Completed framework" in str(error)
            if removed:
                # The next start registers as a new framework, as the real program's does.
                self.store.drop("framework", "id")
            end(self._spec.exits.removed if removed else self._spec.exits.refused, f"Error: {error}")

    def _send_calls(self, mesos: MesosScheduler) -> None:
        while True:
            kind, body = self._calls.get()
            mesos.call(kind, **body)

    def _lost(self) -> None:
        end(self._spec.exits.zookeeper_loss, "The connection to ZooKeeper is lost, exiting now.")

    def _terminate(self) -> None:
        # Without ZooKeeper the latch cannot be left: it then goes with the session.
        threading.Timer(LEAVE_SECONDS, end, (TERMINATED, "Terminated")).start()
        self._latch.leave()
        end(TERMINATED, "Terminated")

    def _start(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception:
                LOG.exception("Terminating due to uncaught exception")
                end(self._spec.exits.uncaught, "uncaught exception")

        threading.Thread(target=guarded, daemon=True).start()


def _tick(brain: Brain) -> None:
    while True:
        brain.tick()
        time.sleep(TICK_SECONDS)
