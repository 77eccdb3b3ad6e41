"""ZooKeeper: the session, the leader latch in Curator's layout, and finding the leading Mesos master."""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Sequence

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException, NoNodeError, SessionExpiredError
from kazoo.security import ACL, CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE

from mesos_framework.urls import ZkUrl, leading_master, parse_zk

LOG = logging.getLogger("election")
REFRESH_SECONDS = 5.0
_SEQUENCE = re.compile(r"(\d+)$")


def connect(url: ZkUrl, on_lost: Callable[[], None], timeout: float = 10.0) -> KazooClient:
    """An open session; `on_lost` runs once when it ends. Raises kazoo's timeout error when no server answers.

    With credentials every node is created for their owner only, as Marathon does it.
    """
    auth = [("digest", url.auth)] if url.auth else None
    client = KazooClient(
        hosts=url.hosts, timeout=timeout, auth_data=auth, default_acl=list(CREATOR_ALL_ACL) if auth else None,
        connection_retry={"max_tries": -1, "max_delay": 2}, command_retry={"max_tries": 5, "max_delay": 2},
    )

    def watch(state: str) -> None:
        if state == KazooState.LOST:
            # Not in this thread: it belongs to kazoo, which must stay free to finish what is under way.
            threading.Thread(target=on_lost, daemon=True).start()

    client.start(timeout=timeout * 3)
    client.add_listener(watch)
    return client


def leader_of(names: Sequence[str]) -> str:
    """The node with the lowest sequence number: it leads."""
    numbered = [(int(m[1]), name) for name in names if (m := _SEQUENCE.search(name))]
    return min(numbered)[1] if numbered else ""


class LeaderLatch:
    """A member of an election; its znode holds `identity` ("host:port")."""

    def __init__(self, client: KazooClient, path: str, identity: str, *, private: bool) -> None:
        self._client, self._path, self._identity = client, path, identity
        self._acl: list[ACL] | None = [*CREATOR_ALL_ACL, *READ_ACL_UNSAFE] if private else list(OPEN_ACL_UNSAFE)
        self._changed = threading.Event()
        self._node = ""
        self.leader = ""
        self.elected = False

    def enter(self) -> None:
        """Puts the member's node into the election."""
        self._client.ensure_path(self._path, acl=self._acl)
        name = f"{self._path}/_c_{uuid.uuid4()}-latch-"
        made = self._client.create(name, self._identity.encode(), acl=self._acl, ephemeral=True, sequence=True)
        self._node = made.rsplit("/", 1)[-1]

    def leave(self) -> None:
        """Takes the member's node out, so that the next in line leads at once."""
        if self._node:
            self._client.delete(f"{self._path}/{self._node}")

    def follow(self, on_elected: Callable[[], None]) -> None:
        """Keeps `leader` and `elected` right for ever; `on_elected` runs in this thread on becoming leader."""
        while True:
            try:
                self._look(on_elected)
            except SessionExpiredError:
                return
            except KazooException as error:
                LOG.warning("Cannot read the election: %r", error)
                self.leader = ""
                time.sleep(1)

    def _look(self, on_elected: Callable[[], None]) -> None:
        self._changed.clear()
        names = self._client.get_children(self._path, watch=lambda _event: self._changed.set())
        first = leader_of(names)
        try:
            self.leader = self._client.get(f"{self._path}/{first}")[0].decode() if first else ""
        except NoNodeError:
            return
        if first == self._node and not self.elected:
            LOG.info("Leader won: %s", self._identity)
            self.elected = True
            on_elected()
        self._changed.wait(REFRESH_SECONDS)


class MasterDetector:
    """Where the leading Mesos master is: `zk://...` is asked each time, `host:port` is taken as it is."""

    def __init__(self, master: str, on_lost: Callable[[], None]) -> None:
        self._fixed = "" if master.startswith("zk://") else master.removeprefix("http://").rstrip("/")
        self._url = None if self._fixed else parse_zk(master)
        self._client = connect(self._url, on_lost) if self._url else None

    def detect(self) -> str:
        """`ip:port`, or "" when there is no master now."""
        if self._fixed or self._client is None or self._url is None:
            return self._fixed
        try:
            names = self._client.get_children(self._url.path)
            nodes = {n: self._client.get(f"{self._url.path}/{n}")[0] for n in names if n.startswith("json.info_")}
            return leading_master(nodes)
        except KazooException as error:
            LOG.warning("Cannot look for the Mesos master: %r", error)
            return ""
