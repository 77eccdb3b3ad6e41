"""The process of one member: ZooKeeper session, election, HTTP server, and the leader's threads."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import queue
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from typing import Any, NoReturn, Protocol

from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import ACL, OPEN_ACL_UNSAFE

from mesos_framework.doors import Doors, Listener
from mesos_framework.election import LeaderLatch, MasterDetector, connect
from mesos_framework.http_api import Api, Leadership, Manners, Route, serve
from mesos_framework.mesos_client import Credential, Event, MesosScheduler, RefusedError, RemovedError
from mesos_framework.state_store import ZooKeeperStore
from mesos_framework.urls import ZkUrl

LOG = logging.getLogger("member")
FLAG_ERROR, TERMINATED = 1, 143
TICK_SECONDS = 1.0
LEAVE_SECONDS = 5.0
#: A new leader of a real program reads its apps or jobs for as long as it takes; here it takes this long.
LOAD_SECONDS = 2.0
READ_SECONDS = 2.0


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
    leadership_loss: int = 1
    refused: int = 1
    removed: int = 1
    bind: int = 1
    uncaught: int = 1


@dataclass(frozen=True)
class Rules:
    """The ACLs of a member with ZooKeeper credentials: of its state, of the election's node, and of its own node in it."""

    state: Sequence[ACL]
    election: Sequence[ACL]
    member: Sequence[ACL]


@dataclass(frozen=True)
class MemberSpec:
    """Who the member is and where it keeps things: `own` is host:port, `zk.path` the root of `state` and `latch`.

    `framework_id` is the node of that id below the state; `patient`: a moment without ZooKeeper does not end the process.
    """

    product: str
    own: str
    doors: Doors
    zk: ZkUrl
    latch: str
    framework_id: str
    rules: Rules
    master: str
    credential: Credential
    framework_info: Callable[[str], dict[str, Any]]
    manners: Manners
    exits: ExitCodes = ExitCodes()
    heartbeat_seconds: float = math.inf
    patient: bool = True


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


class Member(ABC):
    """One member of a cluster of schedulers. Making it connects to ZooKeeper, and ends the process when that fails."""

    def __init__(self, spec: MemberSpec) -> None:
        self.spec = spec
        try:
            client = connect(spec.zk, self._lost, spec.rules.state, patient=spec.patient)
            self._detector = MasterDetector(spec.master, self._lost)
        except KazooTimeoutError:
            end(spec.exits.zookeeper_failure, f"Failed to connect to ZooKeeper at {spec.zk.redacted}, exiting now.")
        self.store = ZooKeeperStore(client, f"{spec.zk.path}/state")
        rules = (spec.rules.election, spec.rules.member) if spec.zk.auth else (OPEN_ACL_UNSAFE, OPEN_ACL_UNSAFE)
        self.latch = LeaderLatch(client, f"{spec.zk.path}/{spec.latch}", spec.own, *rules)
        self._calls: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self.mesos: MesosScheduler | None = None
        self._ready = threading.Event()

    @abstractmethod
    def lead(self, brain: Brain) -> None:
        """Takes the cluster over from the last leader; runs in the thread that follows the election."""

    @abstractmethod
    def disconnected(self) -> None:
        """The Mesos master that had registered the framework leads no longer; when this returns, the next one is looked for."""

    def leads(self) -> bool:
        """Whether this member answers requests itself."""
        return self._ready.is_set()

    def emit(self, kind: str, body: dict[str, Any]) -> None:
        """Queues a Mesos call; it is sent outside the caller's locks."""
        self._calls.put((kind, body))

    def leader(self) -> str:
        """Who leads, as host:port; "" when nobody does."""
        return self.latch.leader

    def framework_id(self) -> str:
        """The id that Mesos gave, "" before the first registration."""
        return self.mesos.framework_id if self.mesos else ""

    def run(self, brain: Brain, routes: tuple[Route, ...]) -> None:
        """Serves until the process ends."""
        api = Api(routes, Leadership(self.spec.own, self.leader, self.leads), self.spec.manners)
        servers = [self._served(api, listener) for listener in self.spec.doors.listeners]
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=self.leave, args=(TERMINATED, "Terminated"), daemon=True).start())
        self.latch.enter()
        self.start(lambda: self.latch.follow(lambda: self.lead(brain), self.defeated))
        for server in servers[1:]:
            self.start(server.serve_forever)
        servers[0].serve_forever()

    def _served(self, api: Api, listener: Listener) -> ThreadingHTTPServer:
        try:
            return serve(api, listener, self.spec.product, self.spec.doors.lock)
        except OSError as error:
            end(self.spec.exits.bind, f"Cannot listen on {listener.address}:{listener.port}: {error.strerror}")

    def answer_requests(self) -> None:
        """From now on requests are answered here."""
        self._ready.set()

    def stored_id(self) -> str:
        """The framework's id as the last leader stored it, "" without one. Raises kazoo's errors, its timeout error among them."""
        return self.store.read(self.spec.framework_id, READ_SECONDS)

    def drive(self, brain: Brain, framework_id: str) -> None:
        """Registers with Mesos, under this id or, if it is empty, a new one."""
        def on_event(event: Event) -> None:
            if event["type"] == "SUBSCRIBED":
                self.store.write(self.spec.framework_id, mesos.framework_id)
                LOG.info("Registered as %s", mesos.framework_id)
            brain.on_event(event)

        mesos = self.mesos = MesosScheduler(
            self._detector.detect, self.spec.framework_info(framework_id), self.spec.credential, on_event, self.disconnected,
            self.spec.heartbeat_seconds,
        )
        self.start(lambda: self.register(mesos))
        self.start(lambda: self._send_calls(mesos))

    def leave(self, code: int, why: str) -> None:
        """Takes the member out of the election and ends the process."""
        # Without ZooKeeper the latch cannot be left: it then goes with the session.
        threading.Timer(LEAVE_SECONDS, end, (code, why)).start()
        with contextlib.suppress(KazooException):
            self.latch.leave()
        end(code, why)

    def start(self, work: Callable[[], None]) -> None:
        """Runs something in a thread of its own; what it does not catch ends the process."""
        def guarded() -> None:
            try:
                work()
            except Exception:
                LOG.exception("Terminating due to uncaught exception")
                end(self.spec.exits.uncaught, "uncaught exception")

        threading.Thread(target=guarded, daemon=True).start()

    def register(self, mesos: MesosScheduler) -> None:
        """Subscribes, and goes on with that until the master refuses: then the process ends."""
        try:
            mesos.run()
        except RefusedError as error:
            # A removed id stays where it is stored: every member that takes over meets the same refusal.
            self.leave(self.spec.exits.removed if isinstance(error, RemovedError) else self.spec.exits.refused, f"Error: {error}")

    def _send_calls(self, mesos: MesosScheduler) -> None:
        while True:
            kind, body = self._calls.get()
            mesos.call(kind, **body)

    def defeated(self) -> None:
        """Another member leads now; a process that led once does not go on as a follower."""
        self.leave(self.spec.exits.leadership_loss, "Lost leadership; crashing")

    def _lost(self) -> None:
        end(self.spec.exits.zookeeper_loss, "The connection to ZooKeeper is lost, exiting now.")


def tick(brain: Brain) -> None:
    """Lets a brain do once a second what time calls for."""
    while True:
        brain.tick()
        time.sleep(TICK_SECONDS)
